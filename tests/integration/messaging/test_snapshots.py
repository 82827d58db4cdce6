"""After a lasting gap the reader asks the owner for what it lacks, and every event is handled once, in order."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from shared.clock import SystemClock
from shared.database import Database
from shared.events import NewEvent
from shared.events.case import CaseSuspended
from shared.messaging import intent_store, open_gaps
from shared.messaging.batch import BatchProcessor
from shared.messaging.dead_letters import Replayer
from shared.messaging.gaps import GapKeeper
from shared.messaging.liveness import Pulse
from shared.messaging.open_gaps import NoSuchGapError
from shared.messaging.outbox import unpack_headers
from shared.messaging.records import KeptRecord, Stream
from shared.messaging.worker import Worker
from shared.security.clients import DevelopmentClient
from shared.security.issuer import DevelopmentIssuer, create_issuer_app
from shared.security.tokens import TokenVerifier
from shared.snapshots import StreamFetch, StreamPage, streams_router
from shared.web.app import ApiDefinition, create_app
from shared.web.client import RemoteProblem, ServiceClient
from tests.integration.messaging.conftest import Bench

ISSUER = "http://issuer.test"
CLIENT = DevelopmentClient(client_id="plans", client_secret="s" * 24, scopes=frozenset({"intake.snapshot"}))


@dataclass(frozen=True)
class Token:
    """The reader's right to ask."""

    text: str

    async def token(self) -> str:
        return self.text

    def forget(self) -> None:
        """Nothing is kept."""


@dataclass
class Pair:
    """The owner (intake) with its API, and the reader (plans)."""

    owner: Bench
    reader: Bench
    client: ServiceClient
    fetch: StreamFetch
    keeper: GapKeeper
    worker: Worker

    async def publish(self, party: UUID, count: int) -> list[KeptRecord]:
        """The owner decides `count` events about the party; as the records that Kafka would give."""
        async with self.owner.database.unit_of_work() as uow:
            for number in range(1, count + 1):
                data = CaseSuspended(case_id=party, party_id=party, version=number, cause="test")
                uow.emit(
                    NewEvent(
                        type="case.suspended", party_id=party, aggregate_id=party, data=data, time=datetime.now(UTC)
                    )
                )
        rows = await self.owner.rows("SELECT key, value, headers FROM outbox ORDER BY seq")
        return [KeptRecord(0, offset, 1, row[0], row[1], unpack_headers(row[2])) for offset, row in enumerate(rows)]

    async def park(self) -> None:
        """The gap has lasted."""
        await self.keeper.look()
        assert await self.reader.rows("SELECT cause FROM parked_party") == [("sequence_gap",)]

    async def fetch_and_release(self) -> None:
        assert await self.worker.work_once(self.fetch)
        await self.keeper.look()


@pytest.fixture
async def pair(bench: Callable[..., Awaitable[Bench]], pulse: Pulse) -> AsyncIterator[Pair]:
    owner, reader = await bench("intake", oidc_issuer=ISSUER), await bench("plans")
    subscription = reader.subscription()
    processor = BatchProcessor(subscription, sealer=reader.sealer, dead_letter_limit=100)
    async with api_client(owner.database) as client:
        fetch = StreamFetch(reader.database, {"case": processor}, {"intake": client})
        replayer = Replayer(reader.database, [subscription], sealer=reader.sealer)
        keeper = GapKeeper(reader.database, replayer, pulse=pulse, limit_seconds=0)
        yield Pair(owner, reader, client, fetch, keeper, Worker(reader.database, [fetch], pulse=pulse))


async def test_what_is_missing_is_handled_once_and_in_order(pair: Pair, party: UUID) -> None:
    records = await pair.publish(party, 5)
    await pair.reader.feed([records[0], records[3]])
    await pair.park()
    await pair.fetch_and_release()
    assert await pair.reader.handled() == identities(records)
    assert await pair.reader.rows("SELECT count(*) FROM parked_party") == [(0,)]
    assert await pair.reader.emitted() == ["party.parked", "party.unparked"]


async def test_what_arrives_late_all_the_same_is_a_duplicate(pair: Pair, party: UUID) -> None:
    records = await pair.publish(party, 5)
    await pair.reader.feed([records[0], records[3]])
    await pair.park()
    await pair.fetch_and_release()
    await pair.reader.feed([records[1], records[2], records[4]])
    assert await pair.reader.handled() == identities(records)


async def test_more_than_a_page(pair: Pair, party: UUID) -> None:
    records = await pair.publish(party, 450)
    await pair.reader.feed([records[0], records[449]])
    await pair.park()
    await pair.fetch_and_release()
    assert await pair.reader.handled() == identities(records)


async def test_dying_before_the_answer_is_committed_changes_nothing(pair: Pair, party: UUID) -> None:
    records = await pair.publish(party, 3)
    await pair.reader.feed([records[0], records[2]])
    await pair.park()
    [intent] = await leased(pair)
    answers = [await pair.fetch.call([intent]) for _ in range(2)]
    for [answer] in answers:
        assert answer is not None
        async with pair.reader.database.unit_of_work() as uow:
            await uow.lock_parties([party])
            await pair.fetch.commit(uow, [(intent, answer)])
    await pair.keeper.look()
    assert await pair.reader.handled() == identities(records)


async def test_an_owner_that_has_forgotten_leaves_the_party_parked(pair: Pair, party: UUID) -> None:
    records = await pair.publish(party, 4)
    await forget(pair, 2)
    await pair.reader.feed([records[0], records[3]])
    await pair.park()
    await pair.fetch_and_release()
    assert await pair.reader.handled() == identities(records[:1])
    assert await pair.reader.rows("SELECT count(*) FROM parked_party") == [(1,)]
    assert await pair.reader.rows("SELECT done_at IS NULL, attempts FROM intent") == [(True, 1)]


async def test_an_answer_that_comes_when_the_gap_has_closed_ends_the_question(pair: Pair, party: UUID) -> None:
    """As after republishing: the owner keeps nothing, and need not be asked any more."""
    records = await pair.publish(party, 3)
    await pair.reader.feed([records[0], records[2]])
    await pair.park()
    await forget(pair, 3)
    await pair.reader.feed([records[1]])
    await pair.fetch_and_release()
    assert await pair.reader.handled() == identities(records)
    assert await pair.reader.rows("SELECT count(*) FROM intent WHERE done_at IS NULL") == [(0,)]


async def test_what_stands_before_a_hole_is_taken_over_and_the_rest_asked_for(pair: Pair, party: UUID) -> None:
    records = await pair.publish(party, 5)
    await forget(pair, 1, first=3)
    await pair.reader.feed([records[0], records[4]])
    await pair.park()
    await pair.fetch_and_release()
    assert await pair.reader.rows("SELECT last FROM sequence_received") == [(2,)]
    assert await pair.reader.rows("SELECT split_part(key, '|', 5), done_at IS NULL FROM intent ORDER BY key") == [
        ("1", False),
        ("2", True),
    ]


async def test_an_owner_restored_to_an_earlier_state_leaves_the_party_parked(pair: Pair, party: UUID) -> None:
    records = await pair.publish(party, 3)
    await pair.reader.feed([records[0], records[2]])
    await pair.park()
    async with pair.owner.database.unit_of_work() as uow:
        await uow.sql.execute("UPDATE sequence_issued SET last = 1")
    await pair.fetch_and_release()
    assert await pair.reader.rows("SELECT count(*) FROM parked_party") == [(1,)]
    assert await pair.reader.rows("SELECT done_at IS NULL, attempts FROM intent") == [(True, 1)]


async def test_a_fetched_event_that_cannot_be_read_is_a_dead_letter(pair: Pair, party: UUID) -> None:
    records = await pair.publish(party, 3)
    async with pair.owner.database.unit_of_work() as uow:
        row = "SELECT seq, event_id, topic, partition, key, 'x'::bytea, headers, created_at FROM gone"
        gone = "DELETE FROM outbox WHERE seq = (SELECT min(seq) + 1 FROM outbox) RETURNING *"
        await uow.sql.execute(f"WITH gone AS ({gone}) INSERT INTO outbox {row}")
    await pair.reader.feed([records[0], records[2]])
    await pair.park()
    await pair.fetch_and_release()
    assert await pair.reader.rows("SELECT state FROM dead_letter") == [("open",)]
    assert await pair.reader.handled() == identities(records[:1])


async def test_an_operator_may_go_on_without_what_is_forgotten(pair: Pair, party: UUID) -> None:
    records = await pair.publish(party, 5)
    await pair.reader.feed([records[0], records[3], records[4]])
    await pair.park()
    async with pair.reader.database.unit_of_work() as uow:
        await open_gaps.give_up(uow, "case", stream_of(party), last_missing=3)
    await pair.keeper.look()
    assert await pair.reader.handled() == identities([records[0], *records[3:]])
    assert await pair.reader.rows("SELECT count(*) FROM intent WHERE done_at IS NULL") == [(0,)]


@pytest.mark.parametrize("last_missing", [1, 2, 4, 9])
async def test_nothing_that_came_or_will_come_can_be_given_up(pair: Pair, party: UUID, last_missing: int) -> None:
    records = await pair.publish(party, 4)
    await pair.reader.feed([records[0], records[3]])
    await pair.park()
    with pytest.raises(NoSuchGapError) as refused:
        async with pair.reader.database.unit_of_work() as uow:
            await open_gaps.give_up(uow, "case", stream_of(party), last_missing=last_missing)
    assert refused.value.last_missing == 3
    assert await pair.reader.rows("SELECT last FROM sequence_received") == [(1,)]
    assert await pair.reader.rows("SELECT count(*) FROM intent WHERE done_at IS NULL") == [(1,)]


async def test_an_operator_sees_what_is_missing(pair: Pair, party: UUID) -> None:
    records = await pair.publish(party, 5)
    await pair.reader.feed([records[0], records[3], records[4]])
    await pair.park()
    await forget(pair, 5)
    await pair.fetch_and_release()
    async with pair.reader.database.read_only() as uow:
        [gap] = await open_gaps.list_open(uow, limit=10)
    assert (gap.stream, gap.party_id) == (stream_of(party), party)
    assert (gap.received, gap.first_held, gap.attempts) == (1, 4, 1)


async def test_the_refusal_names_the_oldest_event_kept(pair: Pair, party: UUID) -> None:
    await pair.publish(party, 4)
    await forget(pair, 2)
    with pytest.raises(RemoteProblem) as refused:
        await ask(pair, "case", party)
    assert (refused.value.status, refused.value.kind, refused.value.document["oldest"]) == (410, "events-not-kept", 3)


async def test_another_party_is_not_told_of(pair: Pair, party: UUID) -> None:
    await pair.publish(party, 2)
    with pytest.raises(RemoteProblem) as refused:
        await pair.client.get(f"/internal/streams/case/case/{party}", StreamPage, params={"party_id": str(uuid4())})
    assert refused.value.status == 410


@pytest.mark.parametrize(
    ("topic", "status"), [("loan", 403), ("loan-urgent", 404), ("nothing", 404), ("plan", 404), ("intake.dlq", 403)]
)
async def test_only_what_the_owner_publishes_and_the_caller_reads(
    pair: Pair, party: UUID, topic: str, status: int
) -> None:
    with pytest.raises(RemoteProblem) as refused:
        await ask(pair, topic, party)
    assert refused.value.status == status


async def test_nothing_later_is_an_empty_page(pair: Pair, party: UUID) -> None:
    await pair.publish(party, 2)
    assert (await ask(pair, "case", party, after=2)).events == []


def api_client(database: Database) -> ServiceClient:
    issuer = DevelopmentIssuer(issuer=ISSUER, audience="doorstep", tenant="bank", clients={"plans": CLIENT})
    transport = httpx.ASGITransport(create_issuer_app(issuer))
    app = create_app(
        ApiDefinition(
            service="intake",
            title="Intake",
            description="For tests.",
            routers=[streams_router(database)],
            settings=database.settings,
            database=database,
            verifier=TokenVerifier.from_settings(database.settings, SystemClock(), transport=transport),
        )
    )
    token = issuer.sign({"sub": "plans", "client_id": "plans", "scope": "intake.snapshot"})
    return ServiceClient(
        service="intake",
        base_url="http://intake.test",
        token_source=Token(token),
        transport=httpx.ASGITransport(app),
    )


def stream_of(party: UUID) -> Stream:
    return Stream(("/services/intake", "case", str(party)))


async def forget(pair: Pair, count: int, *, first: int = 1) -> None:
    """The owner keeps no more `count` of its events, from the `first` on."""
    async with pair.owner.database.unit_of_work() as uow:
        ranked = "SELECT seq, row_number() OVER (ORDER BY seq) AS rank FROM outbox"
        await uow.sql.execute(
            f"DELETE FROM outbox WHERE seq IN (SELECT seq FROM ({ranked}) AS r WHERE rank BETWEEN $1 AND $2)",
            first,
            first + count - 1,
        )


async def ask(pair: Pair, topic: str, party: UUID, *, after: int = 0) -> StreamPage:
    params: dict[str, str | int] = {"party_id": str(party), "after": after}
    return await pair.client.get(f"/internal/streams/{topic}/case/{party}", StreamPage, params=params)


async def leased(pair: Pair) -> Sequence[Any]:
    async with pair.reader.database.unit_of_work() as uow:
        return await intent_store.lease(uow, pair.fetch.kind, limit=1, lease_id=uuid4(), duration=timedelta(seconds=60))


def identities(records: Sequence[KeptRecord]) -> list[str]:
    return [dict(record.headers)["ce_id"].decode() for record in records]
