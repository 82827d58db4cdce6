"""The subscription that turns Fineract's external events into facts of topic `loan`.

1. `read`: the record, without any question to anybody; what cannot be read is a dead letter with its reason.
2. `prepare`, outside any transaction: the complete loans are asked of the core, once per loan and batch.
3. `handle`, in the transaction that moves the position: loan facts are appended to the outbox for topic `loan`, under
   the key of their person; the person's own data go straight into the sealed card, and never into the outbox.

The state that a fact carries is the newest known when it was read, at the position of its own event: perhaps newer than
the event, never older.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple, cast
from uuid import UUID
from zoneinfo import ZoneInfo

from msgspec import structs
from pydantic import ConfigDict

from services.intake.fineract.facts import Fact, FactRefusedError, Occasion, Tenancy, facts_of
from services.intake.fineract.leads import GroupLoans
from services.intake.fineract.message import Change, Message, MessageError, Reader, loan_of_key
from services.intake.fineract.numbering import core_sequence, unwrapped
from services.intake.fineract.people_facts import death_of, person_of
from services.intake.fineract.port import FineractPort, Refusal, Snapshot, Version, Wanted
from services.intake.fineract.settings import FineractSettings
from services.intake.fineract.table import REDUCING
from services.intake.fineract.wire import OWN_SCHEMAS, WriterSchemas
from services.intake.folding import Folding
from services.intake.store import fineract as store
from services.intake.store.fineract import ToldLoan
from services.intake.store.parties import key_of, names_a_person, reserve
from shared.database import UnitOfWork
from shared.events import Event, Received
from shared.events.base import EventData, trusted
from shared.events.catalogue import CATALOGUE
from shared.events.codec import encode_headers
from shared.events.loan import PartyUpdated
from shared.events.topics import PARTITIONS
from shared.ids import derived_id
from shared.messaging import InboxKey, Outcome, Subscription
from shared.messaging.fresh_records import Record
from shared.messaging.outbox import append_records
from shared.messaging.partitioning import partitions_of
from shared.messaging.records import Entry, RawRecord, Verdict
from shared.messaging.subscription import ForeignTopic
from shared.messaging.tracing import current_traceparent

TOPIC: Final = "fineract"
"""What we call its topic in positions, dead letters and metrics."""
_LOAN_TOPIC: Final = "loan"
# Never a reference of a party: those have no equals sign.
_LOAN_KEY: Final = "loan="
_PERSON_FIELD: Final = "fineract.person"
_TRIAL_SEQUENCE: Final = 1


class CoreMessage(EventData):
    """A message, and its loan as the core had it afterwards."""

    model_config = ConfigDict(frozen=True, extra="ignore", arbitrary_types_allowed=True)

    message: Message
    snapshot: Snapshot | None
    lock_key: str
    """What its party is found by: the person, or the loan alone while nothing is past due."""


class _Said(NamedTuple):
    """A fact, what it follows from, and under which key it is told."""

    key: str
    change: Change
    fact: Fact


class FineractAdapter:
    """Reads, asks, writes. `tenant` is ours; the core has its own name for it."""

    def __init__(self, *, reader: Reader, port: FineractPort, tenancy: Tenancy, folding: Folding) -> None:
        self._reader = reader
        self._port = port
        self._tenancy = tenancy
        self._folding = folding

    @classmethod
    def of(cls, settings: FineractSettings, port: FineractPort, folding: Folding, *, tenant: str) -> FineractAdapter:
        """The adapter for the core that `settings` describe. Raises ValueError for a folder with a broken schema."""
        folders = [OWN_SCHEMAS] if settings.schema_folder is None else [OWN_SCHEMAS, settings.schema_folder]
        reader = Reader(WriterSchemas.load(folders), settings.tenant, ZoneInfo(settings.time_zone))
        return cls(reader=reader, port=port, tenancy=settings.tenancy(tenant), folding=folding)

    def subscription(self, *, name: str, group: str, options: Mapping[str, Any]) -> Subscription:
        """The subscription to topic `name` of the core's brokers."""
        return Subscription(
            topic=TOPIC,
            types=frozenset(),
            handle=self.handle,
            monotone_types=REDUCING,
            parties_of=self.parties_of,
            foreign=ForeignTopic(name=name, group=group, options=options, read=self.read, prepare=self.prepare),
        )

    def read(self, record: RawRecord) -> Entry:
        """Classify a record."""
        loan_id = loan_of_key(record.key)
        entry = Entry(
            topic=TOPIC,
            record=record,
            verdict=Verdict.SKIP,
            type="",
            inbox_key=None,
            core_key="" if loan_id is None else self._key(f"{_LOAN_KEY}{loan_id}"),
        )
        try:
            message = self._reader.read(record.key, record.value)
        except MessageError as error:
            entry.kill(error.reason, error.detail)
            return entry
        if message is None:
            return entry
        entry.verdict = Verdict.HANDLE
        entry.type = message.type
        entry.inbox_key = InboxKey(_wire_source(self._tenancy.core), message.key)
        entry.received = self._received(entry, message, None, entry.core_key)
        return entry

    async def prepare(self, entries: Sequence[Entry]) -> None:
        """Ask the core for the loans of `entries`. Raises CoreUnavailableError."""
        waiting = [(entry, _content(entry).message) for entry in entries if entry.verdict is Verdict.HANDLE]
        wanted: dict[int, Wanted] = {}
        for entry, message in waiting:
            one = Wanted(Version(entry.record.partition, entry.offset), message.business_date)
            known = wanted.get(message.loan_id, one)
            wanted[message.loan_id] = Wanted(max(one.version, known.version), max(one.day, known.day))
        found = await self._port.read(wanted)
        for entry, message in waiting:
            self._make_ready(entry, message, found[message.loan_id])

    def _make_ready(self, entry: Entry, message: Message, found: Snapshot | Refusal) -> None:
        if isinstance(found, Refusal):
            if found.client_id is not None:
                entry.core_key = self._key(str(found.client_id))
            entry.kill(found.reason, found.detail)
            return
        key = self._key(found.loan.party_ref)
        # A client with nothing past due is nobody to us, unless we have told of the loan before.
        past_due = found.loan.past_due_on(message.business_date)
        entry.core_key = key if past_due else self._key(f"{_LOAN_KEY}{message.loan_id}")
        entry.received = self._received(entry, message, found, key)
        # Once for nothing: what cannot be said is known with its reason before the transaction.
        occasion = Occasion(message.business_date, _TRIAL_SEQUENCE, message.raised_at)
        try:
            for change in message.changes:
                facts_of(change, found.loan, occasion, self._tenancy, told=not past_due)
            if found.person is not None:
                person_of(found.person, core_sequence=_TRIAL_SEQUENCE, tenancy=self._tenancy)
        except FactRefusedError as error:
            self._port.forget(message.loan_id)
            entry.kill(error.reason, error.detail)

    async def parties_of(self, uow: UnitOfWork, keys: Sequence[str]) -> Mapping[str, UUID]:
        """Party ids by key. A key that names a loan only stands for its party, if we have told of the loan."""
        loans = {reference: key for key in keys if (reference := _loan_ref_of(key)) is not None}
        people = [key for key in keys if _loan_ref_of(key) is None and names_a_person(key, uow.tenant)]
        ids = dict((await reserve(uow, people)).ids)
        if loans:
            parties = await store.parties_of_loans(uow, self._tenancy.core, list(loans))
            ids |= {loans[reference]: party_id for reference, party_id in parties.items()}
        return ids

    async def handle(self, uow: UnitOfWork, batch: Sequence[Received[EventData]]) -> Mapping[InboxKey, Outcome]:
        """Write the facts of a batch; messages without any are ignored."""
        contents = [cast("CoreMessage", received.event.data) for received in batch]
        ids = await self.parties_of(uow, sorted({content.lock_key for content in contents}))
        numbers = _Numbers(await store.load_numbers(uow, self._tenancy.core))
        told = await store.load_told(
            uow, [_loan(ids[one.lock_key], one.message) for one in contents if one.lock_key in ids]
        )
        told_before = set(told)
        sold = await store.load_sold(uow, self._tenancy.core, {str(one.message.loan_id) for one in contents})
        sold_before = set(sold)
        groups = await GroupLoans.load(uow, self._tenancy, [one.snapshot.loan for one in contents if one.snapshot])
        records: list[Record] = []
        people: dict[UUID, Event[EventData]] = {}
        outcomes: dict[InboxKey, Outcome] = {}
        for received, content in zip(batch, contents, strict=True):
            event, party_id = received.event, ids.get(content.lock_key)
            number = numbers.unwrap(received.partition, content.message.message_id)
            open_changes = _not_sold(content.message, sold)
            loan = None if party_id is None else _loan(party_id, content.message)
            facts = [] if loan is None else self._facts(content, open_changes, number, loan, told, groups)
            if party_id is None or not facts:
                outcomes[InboxKey(event.source, event.id)] = Outcome.IGNORED
                continue
            records += self._records(uow, content.message, facts)
            person = None if content.snapshot is None else content.snapshot.person
            described = person and person_of(person, core_sequence=core_sequence(number, 0), tenancy=self._tenancy)
            if described:
                people[party_id] = _described(event, described)
        await append_records(uow, records)
        await self._describe(uow, people)
        await store.save_told(uow, self._tenancy.core, told - told_before)
        await groups.save(uow)
        await store.save_sold(uow, self._tenancy.core, sold=sold - sold_before, bought_back=sold_before - sold)
        await store.save_numbers(uow, self._tenancy.core, numbers.newest)
        return outcomes

    def _facts(
        self, content: CoreMessage, changes: Sequence[Change], number: int, loan: ToldLoan, told: set[ToldLoan],
        groups: GroupLoans,
    ) -> list[_Said]:  # fmt: skip
        """The facts of a message's `changes`. A loan that is told of from now on is added to `told`."""
        message, snapshot = content.message, content.snapshot
        found: list[_Said] = []
        if snapshot is None:
            return found
        for change in changes:
            at = core_sequence(number, change.item)
            occasion = Occasion(message.business_date, at, message.raised_at, message.fingerprint)
            left = groups.left_by(loan, snapshot.loan, occasion)
            if left is not None:
                found.append(_Said(self._key(left.party_ref), change, left.fact))
                told.discard(left.loan)
            if left is not None and left.loan == loan:
                break  # not late, and nothing was ever told of it under its new lead
            facts = facts_of(change, snapshot.loan, occasion, self._tenancy, told=loan in told)
            if facts:
                told.add(loan)
            death = death_of(snapshot.person, occasion, self._tenancy) if facts and snapshot.person else None
            if death is not None:
                facts = [death, *facts]
            found += [_Said(self._key(snapshot.loan.party_ref), change, fact) for fact in facts]
            groups.seen(loan, snapshot.loan, occasion, is_told=loan in told)
        return found

    def _records(self, uow: UnitOfWork, message: Message, facts: Iterable[_Said]) -> list[Record]:
        """The facts as records of topic `loan`: identity is the message's, its item's, and the place among several."""
        records: list[Record] = []
        written: dict[str, int] = {}
        for under, change, fact in facts:
            key = under.encode()
            partition = partitions_of([key], PARTITIONS)[0]
            identity = f"{message.key}:{change.item}" if change.item else message.key
            place = written[identity] = written.get(identity, -1) + 1
            identity = f"{identity}/{place}" if place else identity
            headers = encode_headers(
                event_type=CATALOGUE[fact.type], event_id=identity, source=self._tenancy.core,
                tenant=self._tenancy.tenant, aggregate_id=under, sequence=fact.core_sequence,
                time=message.raised_at, recorded_time=uow.real_now, correlation_id=identity, causation_id="",
                traceparent=current_traceparent() or "",
            )  # fmt: skip
            value = fact.data.model_dump_json().encode()
            row_id = str(derived_id(TOPIC, self._tenancy.core, identity))
            records.append(Record(_LOAN_TOPIC, partition, key, value, headers, row_id))
        return records

    async def _describe(self, uow: UnitOfWork, people: Mapping[UUID, Event[EventData]]) -> None:
        """Fold those descriptions that differ from what was folded last."""
        commitments = {party_id: self._commitment(event.data) for party_id, event in people.items()}
        known = await store.load_described(uow, list(commitments)) if commitments else {}
        changed = {party_id: mark for party_id, mark in commitments.items() if known.get(party_id) != mark}
        if changed:
            events = [people[party_id] for party_id in sorted(changed)]
            await self._folding.fold(uow, events, await reserve(uow, [event.key for event in events]))
            await store.save_described(uow, changed)

    def _commitment(self, described: EventData) -> bytes:
        document = described.model_dump_json(exclude={"core_sequence"})
        return self._folding.cipher.blind_index(_PERSON_FIELD, document)

    def _key(self, reference: str) -> str:
        return key_of(self._tenancy.tenant, self._tenancy.core, reference)

    def _received(self, entry: Entry, message: Message, found: Snapshot | None, key: str) -> Received[EventData]:
        content = trusted(CoreMessage, {"message": message, "snapshot": found, "lock_key": entry.core_key})
        event: Event[EventData] = Event(
            id=message.key, source=_wire_source(self._tenancy.core), type=message.type, version=1,
            tenant=self._tenancy.tenant, key=key, party_id=None, aggregate_type="core_party", aggregate_id=key,
            sequence=0, time=message.raised_at, recorded_time=message.raised_at, correlation_id=message.key,
            causation_id="", traceparent="", data=content,
        )  # fmt: skip
        return Received(event=event, topic=TOPIC, partition=entry.record.partition, offset=entry.offset)


class _Numbers:
    """Message numbers of one batch. A partition never read before begins near the newest number of the others."""

    def __init__(self, known: Mapping[int, int]) -> None:
        self._known = known
        self.newest: dict[int, int] = {}

    def unwrap(self, partition: int, message_id: int) -> int:
        """The number of a message of `partition`."""
        near = self.newest.get(partition) or self._known.get(partition)
        number = unwrapped(message_id, near=near or max(self._known.values(), default=None))
        self.newest[partition] = max(number, near or number)
        return number


def _content(entry: Entry) -> CoreMessage:
    """The content of an entry that is to be handled."""
    return cast("CoreMessage", cast("Received[EventData]", entry.received).event.data)


def _not_sold(message: Message, sold: set[str]) -> list[Change]:
    """The changes of a message that are about a loan of the bank's; what it sells and buys back moves in `sold`.

    The core goes on telling of a loan that it has sold. Any of that would bring the loan back into its case.
    """
    reference, found = str(message.loan_id), []
    for change in message.changes:
        if change.transfer is not None:
            found.append(change)
            (sold.add if change.transfer.is_sale else sold.discard)(reference)
        elif reference not in sold:
            found.append(change)
    return found


def _wire_source(core: str) -> str:
    """Source of the core's records in our inbox: another than the core's own, under which the facts travel on."""
    return f"{core}/wire"


def _loan_ref_of(key: str) -> str | None:
    reference = key.rsplit("|", 1)[-1]
    return reference.removeprefix(_LOAN_KEY) if reference.startswith(_LOAN_KEY) else None


def _loan(party_id: UUID, message: Message) -> ToldLoan:
    return ToldLoan(party_id, str(message.loan_id))


def _described(event: Event[EventData], described: PartyUpdated) -> Event[EventData]:
    """The description as an event of the core; folded where it is, because it may lie in no outbox in clear."""
    return structs.replace(event, type="party.updated", sequence=described.core_sequence, data=described)
