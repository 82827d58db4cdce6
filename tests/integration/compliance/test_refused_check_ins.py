"""Refused check-ins leave a trace at compliance: a row, a leaf, and findings when they are repeated or forged."""

import json
from typing import Any

from shared.events.case import CaseOpened
from shared.events.visit import VisitCheckInRefused

from .conftest import CREW, NOW, Desk


async def refused(desk: Desk, case: CaseOpened, *reasons: str) -> None:
    fact = VisitCheckInRefused(
        visit_id=case.case_id, case_id=case.case_id, party_id=case.party_id, version=3,
        refused_at=NOW, refused_real=desk.clock.real, device_id="device-1", reasons=list(reasons), crew_present=CREW,
        cell="88309a5915fffff",
    )  # fmt: skip
    await desk.deliver("visit", ("visit.check_in_refused", fact))


async def found(desk: Desk, case: CaseOpened) -> list[tuple[Any, ...]]:
    items = (await desk.get("/v1/findings", party_id=str(case.party_id))).json()["items"]
    return [(one["rule"], one["conduct"], one["harm"], one["severity"]) for one in items]


async def test_third_attempt_is_conduct_and_each_one_a_leaf(desk: Desk) -> None:
    case = await desk.open_case()
    for expected in (0, 0, 1, 1):
        await refused(desk, case, "permit_expired")
        assert len(await found(desk, case)) == expected
    assert await found(desk, case) == [("CHECK-IN-REPEATED", True, False, "medium")]
    async with desk.database.read_only() as uow:
        leaves = [json.loads(row["leaf"]) for row in await uow.sql.fetch("SELECT leaf FROM log_entry")]
    attempts = [one for one in leaves if one["kind"] == "check_in_refused"]
    assert [(one["device_id"], one["reasons"]) for one in attempts] == [("device-1", ["permit_expired"])] * 4
    assert "88309a5915fffff" not in json.dumps(attempts)
    (event,) = await desk.events("compliance.violation_found")
    assert (event["rule"], event["contact_id"]) == ("CHECK-IN-REPEATED", None)


async def test_forged_permit_is_found_at_once(desk: Desk) -> None:
    case = await desk.open_case()
    await refused(desk, case, "permit_forged")
    assert await found(desk, case) == [("CHECK-IN-FORGED", True, False, "high")]
