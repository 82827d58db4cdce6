"""`kill -9` in the middle of the work of each role: nothing lost, nothing doubled, order kept."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import httpx

from services.plans.domain.plan import END_HOLD
from shared.database import Database
from shared.ids import draw_shard, entity_id
from shared.messaging import NewIntent
from shared.messaging.intent_store import intent_id
from shared.security.token_source import ClientCredentials
from simulation.core.messages import Message
from simulation.demo import START
from simulation.oracle import judge

PARTIES = 1_500
MOST_KILLS = 5
HOLDS = 160
ENDED = "SELECT key FROM idempotency_key WHERE route LIKE '%/end'"
REQUESTS, FACTS_PER_REQUEST, AT_ONCE = 60, 10, 8


async def test_killed_consumer(run: Any, until: Any, reaches: Any) -> None:
    async with run(PARTIES) as it:
        await it.feed()
        await it.pay(60)
        await it.platform.start_service("intake", name="intake-relay", roles=["relay"])
        # Slow enough to be killed in the middle of a batch, however fast the machine is.
        await it.start_altered("intake", ["slow_folds"], name="intake-consumer", roles=["consumer"])
        for share in (0.1, 0.5):
            await reaches(it.read, int(it.sent * share))
            it.platform.kill_service("intake-consumer")
            assert await it.read() < it.sent, "killed too late to prove anything"
            await it.platform.restart_service("intake-consumer")
        await until(it.at_rest)
        await it.judged()


async def test_killed_relays_two_at_once(run: Any, until: Any, reaches: Any) -> None:
    """Both relays die until one dies between Kafka's acknowledgement and its own: what it sent is sent again."""
    relays = ("intake-relay-1", "intake-relay-2")
    async with run(PARTIES) as it:
        slow = ["slow_acknowledgements"]
        await asyncio.gather(*(it.start_altered("intake", slow, name=name, roles=["relay"]) for name in relays))
        await it.feed()
        await it.pay(PARTIES)
        await it.platform.start_service("intake", name="intake-consumer", roles=["consumer"])
        sent_twice: set[str] = set()
        for _ in range(MOST_KILLS):
            await reaches(it.published, await it.published() + 60)
            for name in relays:
                os.kill(it.platform.processes[name].pid, signal.SIGKILL)
            for name in relays:
                it.platform.kill_service(name)
            sent_twice = {record.identity[1] for record in (await it.history()).events} & await pending(it)
            await asyncio.gather(*(it.platform.restart_service(name) for name in relays))
            if sent_twice:
                break
        assert sent_twice, f"none of {MOST_KILLS} kills fell into a publication"
        await until(it.at_rest)
        history = await it.judged()
    copies = Counter(record.identity[1] for record in history.records)
    assert all(copies[event_id] > 1 for event_id in sent_twice)


async def pending(it: Any) -> set[str]:
    """Ids of the events that intake's outbox does not know as acknowledged."""
    query = "SELECT o.event_id::text FROM outbox_pending p JOIN outbox o USING (seq) WHERE NOT p.housekeeping"
    return set(await it.column(query))


async def test_killed_worker(run: Any, until: Any, reaches: Any) -> None:
    """The worker of plans dies between compliance's answer and its own commit, and asks again with the same key."""
    async with run(10, ("plans", "compliance")) as it:

        async def ended() -> int:
            return int(await it.value(f"SELECT count(*) FROM ({ENDED}) AS e", service="compliance"))

        async def done() -> set[str]:
            query = f"SELECT id::text FROM intent WHERE done_at IS NOT NULL AND kind = '{END_HOLD}'"
            return set(await it.column(query, service="plans"))

        await it.platform.start_services(["compliance"], roles=["api", "relay"])
        await it.start_altered("plans", ["short_leases", "slow_commits"], name="plans-worker", roles=["worker"])
        intents = await intend_holds(it)
        repeated = 0
        for _ in range(MOST_KILLS):
            await reaches(ended, await ended() + 7)
            it.platform.kill_service("plans-worker")
            repeated += bool(set(await it.column(ENDED, service="compliance")) - await done())
            await it.platform.restart_service("plans-worker")
            if repeated == 2:
                break
        assert repeated == 2, f"{repeated} of {MOST_KILLS} kills fell between call and commit"

        async def all_done() -> bool:
            return len(await done()) == HOLDS and await it.unpublished(service="compliance") == 0

        await until(all_done)
        assert Counter(await it.column(ENDED, service="compliance")) == Counter(intents.keys())
        history = await it.history()
    for type_name in ("compliance.hold_placed", "compliance.hold_ended"):
        assert Counter(r.text("party_id") for r in history.of(type_name)) == Counter(intents.values()), type_name
    verdict = judge(history)
    assert verdict.passed, str(verdict)


async def intend_holds(it: Any) -> dict[str, str]:
    """Intents of plans to place and end a hold at compliance, as a failed signature leaves them: intent id → party."""
    settings = it.platform.settings("plans")
    database = await Database.open(settings, settings.clock(), service="plans")
    intents: dict[str, str] = {}
    try:
        async with database.unit_of_work() as uow:
            for _ in range(HOLDS):
                plan_id, party_id = uuid4(), entity_id(draw_shard())
                key = f"attempt:{plan_id}:1"
                intents[str(intent_id("plans", END_HOLD, key))] = str(party_id)
                uow.intend(_end_hold(key, plan_id, party_id, uow.real_now))
    finally:
        await database.close()
    return intents


def _end_hold(key: str, plan_id: UUID, party_id: UUID, due_at: datetime) -> NewIntent:
    payload = {
        "plan_id": str(plan_id),
        "attempt": 1,
        "valid_from": START.astimezone(UTC).isoformat(),
        "cause": "plan_not_signed",
    }
    return NewIntent(kind=END_HOLD, key=key, party_id=party_id, due_at=due_at, payload=payload)


async def test_killed_api(run: Any, until: Any, reaches: Any) -> None:
    """Batches are posted again under their key until answered, then all once more: same answers, one effect each."""
    async with run(REQUESTS * FACTS_PER_REQUEST) as it:
        await it.platform.start_service("intake", name="intake-relay", roles=["relay"])
        await it.platform.start_services(["intake"], roles=["api"])
        facts = [
            it.mouth.say("loan.overdue", it.ledger.overdue_statement(loan, at=START), at=START)
            for loan in it.ledger.late_loans()[: REQUESTS * FACTS_PER_REQUEST]
        ]
        batches = [facts[start : start + FACTS_PER_REQUEST] for start in range(0, len(facts), FACTS_PER_REQUEST)]

        async def cases() -> int:
            return int(await it.value("SELECT count(*) FROM case_file"))

        async with calling(it) as core:
            sending = asyncio.gather(*(core.post(number, batch) for number, batch in enumerate(batches)))
            for share in (0.1, 0.5):
                await reaches(cases, int(len(facts) * share))
                broken = core.broken
                it.platform.kill_service("intake")
                assert not sending.done(), "killed too late to prove anything"
                await it.platform.restart_service("intake")
                assert core.broken > broken, "no request was on its way"
            answers = await sending
            again = await asyncio.gather(*(core.post(number, batch) for number, batch in enumerate(batches)))
        assert again == answers
        assert {item["outcome"] for answer in answers for item in json.loads(answer)["items"]} == {"applied"}
        await until(it.all_published)
        history = await it.history()
    verdict = judge(history)
    assert verdict.passed, str(verdict)
    opened = Counter(loan["loan_ref"] for record in history.of("case.opened") for loan in record.data["loans"])
    assert opened == Counter(json.loads(fact.value)["loan_ref"] for fact in facts)


class Core:
    """Posts facts to intake as the core does, some at once, each batch under its key until somebody answers."""

    def __init__(self, tokens: ClientCredentials, http: httpx.AsyncClient) -> None:
        self._tokens = tokens
        self._http = http
        self._gate = asyncio.Semaphore(AT_ONCE)
        self.broken = 0
        """Requests that were on their way when the connection broke."""

    async def post(self, number: int, facts: Sequence[Message]) -> str:
        """The answer's body."""
        items = [
            {
                "id": fact.event_id,
                "source": "core-a",
                "type": "loan.overdue",
                "time": START.isoformat(),
                "data": json.loads(fact.value),
            }
            for fact in facts
        ]
        headers = {"Authorization": f"Bearer {await self._tokens.token()}", "Idempotency-Key": f'"batch-{number}"'}
        async with self._gate, asyncio.timeout(60):
            while True:
                try:
                    answer = await self._http.post("/v1/loan-events", json={"items": items}, headers=headers)
                except httpx.ConnectError:
                    pass  # not there yet
                except httpx.TransportError:
                    self.broken += 1
                else:
                    if answer.status_code not in (httpx.codes.CONFLICT, httpx.codes.SERVICE_UNAVAILABLE):
                        assert answer.status_code == httpx.codes.OK, answer.text
                        return answer.text
                await asyncio.sleep(0.1)


@asynccontextmanager
async def calling(it: Any) -> AsyncIterator[Core]:
    """The core as a client of intake's API."""
    client = it.platform.clients["core"]
    tokens = ClientCredentials(
        issuer=it.platform.url("issuer"),
        client_id=client.client_id,
        client_secret=client.client_secret,
        audience="doorstep",
    )
    try:
        async with httpx.AsyncClient(base_url=it.platform.url("intake"), timeout=10, trust_env=False) as http:
            yield Core(tokens, http)
    finally:
        await tokens.close()
