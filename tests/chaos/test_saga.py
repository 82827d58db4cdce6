"""`kill -9` at each step of the visits' saga, of whoever takes part in it: every visit comes to its one end."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from shared.embedded.home import free_port
from shared.events.topics import SERVICES
from shared.service import ROLES
from simulation.api import Api
from simulation.behaviour import Behaviour
from simulation.core.port import served
from simulation.demo import platform_environment
from simulation.evidence import gather_history, party_leaves
from simulation.oracle import History, judge
from simulation.oracle.record import Record
from simulation.pace import Pace
from simulation.portfolio.fitted import load_fitted
from simulation.story import ANSWER_HOUR, FIELD_HOURS, FIRST_DAY, OFFER_HOUR, Cast, Size, Story, local
from tests.chaos.conftest import SEED

PARTIES = 60
SIZE = Size(days=1, pairs=4, visits_per_day=24)
FIELD_DAY = FIRST_DAY + timedelta(days=1)
# As in production: how stale a machine under load lets the services become is not what is tried here.
FRESHNESS = timedelta(seconds=60)


class Saga:
    """One field day of a few visits, and who dies meanwhile."""

    def __init__(self, it: Any, api: Api, story: Story, pace: Pace, reaches: Callable[..., Awaitable[None]]) -> None:
        self.it = it
        self.api = api
        self.story = story
        self.pace = pace
        self._reaches = reaches
        self.payment = ""

    def kill(self, *services: str) -> None:
        """`kill -9` each."""
        for service in services:
            self.it.platform.kill_service(service)

    async def start(self, *services: str) -> None:
        """Start again, all at once."""
        await asyncio.gather(*map(self.it.platform.restart_service, services))

    async def count(self, query: str, *, service: str) -> int:
        return int(await self.it.value(query, service=service))

    async def reached(self, query: str, *, service: str) -> None:
        """Until the query finds at least one."""
        await self._reaches(lambda: self.count(query, service=service), 1)

    async def rest(self) -> None:
        """Everything that can be done now is done."""
        await self.pace.settle()
        await self.pace.until_fresh()

    # The steps, each in the middle of which somebody dies.

    async def proposed(self) -> None:
        """Assignment has asked for windows, nobody answers, and it dies with its question."""
        self.kill("compliance", "visits")
        await self.story.plan(FIELD_DAY)
        await self.reached("SELECT count(*) FROM intent WHERE done_at IS NULL", service="assignment")
        self.kill("assignment", "intake")
        await self.start("assignment", "intake", "compliance")
        await self.reached("SELECT count(*) FROM visit WHERE state = 'proposed'", service="assignment")

    async def offered(self) -> None:
        """Visits has read what is proposed, nobody permits the offers, and it dies with its question."""
        self.kill("compliance")
        await self.start("visits")
        await self.reached("SELECT count(*) FROM visit WHERE state = 'proposed'", service="visits")
        self.kill("visits")
        assert await self.count("SELECT count(*) FROM visit WHERE state <> 'proposed'", service="visits") == 0
        await self.start("visits", "compliance")

    async def assigned(self) -> None:
        """Customers have agreed, nobody permits the visits, and assignment dies with its question."""
        self.kill("assignment")
        await self.story.customers.answer_offers()
        self.kill("compliance")
        await self.start("assignment")
        await self.reached("SELECT count(*) FROM visit WHERE state = 'agreed'", service="assignment")
        self.kill("assignment")
        assert await self.count("SELECT count(*) FROM visit WHERE state = 'assigned'", service="assignment") == 0
        await self.start("assignment", "compliance")

    async def checked_in(self) -> None:
        """Pairs ring with permits that compliance, dead, cannot hear are used; visits dies with what it has to tell.

        While both are dead somebody pays who would be visited later.
        """
        self.kill("compliance")
        await self.story.field.work(FIELD_DAY)
        ahead = [visit for visit in await self.story.field.ready(FIELD_DAY) if self.story.field.is_ahead(visit)]
        paying = max(ahead, key=lambda visit: str(visit["window"]["start"]))
        case = (await self.api.get("intake", f"/v1/cases/{paying['case_id']}")).expected()
        self.kill("visits")
        loan = self.it.ledger.loans[case["loans"][0]["loan_ref"]]
        self.payment = await self.it.core.receive_payment(loan.person.loan_ref, loan.overdue, at=self.pace.now)
        await self.start("visits", "compliance")

    async def completed(self) -> None:
        """Whoever was inside leaves, with a plan or without; all who must hear of it die."""
        await self.story.field.work(FIELD_DAY)
        self.kill("visits", "plans", "compliance")
        await self.start("visits", "plans", "compliance")


@pytest.mark.timeout(420)
async def test_killed_at_each_step_of_a_visit(run: Any, reaches: Any, home: Path) -> None:
    async with run(PARTIES, SERVICES) as it:
        port = free_port()
        it.platform.environment |= platform_environment(clock_file=home / "business-clock", core_port=port)
        it.platform.environment["DOORSTEP_FRESHNESS_LIMIT_SECONDS"] = str(FRESHNESS.total_seconds())
        # What a killed worker had in hand is free soon, so that the test need not wait long.
        await asyncio.gather(*(it.start_altered(one, ["short_leases"], name=one, roles=ROLES) for one in SERVICES))
        async with Api(it.platform) as api, served(it.ledger, host="127.0.0.1", port=port):
            pace = Pace(api, it.clock)
            saga = Saga(it, api, _story(it, api, pace), pace, reaches)
            await saga.story.prepare()
            history = await _field_day(saga)
            revoked = _of_one_trace(history, payment=saga.payment)
            leaves = await party_leaves(api, revoked.text("party_id"))
    verdict = judge(history)
    assert verdict.passed, str(verdict)
    for name in ("visit.proposed", "visit.offered", "visit.agreed", "visit.assigned", "visit.checked_in"):
        assert max(Counter(record.text("visit_id") for record in history.of(name)).values()) == 1, name
    rung = {record.text("visit_id") for record in history.of("visit.checked_in")}
    assert len(rung) > 3, "how many agree is drawn"
    assert rung == {record.text("visit_id") for record in history.of("visit.completed")}
    assert [leaf["record"]["permit_id"] for leaf in leaves if leaf["kind"] == "revocation"] == [
        revoked.text("permit_id")
    ]


def _of_one_trace(history: History, *, payment: str) -> Record:
    """The revocation that a payment led to: one trace leads from the core's record to it and to the recall."""

    def trace(record: Record) -> str:
        return record.headers.get("traceparent", "--").split("-")[1]

    (paid,) = [one for one in history.of("loan.payment_received") if one.text("transaction_ref") == payment]
    led_to = {one.type: one for one in history.events if one is not paid and trace(one) == trace(paid)}
    expected = {"case.payment_posted", "party.stopped", "compliance.permit_revoked", "visit.recalled"}
    assert expected <= led_to.keys(), sorted(led_to)
    return led_to["compliance.permit_revoked"]


async def _field_day(saga: Saga) -> History:
    await saga.pace.advance_to(local(FIRST_DAY, OFFER_HOUR))
    await saga.proposed()
    await saga.offered()
    await saga.rest()
    await saga.pace.advance_to(local(FIRST_DAY, ANSWER_HOUR))
    await saga.assigned()
    await saga.rest()
    for hour in FIELD_HOURS:
        await saga.pace.advance_to(local(FIELD_DAY, hour))
        if hour == FIELD_HOURS[1]:
            await saga.checked_in()
        elif hour == FIELD_HOURS[2]:
            await saga.completed()
        else:
            await saga.story.field.work(FIELD_DAY)
        await saga.rest()
    await saga.story.field.finish()
    await saga.pace.settle()
    return await gather_history(saga.it.platform, saga.api, saga.it.ledger, freshness=FRESHNESS)


def _story(it: Any, api: Api, pace: Pace) -> Story:
    async def refresh() -> None:
        """Nobody looks."""

    return Story(
        Cast(
            api=api, pace=pace, platform=it.platform, core=it.core, opening=it.opening,
            behaviour=Behaviour(load_fitted(), seed=SEED), seed=SEED, size=SIZE,
            report=lambda *_: None, say=lambda _: None, refresh=refresh,
        )
    )  # fmt: skip
