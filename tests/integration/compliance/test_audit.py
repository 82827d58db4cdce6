"""Every contact is judged, counts, becomes a leaf, and is announced with its index."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from .conftest import Desk, visit_contact, visit_request


async def rules_found(desk: Desk) -> list[str]:
    return sorted(finding["rule"] for finding in (await desk.get("/v1/findings")).json()["items"])


async def test_lawful_contact_becomes_a_leaf(desk: Desk) -> None:
    case = await desk.open_case()
    (permit,) = await desk.ask(visit_request(case))
    contact = visit_contact(case, permit)
    await desk.deliver("contact", ("contact.recorded", contact))
    await desk.sequencer.step()
    (event,) = await desk.events("compliance.contact_audited")
    assert (event["contact_id"], event["verdict"], event["findings"]) == (str(contact.contact_id), "lawful", 0)
    leaves = (await desk.get(f"/v1/parties/{case.party_id}/leaves")).json()["items"]
    assert [leaf["kind"] for leaf in leaves] == ["decision", "contact"]
    assert leaves[1]["proof"]["leaf_index"] == event["leaf_index"]
    assert (await desk.get(f"/v1/permits/{permit['permit_id']}")).json()["state"] == "recorded"


async def test_contact_told_twice_counts_once(desk: Desk) -> None:
    case = await desk.open_case()
    (permit,) = await desk.ask(visit_request(case))
    contact = visit_contact(case, permit)
    await desk.deliver("contact", ("contact.recorded", contact), ("contact.recorded", contact))
    await desk.deliver("contact", ("contact.recorded", contact))
    assert (await desk.get("/v1/summary")).json()["contacts_audited"] == 1


async def test_contact_without_permit_is_a_violation(desk: Desk) -> None:
    case = await desk.open_case()
    await desk.deliver("contact", ("contact.recorded", visit_contact(case, None)))
    assert await rules_found(desk) == ["PERMIT-MISSING"]
    (event,) = await desk.events("compliance.violation_found")
    assert (event["rule"], event["conduct"]) == ("PERMIT-MISSING", True)


async def test_permit_of_another_party_covers_nothing(desk: Desk) -> None:
    mine, other = await desk.open_case(), await desk.open_case()
    (permit,) = await desk.ask(visit_request(other))
    await desk.deliver("contact", ("contact.recorded", visit_contact(mine, permit)))
    assert await rules_found(desk) == ["PERMIT-MISSING"]


async def test_every_rule_of_the_door_is_judged(desk: Desk) -> None:
    case = await desk.open_case()
    (permit,) = await desk.ask(visit_request(case))
    bad: dict[str, Any] = {
        "started_at": datetime(2026, 3, 2, 13, 50, tzinfo=UTC),
        "ended_at": datetime(2026, 3, 2, 14, 0, 1, tzinfo=UTC),
        "crew": [uuid4()],
        "identity_shown": False,
        "recording_complete": False,
        "debt_disclosed_to_third": True,
    }
    await desk.deliver("contact", ("contact.recorded", visit_contact(case, permit, **bad)))
    assert await rules_found(desk) == [
        "CN-CARD2011-68-3P", "CN-CBA2026-HOURS", "CN-CBA2026-VISIT-2P", "CN-CBA2026-VISIT-AV", "CN-CBA2026-VISIT-ID",
        "CN-GBT45251-HOURS", "PERMIT-CREW", "PERMIT-WINDOW",
    ]  # fmt: skip


async def test_second_contact_on_a_permit_breaks_permit_and_cap(desk: Desk) -> None:
    case = await desk.open_case()
    (permit,) = await desk.ask(visit_request(case))
    await desk.deliver("contact", ("contact.recorded", visit_contact(case, permit)))
    await desk.deliver("contact", ("contact.recorded", visit_contact(case, permit)))
    assert await rules_found(desk) == ["BANK-VISIT-30D", "PERMIT-REUSED"]


async def test_recorded_contact_keeps_the_budget_used(desk: Desk) -> None:
    case = await desk.open_case()
    (permit,) = await desk.ask(visit_request(case))
    await desk.deliver("contact", ("contact.recorded", visit_contact(case, permit)))
    (answer,) = await desk.ask(visit_request(case))
    assert [reason["rule"] for reason in answer["reasons"]] == ["BANK-VISIT-30D"]


async def test_contact_long_after_the_fact_is_conduct_and_shortly_after_is_harm(desk: Desk) -> None:
    for delay, conduct in ((timedelta(seconds=600), True), (timedelta(seconds=5), False)):
        case = await desk.open_case()
        (permit,) = await desk.ask(visit_request(case))
        updated = case.model_copy(update={"version": 2, "time_zones": ["Asia/Shanghai", "Asia/Urumqi"]})
        await desk.deliver("case", ("case.opened", updated))
        late = visit_contact(case, permit, started_real=desk.clock.real + delay)
        await desk.deliver("contact", ("contact.recorded", late))
        found = (await desk.events("compliance.violation_found"))[-1]
        assert (found["rule"], found["conduct"], found["harm"]) == ("PERMIT-REVOKED", conduct, True)


@pytest.mark.parametrize(
    ("valid_from_minutes", "known_after_seconds", "conduct"),
    [
        (5, 60, []),
        (-5, -180, [True]),
        (-5, -60, [False]),
        (-5, 60, [False]),
        (0, -180, [True]),
        (0, -60, [False]),
        (0, 60, []),
    ],
)
async def test_hold_forbids_to_begin_a_contact(
    desk: Desk, valid_from_minutes: int, known_after_seconds: int, conduct: list[bool]
) -> None:
    """One that came up during it, such as a plan signed at the door, breaks nothing; learnt later or within F: harm."""
    case = await desk.open_case()
    (permit,) = await desk.ask(visit_request(case))
    contact = visit_contact(case, permit, started_real=desk.clock.real - timedelta(seconds=known_after_seconds))
    since = contact.started_at + timedelta(minutes=valid_from_minutes)
    hold = {"party_id": str(case.party_id), "kind": "complaint", "source_ref": "s", "valid_from": since.isoformat()}
    await desk.post("/v1/holds", hold)
    await desk.deliver("contact", ("contact.recorded", contact))
    found = await desk.events("compliance.violation_found")
    assert [one["conduct"] for one in found if one["rule"] == "BANK-COMPLAINT"] == conduct
