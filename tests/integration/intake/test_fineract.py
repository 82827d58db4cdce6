"""Fineract's records through a real database and a real HTTP server: facts on topic `loan`, and cases out of them."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

import pytest
from aiokafka import TopicPartition

from services.intake.fineract.adapter import TOPIC, FineractAdapter
from services.intake.fineract.port import FineractPort
from services.intake.fineract.settings import FineractSettings
from services.intake.fineract.table import TRANSACTION
from services.intake.store.erasing import erase
from shared.events.catalogue import CATALOGUE
from shared.messaging.batch import BatchProcessor
from shared.messaging.dead_letters import Replayer, list_dead_letters
from shared.messaging.joint_transactions import Partition
from shared.messaging.outbox import unpack_headers
from shared.messaging.partition_reader import PartitionReader
from shared.messaging.records import KeptRecord
from simulation.core.port import listening
from simulation.fineract import wire
from simulation.fineract.books import Books, rest_api
from tests.integration.intake.conftest import Service

DAY = date(2026, 3, 10)
DUES = [(date(2026, 1, 5), 100_00), (date(2026, 2, 5), 100_00), (date(2026, 4, 5), 100_00)]


@dataclass
class Core:
    """A simulated Fineract beside intake."""

    intake: Service
    books: Books
    adapter: FineractAdapter
    sender: wire.Sender
    offsets: dict[int, int] = field(default_factory=dict)
    forwarded: int = 0

    async def send(self, *records: tuple[bytes, bytes], partition: int = 0) -> None:
        """Records of the external topic as one batch; what it makes on topic `loan` is then folded."""
        await self.feed(records, partition)
        await self.forward()

    async def feed(self, records: Sequence[tuple[bytes, bytes]], partition: int = 0) -> None:
        """Records of the external topic as one batch."""
        subscription = self.adapter.subscription(name="x", group="x", options={})
        processor = BatchProcessor(subscription, sealer=self.intake.sealer, dead_letter_limit=100)
        reader = PartitionReader(self.intake.database, processor, slots=asyncio.Semaphore(1))
        start = self.offsets.get(partition, 0)
        if not start:
            async with self.intake.database.unit_of_work() as uow:
                await uow.sql.execute(
                    "INSERT INTO consumer_position (topic, partition, cluster_id, next_offset) VALUES ($1, $2, 'c', 0)",
                    TOPIC,
                    partition,
                )
        self.offsets[partition] = start + len(records)
        place = Partition(TopicPartition(TOPIC, partition), TOPIC, start, start)
        await reader.process(
            place,
            [KeptRecord(partition, start + index, 0, key, value, ()) for index, (key, value) in enumerate(records)],
        )

    async def forward(self) -> None:
        """The relay's work: the new records of topic `loan` to their reader."""
        rows = await self.intake.fetch(
            "SELECT seq, key, value, headers FROM outbox WHERE topic = 'loan' AND seq > $1 ORDER BY seq", self.forwarded
        )
        if rows:
            self.forwarded = rows[-1][0]
            await self.intake.tell(
                *(KeptRecord(0, 0, 0, bytes(row[1]), bytes(row[2]), unpack_headers(row[3])) for row in rows)
            )

    async def facts(self) -> list[tuple[str, str]]:
        """Ids and types of the facts on topic `loan`."""
        rows = await self.intake.fetch("SELECT headers FROM outbox WHERE topic = 'loan' ORDER BY seq")
        headers = [dict(unpack_headers(row[0])) for row in rows]
        return [(one["ce_id"].decode(), one["ce_type"].decode()) for one in headers]

    async def case(self) -> list[str]:
        """Status of each case."""
        return [row[0] for row in await self.intake.fetch("SELECT status FROM case_file")]

    async def letters(self) -> list[tuple[str, bool]]:
        """Reasons of the open dead letters, and whether each has a party."""
        async with self.intake.database.read_only() as uow:
            return [(one.reason, one.party_id is not None) for one in await list_dead_letters(uow)]

    def late(self, loan: int = 9, *, key: str = "") -> tuple[bytes, bytes]:
        """A change of the delinquency range."""
        return self.sender.message(loan, wire.delinquency_changed(loan, days=30), key=key)

    def paid(self, number: int, amount: int, loan: int = 9) -> tuple[bytes, bytes]:
        """A repayment that the books have."""
        payload = wire.transaction_event(
            "LoanTransactionMakeRepaymentPost", loan, number, "repayment", on=DAY, amount=Decimal(amount) / 100
        )
        return self.sender.message(loan, payload)

    def taken_back(self, number: int, amount: int, loan: int = 9) -> tuple[bytes, bytes]:
        """An adjustment."""
        payload = wire.adjusted(loan, number, "repayment", on=DAY, amount=Decimal(amount) / 100)
        return self.sender.message(loan, payload)


@pytest.fixture
async def core(intake) -> AsyncIterator[Core]:
    """Loan 9 of client 42 is late by two instalments; loan 8 of client 41 is not."""
    books = Books()
    books.lend(9, 42, DUES)
    books.lend(8, 41, [(date(2026, 4, 5), 100_00)])
    async with listening(rest_api(books), host="127.0.0.1", port=0) as port:
        settings = FineractSettings(
            bootstrap="x:1", api_url=f"http://127.0.0.1:{port}/api/v1", api_username="intake", creditor="Bank",
            jurisdiction="CN", products={"7": "consumer"}, language="zh", person_time_zones=("Asia/Shanghai",),
            history_known_from=date(2025, 1, 1), deceased_sub_statuses=frozenset({17}),
        )  # fmt: skip
        async with FineractPort(settings) as port_:
            adapter = FineractAdapter.of(settings, port_, intake.folding, tenant="bank")
            yield Core(intake, books, adapter, wire.Sender(first=100, business_date=DAY))


async def test_a_late_loan_becomes_a_case_of_a_known_person(core):
    await core.send(core.late(key="k-1"))
    assert await core.facts() == [("default:k-1", "loan.overdue")]
    assert await core.case() == ["open"]
    assert "case.opened" in await core.intake.types()
    (opened,) = [data for name, data in await core.intake.told() if name == "case.opened"]
    assert opened["held"] is False
    assert opened["overdue_totals"] == [{"amount_minor": 200_00, "currency": "CNY"}]


async def test_no_name_or_number_lies_in_the_outbox(core):
    await core.send(core.late())
    rows = await core.intake.fetch("SELECT value FROM outbox")
    assert not [row for row in rows if b"Client 42" in bytes(row[0]) or b"138" in bytes(row[0])]
    assert len(await core.intake.fetch("SELECT FROM person WHERE card IS NOT NULL")) == 1


async def test_an_event_sent_again_is_one_also_under_a_new_number_and_source(core):
    await core.send(core.late(key="same"), core.late(key="same"))
    core.sender = wire.Sender(first=900, business_date=DAY)  # started anew
    await core.send(core.late(key="same"))
    await core.send(core.late(key="same"), partition=1)
    assert len(await core.facts()) == 1


async def test_an_event_that_repeats_an_old_one_under_a_new_identity_changes_nothing(core):
    await core.send(core.late())
    before = await core.intake.types()
    await core.send(core.late())
    after = [name for name in (await core.intake.types())[len(before) :] if name.startswith("case.")]
    assert after == []


async def test_a_null_range_cures_only_what_the_books_say_is_cured(core):
    await core.send(core.late())
    left = core.sender.message(9, wire.delinquency_changed(9, days=None))
    await core.send(left)
    assert await core.case() == ["open"]
    core.books.book(9, 200_00, on=DAY)
    await core.send(core.sender.message(9, wire.delinquency_changed(9, days=None)))
    assert await core.case() == ["cured"]


async def test_overdue_paid_and_reversed_on_one_day_stays_open(core):
    await core.send(core.late())
    booking = core.books.book(9, 200_00, on=DAY)
    await core.send(core.paid(booking.number, 200_00))
    assert await core.case() == ["cured"]
    core.books.reverse(9, booking.number)
    await core.send(core.taken_back(booking.number, 200_00))
    assert await core.case() == ["open"]
    types = await core.intake.types()
    assert {"case.payment_posted", "case.payment_reversed"} <= set(types)


async def test_the_same_in_one_batch_ends_the_same(core):
    booking = core.books.book(9, 200_00, on=DAY)
    core.books.reverse(9, booking.number)
    await core.send(core.late(), core.paid(booking.number, 200_00), core.taken_back(booking.number, 200_00))
    assert await core.case() == ["open"]


async def test_an_adjusted_payment_is_taken_back_and_its_successor_counts(core):
    await core.send(core.late())
    first = core.books.book(9, 50_00, on=DAY)
    await core.send(core.paid(first.number, 50_00))
    core.books.reverse(9, first.number, replayed=True)
    core.books.book(9, 70_00, on=DAY)
    await core.send(core.taken_back(first.number, 50_00))
    updates = [data for name, data in await core.intake.told() if name == "case.updated"]
    assert updates[-1]["overdue_totals"][0]["amount_minor"] == 130_00


async def test_one_question_per_loan_and_batch(core):
    await core.feed([core.late(), core.late(), core.late()])
    assert core.books.questions.count("/api/v1/loans/9") == 1
    await core.feed([core.late()])
    assert core.books.questions.count("/api/v1/loans/9") == 2


async def test_clients_with_nothing_past_due_are_nobody_to_us(core):
    await core.send(core.sender.message(8, wire.repayment_due(8, date(2026, 4, 5))))
    assert await core.facts() == []
    assert await core.intake.fetch("SELECT FROM party_alias") == []
    assert "/api/v1/clients/41" not in core.books.questions


async def test_a_loan_without_client_is_refused_and_its_neighbours_go_on(core):
    core.books.lend(7, None, DUES)
    await core.send(core.late(7), core.late(9), core.late(6))
    assert sorted(await core.letters()) == [("core_state_refused", True), ("core_unknown", True)]
    assert await core.case() == ["open"]


async def test_inexact_money_is_refused_and_parks_the_person(core):
    core.books.lend(5, 42, DUES, inexact=True)
    core.books.book(5, 10_00, on=DAY)
    await core.send(core.late(9), core.late(5))
    assert await core.letters() == [("core_state_refused", True)]
    assert "party.parked" in await core.intake.types()


async def test_an_unknown_fingerprint_parks_the_person_of_a_loan_we_told_of(core):
    await core.send(core.late(9))
    strange = wire.Payload("LoanStatusChangedBusinessEvent", "LoanAccountDataV1", b"\xc3\x01" + b"\x11" * 8)
    await core.send(core.sender.message(9, strange), core.sender.message(8, strange))
    assert [reason for reason, _ in await core.letters()] == ["unknown_fingerprint"] * 2
    parked = await core.intake.fetch("SELECT known FROM parked_party ORDER BY known")
    assert [row[0] for row in parked] == [False, True]
    assert (await core.intake.types()).count("party.parked") == 1


async def test_money_is_told_while_the_person_is_parked_and_the_rest_waits(core):
    await core.send(core.late(9))
    strange = wire.Payload("LoanStatusChangedBusinessEvent", "LoanAccountDataV1", b"\xc3\x01" + b"\x11" * 8)
    booking = core.books.book(9, 10_00, on=DAY)
    before = len(await core.facts())
    await core.send(core.sender.message(9, strange), core.late(9), core.paid(booking.number, 10_00))
    assert [name for _, name in (await core.facts())[before:]] == ["loan.payment_received"]
    assert len(await core.intake.fetch("SELECT FROM waiting_record WHERE behind = 'party'")) == 1


async def test_a_dead_letter_is_replayed_once_the_core_has_mended_its_books(core):
    loan = core.books.lend(5, 42, DUES, product=99)
    await core.send(core.late(5))
    assert await core.letters() == [("product_unmapped", True)]
    subscription = core.adapter.subscription(name="x", group="x", options={})
    replayer = Replayer(core.intake.database, [subscription], sealer=core.intake.sealer)
    async with core.intake.database.read_only() as uow:
        (letter,) = await list_dead_letters(uow)
    loan.product = 7
    assert await replayer.replay(letter.id) == 1
    await core.forward()
    assert await core.case() == ["open"]
    assert await core.letters() == []


async def test_a_core_that_is_away_is_waited_for(core, monkeypatch):
    monkeypatch.setattr("shared.messaging.partition_reader.LONGEST_PAUSE_SECONDS", 0.05)
    core.books.is_away = True
    sending = asyncio.create_task(core.send(core.late()))
    await asyncio.sleep(0.3)
    assert not sending.done()
    core.books.is_away = False
    await sending
    assert await core.case() == ["open"]
    assert await core.letters() == []


async def test_a_core_that_fails_at_one_loan_keeps_nobody_else_waiting(core):
    core.books.lend(7, 43, DUES)
    core.books.failing.add(7)
    await core.send(core.late(7), core.late(9))
    assert await core.letters() == [("core_failed", True)]
    assert await core.case() == ["open"]


async def test_numbers_that_wrap_keep_their_order(core):
    core.sender = wire.Sender(first=2**31 - 1, business_date=DAY)
    await core.send(core.late())
    core.books.book(9, 50_00, on=DAY)
    await core.send(core.late())
    overdue = [data["core_sequence"] for name, data in await core.intake.told() if name == "loan.overdue"]
    assert overdue[0] < overdue[1]
    updates = [data for name, data in await core.intake.told() if name == "case.updated"]
    assert updates[-1]["overdue_totals"][0]["amount_minor"] == 150_00


async def test_items_of_a_bulk_message_are_facts_of_their_own(core):
    booking = core.books.book(9, 10_00, on=DAY)
    payment = wire.transaction_event(
        "LoanTransactionMakeRepaymentPost", 9, booking.number, "repayment", on=DAY, amount=Decimal(10)
    )
    await core.send(core.sender.bulk(9, [wire.delinquency_changed(9, days=30), payment], key="b"))
    assert await core.facts() == [("default:b:1", "loan.overdue"), ("default:b:2", "loan.payment_received")]
    assert await core.case() == ["open"]


async def test_a_fact_that_the_catalogue_does_not_know_is_refused_by_name(core, monkeypatch):
    older = {name: known for name, known in CATALOGUE.items() if name != "loan.cured"}
    monkeypatch.setattr("services.intake.fineract.facts.CATALOGUE", older)
    await core.send(core.late(9))
    core.books.book(9, 200_00, on=DAY)
    await core.send(core.late(9))
    assert await core.letters() == [("fact_not_catalogued", True)]


async def test_a_pause_rests_the_case_and_a_write_off_ends_it(core):
    await core.send(core.late())
    core.books.loans[9].pauses = [(date(2026, 3, 1), date(2026, 3, 31))]
    await core.send(core.sender.message(9, wire.loan_event("LoanAccountDelinquencyPauseChanged", 9)))
    assert {"case.hold_seen", "case.suspended"} <= set(await core.intake.types())
    booking = core.books.book(9, 300_00, on=DAY, kind="writeOff")
    core.books.loans[9].status, core.books.loans[9].ended_on = "closedWrittenOff", DAY
    payload = wire.transaction_event("LoanWrittenOffPost", 9, booking.number, "writeOff", on=DAY, amount=Decimal(300))
    await core.send(core.sender.message(9, payload))
    assert await core.case() == ["closed"]


async def test_a_re_age_cures_as_such(core):
    await core.send(core.late())
    booking = core.books.book(9, 0, on=DAY, kind="reAge")
    for instalment in core.books.loans[9].instalments:
        instalment.due_date = date(2026, 6, 5)
    payload = wire.transaction_event("LoanReAgeTransaction", 9, booking.number, "reAge", on=DAY, amount=Decimal(200))
    await core.send(core.sender.message(9, payload))
    (cured,) = [data for name, data in await core.intake.told() if name == "case.cured"]
    assert cured["cause"] == "reage"


async def test_whoever_was_erased_and_is_late_again_is_a_new_person(core):
    await core.send(core.late())
    async with core.intake.database.unit_of_work() as uow:
        party_id = await uow.sql.fetchval("SELECT party_id FROM fineract_person")
        await uow.lock_parties([party_id])
        await erase(uow, core.intake.folding.cipher, [party_id])
    assert await core.intake.fetch("SELECT FROM fineract_loan UNION ALL SELECT FROM fineract_person") == []
    await core.send(core.late())
    assert [row[0] for row in await core.intake.fetch("SELECT party_id FROM fineract_person")] != [party_id]


async def test_shuffled_and_repeated_events_of_a_loan_end_in_the_same_state(core):
    booking = core.books.book(9, 130_00, on=DAY)
    records = [
        core.late(), core.paid(booking.number, 130_00), core.sender.message(9, wire.repayment_due(9, DAY)),
        core.sender.message(9, wire.loan_event("LoanBalanceChanged", 9)),
    ]  # fmt: skip
    shuffled = records * 10
    random.Random(5).shuffle(shuffled)
    await core.send(*shuffled[:17])
    await core.send(*shuffled[17:])
    assert len({identity.split("/")[0] for identity, _ in await core.facts()}) == len(records)
    (row,) = await core.intake.fetch("SELECT status, bucket FROM case_file")
    assert (row["status"], row["bucket"]) == ("open", "B2")
    posted = [name for name in await core.intake.types() if name == "case.payment_posted"]
    assert len(posted) == 1


async def test_a_person_is_asked_for_once_and_again_when_the_answer_is_old(core):
    await core.send(core.late())
    await core.send(core.late())
    assert core.books.questions.count("/api/v1/clients/42") == 1
    core.adapter._port._person_seconds = 0
    await core.send(core.late())
    assert core.books.questions.count("/api/v1/clients/42") == 2


async def test_a_loan_that_is_never_answered_keeps_nobody_waiting_for_ever(core, monkeypatch):
    monkeypatch.setattr("shared.messaging.partition_reader.LONGEST_PAUSE_SECONDS", 0.01)
    core.adapter._port._http.timeout = 0.2
    core.books.lend(7, 43, DUES)
    core.books.silent.add(7)
    await core.send(core.late(7), core.late(9))
    assert await core.letters() == [("core_failed", True)]
    assert await core.case() == ["open"]
    assert core.books.questions.count("/api/v1/loans/9") == 1


async def test_a_fact_that_nobody_can_tell_parks_nobody_whose_loans_were_never_late(core):
    booking = core.books.book(8, 10_00, on=DAY)
    core.books.reverse(8, booking.number, replayed=True)
    unsaid = wire.Payload(
        "LoanTransactionMakeRepaymentPostBusinessEvent",
        TRANSACTION,
        b"\xc3\x01" + bytes.fromhex(wire.TRANSACTION_PRINT) + b"\x02\x02" + b"\x02\x10" + b"\x00" * 60,
    )
    await core.send(core.sender.message(8, unsaid))
    assert await core.letters() == [("transaction_unknown", True)]
    assert await core.intake.fetch("SELECT FROM party_alias") == []
    assert "party.parked" not in await core.intake.types()
