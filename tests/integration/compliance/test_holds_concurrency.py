"""A hold that is told while a permit of the same person is being decided on wins, whichever of the two comes first."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from services.compliance.domain.facts import Balance
from services.compliance.permit_desk import decide_permits
from services.compliance.schemas.permits import PermitAnswer, PermitRequest
from shared.database import UnitOfWork
from shared.events.case import CaseOpened

from .conftest import Desk, visit_request

WAITING = """
SELECT count(*) FROM pg_locks JOIN pg_database d ON d.oid = database
WHERE NOT granted AND datname = current_database()
"""
# Granted, not revoked, and a hold of the person stands: nobody may ever see one.
LIVE_UNDER_A_HOLD = """
SELECT count(*) FROM permit p JOIN hold h USING (tenant, party_id)
WHERE p.revoked_real IS NULL AND p.state <> 'released' AND h.kind = 'dispute'
"""
_PATIENCE_SECONDS = 120


class KilledError(Exception):
    """The process that decided is gone, and its transaction with it."""


async def hold(desk: Desk, case: CaseOpened) -> None:
    body = {
        "party_id": str(case.party_id), "kind": "dispute", "scope": "party", "source_ref": f"ticket-{case.party_id}",
        "valid_from": (desk.clock.business - timedelta(minutes=1)).isoformat(),
    }  # fmt: skip
    response = await desk.post("/v1/holds", body)
    assert response.status_code in (200, 201), response.text


async def decide(desk: Desk, uow: UnitOfWork, case: CaseOpened) -> PermitAnswer:
    """The decision on a visit, in a transaction that is still open."""
    await uow.lock_parties([case.party_id])
    owed = Balance(as_of=desk.clock.real, overdue_minor={"CNY": 1}, digest="0" * 64)
    request = PermitRequest.model_validate(visit_request(case))
    [answer] = await decide_permits(uow, desk.instruments, [request], {case.party_id: owed})
    return answer


async def somebody_waits(desk: Desk) -> None:
    async with asyncio.timeout(_PATIENCE_SECONDS):
        while True:
            async with desk.database.read_only() as uow:
                if await uow.sql.fetchval(WAITING):
                    return
            await asyncio.sleep(0.01)


async def live_under_a_hold(desk: Desk) -> int:
    async with desk.database.read_only() as uow:
        count: int = await uow.sql.fetchval(LIVE_UNDER_A_HOLD)
    return count


async def test_a_hold_told_while_the_permit_is_being_granted_revokes_it(desk: Desk) -> None:
    case = await desk.open_case()
    async with asyncio.TaskGroup() as tasks, desk.database.unit_of_work() as uow:
        answer = await decide(desk, uow, case)
        tasks.create_task(hold(desk, case))
        await somebody_waits(desk)
    assert answer.decision == "allow"
    permit = (await desk.get(f"/v1/permits/{answer.permit_id}")).json()
    assert (permit["revoked"], permit["revoke_cause"]) == (True, "dispute")
    [revoked] = await desk.events("compliance.permit_revoked")
    assert revoked["permit_id"] == str(answer.permit_id)


async def test_a_permit_asked_for_while_the_hold_is_being_placed_is_refused(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = await desk.open_case()
    locked, go_on = asyncio.Event(), asyncio.Event()
    lock = UnitOfWork.lock_parties

    async def slowly(self: UnitOfWork, party_ids: Any) -> None:
        await lock(self, party_ids)
        if not locked.is_set():
            locked.set()
            await go_on.wait()

    monkeypatch.setattr(UnitOfWork, "lock_parties", slowly)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(hold(desk, case))
        await locked.wait()
        asking = tasks.create_task(desk.ask(visit_request(case)))
        await somebody_waits(desk)
        go_on.set()
    [answer] = asking.result()
    assert answer["decision"] == "deny"
    assert await live_under_a_hold(desk) == 0


async def test_a_decision_that_dies_leaves_no_permit_and_the_hold_stands(desk: Desk) -> None:
    case = await desk.open_case()
    granted: list[PermitAnswer] = []
    placing: list[asyncio.Task[None]] = []

    async def die() -> None:
        async with desk.database.unit_of_work() as uow:
            granted.append(await decide(desk, uow, case))
            placing.append(asyncio.create_task(hold(desk, case)))
            await somebody_waits(desk)
            raise KilledError

    with pytest.raises(KilledError):
        await die()
    [answer] = granted
    assert answer.decision == "allow"
    await asyncio.gather(*placing)
    assert (await desk.get(f"/v1/permits/{answer.permit_id}")).status_code == 404
    [refused] = await desk.ask(visit_request(case))
    assert refused["decision"] == "deny"


async def test_of_many_at_once_no_permit_lives_under_a_hold(desk: Desk) -> None:
    cases = [await desk.open_case() for _ in range(12)]
    async with asyncio.TaskGroup() as tasks:
        for number, case in enumerate(cases):
            told = [hold(desk, case), desk.ask(visit_request(case))]
            for one in told if number % 2 else reversed(told):
                tasks.create_task(one)  # type: ignore[arg-type]  # a coroutine of either kind
    assert await live_under_a_hold(desk) == 0
