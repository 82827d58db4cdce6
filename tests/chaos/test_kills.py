"""`kill -9` of intake's roles in the middle of their work: nothing lost, nothing doubled, order kept."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from datetime import date, timedelta
from typing import Any

import httpx

from shared.security.token_source import ClientCredentials
from simulation.core.messages import Message
from simulation.demo import START
from simulation.oracle import judge
from simulation.story import FIRST_DAY

PARTIES = 1_500
AGED_TO = FIRST_DAY + timedelta(days=9)
BUCKET_LAST_DAYS = (30, 60, 90, 120)
REQUESTS, FACTS_PER_REQUEST = 60, 10


async def test_killed_consumer(run: Any, until: Any, reaches: Any) -> None:
    async with run(PARTIES) as it:
        await it.feed()
        await it.pay(60)
        await it.platform.start_service("intake", name="intake-relay", roles=["relay"])
        await it.platform.start_service("intake", name="intake-consumer", roles=["consumer"])
        for share in (0.1, 0.5):
            await reaches(it.read, int(it.sent * share))
            it.platform.kill_service("intake-consumer")
            assert await it.read() < it.sent, "killed too late to prove anything"
            await it.platform.restart_service("intake-consumer")
        await until(it.at_rest)
        await it.judged()


async def test_killed_relays_two_at_once(run: Any, until: Any, reaches: Any) -> None:
    async with run(PARTIES) as it:
        await it.feed()
        await it.pay(60)
        await it.platform.start_service("intake", name="intake-consumer", roles=["consumer"])
        await reaches(it.read, it.sent)
        waiting = await it.unpublished()

        async def published() -> int:
            return int(waiting - await it.unpublished())

        relays = ("intake-relay-1", "intake-relay-2")
        starting = [asyncio.create_task(it.platform.start_service("intake", name=n, roles=["relay"])) for n in relays]
        await reaches(published, 1)
        await asyncio.gather(*starting)
        for name in relays:
            it.platform.kill_service(name)
            await it.platform.restart_service(name)
        await until(it.at_rest)
        await it.judged()


async def test_killed_worker(run: Any, until: Any, reaches: Any) -> None:
    """The day close ages all cases in a chain of intents, ten at a time; the worker dies twice on the way."""
    async with run(PARTIES) as it:
        await it.platform.start_service("intake", name="intake-inputs", roles=["consumer", "relay"])
        await it.feed()
        await until(it.at_rest)
        it.clock.advance_to(START + timedelta(days=9))
        it.ledger.business_date = AGED_TO
        await it.core.close_day(AGED_TO + timedelta(days=1), at=it.clock.business_now())
        it.sent += 1
        await until(it.at_rest)

        async def aged() -> int:
            return int(await it.value(f"SELECT count(*) FROM case_file WHERE as_of = '{AGED_TO}'"))

        cases = await it.value("SELECT count(*) FROM case_file WHERE status = 'open'")
        await it.platform.start_service("intake", name="intake-worker", roles=["worker"])
        for share in (0.1, 0.5):
            await reaches(aged, int(cases * share))
            it.platform.kill_service("intake-worker")
            assert await aged() < cases, "killed too late to prove anything"
            await it.platform.restart_service("intake-worker")
        await reaches(aged, cases)
        await until(it.at_rest)
        history = await it.judged()
    changed = Counter((r.text("case_id"), r.text("before"), r.text("after")) for r in history.of("case.bucket_changed"))
    expected = {
        (opened.text("case_id"), bucket(loan.oldest_due_date, FIRST_DAY), bucket(loan.oldest_due_date, AGED_TO))
        for opened in history.of("case.opened")
        for loan in [it.ledger.loans[opened.data["loans"][0]["loan_ref"]]]
    }
    assert changed == Counter({key: 1 for key in expected if key[1] != key[2]})


async def test_killed_api(run: Any, until: Any, reaches: Any) -> None:
    """Commands are sent again with their key until answered; then all once more: each fact counted once."""
    async with run(REQUESTS * FACTS_PER_REQUEST * 4) as it:
        await it.platform.start_service("intake", name="intake-relay", roles=["relay"])
        await it.platform.start_services(["intake"], roles=["api"])
        overdue = {m.key: m for m in it.opening.messages if dict(m.headers)["ce_type"] == b"loan.overdue" and sound(m)}
        facts = list(overdue.values())[: REQUESTS * FACTS_PER_REQUEST]
        assert len(facts) == REQUESTS * FACTS_PER_REQUEST
        bodies = [facts[start : start + FACTS_PER_REQUEST] for start in range(0, len(facts), FACTS_PER_REQUEST)]
        async with caller(it) as post:
            sending = asyncio.gather(*(post(number, body) for number, body in enumerate(bodies)))
            for share in (0.1, 0.5):
                await reaches(lambda: it.value("SELECT count(*) FROM case_file"), int(len(facts) * share))
                it.platform.kill_service("intake")
                assert not sending.done(), "killed too late to prove anything"
                await it.platform.restart_service("intake")
            answers = await sending
            assert {item["outcome"] for answer in answers for item in answer["items"]} == {"applied"}
            assert await asyncio.gather(*(post(number, body) for number, body in enumerate(bodies))) == answers
        await until(it.at_rest)
        history = await it.history()
    verdict = judge(history)
    assert verdict.passed, str(verdict)
    opened = Counter(loan["loan_ref"] for record in history.of("case.opened") for loan in record.data["loans"])
    assert opened == Counter(json.loads(fact.value)["loan_ref"] for fact in facts)


def bucket(oldest: date, today: date) -> str:
    """The bucket of a loan by its oldest unpaid due date."""
    days = (today - oldest).days
    return f"B{1 + sum(days > last for last in BUCKET_LAST_DAYS)}" if days > 0 else "current"


def sound(message: Message) -> bool:
    """Whether nobody broke the message."""
    try:
        body = json.loads(message.value)
    except ValueError:
        return False
    return bool(body["balance"] >= 0) and dict(message.headers)["ce_dataschema"].endswith(b"v1")


class caller:  # noqa: N801 - used like a function
    """Posts facts to intake as the core, with a key per request, until somebody answers."""

    def __init__(self, it: Any) -> None:
        client = it.platform.clients["core"]
        self._tokens = ClientCredentials(
            issuer=it.platform.url("issuer"), client_id=client.client_id, client_secret=client.client_secret,
            audience="doorstep",
        )  # fmt: skip
        self._http = httpx.AsyncClient(base_url=it.platform.url("intake"), timeout=10, trust_env=False)
        self._gate = asyncio.Semaphore(4)

    async def __aenter__(self) -> Any:
        return self._post

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()
        await self._tokens.close()

    async def _post(self, number: int, facts: list[Message]) -> Any:
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
        async with self._gate, asyncio.timeout(60):
            while True:
                headers = {"Authorization": f"Bearer {await self._tokens.token()}", "Idempotency-Key": f'"r{number}"'}
                try:
                    answer = await self._http.post("/v1/loan-events", json={"items": items}, headers=headers)
                except httpx.TransportError:
                    await asyncio.sleep(0.1)
                    continue
                if answer.status_code in (httpx.codes.CONFLICT, httpx.codes.SERVICE_UNAVAILABLE):
                    await asyncio.sleep(0.1)
                    continue
                assert answer.status_code == httpx.codes.OK, answer.text
                return answer.json()
