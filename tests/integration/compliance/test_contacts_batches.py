"""A batch of records as systems send them: late, out of order, twice, with wrong clocks; each has its own answer."""

from datetime import timedelta
from typing import Any

import pytest

from .conftest import NOW, Desk, visit_request
from .test_contacts import RANG, call, report, rules_of

HOUR = timedelta(hours=1)


def kind_of(result: dict[str, Any]) -> str:
    return str(result["problem"]["type"]).rsplit("/", 1)[1]


async def test_weeks_late_and_the_newest_first_is_judged_as_in_order(desk: Desk) -> None:
    """Four calls of a day that reached the debtor, where three are allowed: the last is too many, however told."""
    for place, order in enumerate([(1, 2, 3, 4), (4, 2, 3, 1)]):
        case = await desk.open_case()
        numbers = {number: number + 10 * place for number in order}
        desk.clock.business = NOW + timedelta(days=20)
        calls = [call(case, numbers[one], started=RANG + one * HOUR) for one in order]
        results = await report(desk, *calls)
        assert [one["status"] for one in results] == ["recorded"] * 4
        which = {"party_id": str(case.party_id), "rule": "CN-GBT45251-CALLS3"}
        found = (await desk.get("/v1/findings", **which)).json()["items"]
        contact_of = {one["record_id"]: one["contact_id"] for one in results}
        assert [one["contact_id"] for one in found] == [contact_of[f"call-{numbers[4]}"]]


async def test_twice_in_one_batch_counts_once_and_the_changed_copy_is_refused(desk: Desk) -> None:
    case = await desk.open_case()
    first, again, changed, taken = await report(
        desk, call(case), call(case), call(case, outcome="no_answer"), call(case, record_id="call-2")
    )
    assert [one["status"] for one in (first, again, changed, taken)] == ["recorded", "repeated", "refused", "refused"]
    assert again["contact_id"] == first["contact_id"]
    assert (kind_of(changed), kind_of(taken)) == ("contact-record-changed", "feed-number-taken")
    assert (await desk.get("/v1/summary")).json()["contacts_audited"] == 1


@pytest.mark.parametrize(("ahead", "status"), [(119, "recorded"), (121, "refused")])
async def test_clocks_may_differ_by_two_minutes(desk: Desk, ahead: int, status: str) -> None:
    case = await desk.open_case()
    now = RANG + HOUR
    (result, other) = await report(desk, call(case, started=now + timedelta(seconds=ahead)), call(case, 2))
    assert (result["status"], other["status"]) == (status, "recorded")
    if status == "refused":
        assert kind_of(result) == "contact-in-future"


async def test_a_time_without_its_zone_is_refused_alone(desk: Desk) -> None:
    case = await desk.open_case()
    results = await report(desk, call(case) | {"started_at": "2026-03-02T11:00:00"}, call(case, 2))
    assert [one["status"] for one in results] == ["refused", "recorded"]
    assert results[0]["problem"]["errors"][0]["pointer"] == "/items/0/started_at"


@pytest.mark.parametrize("zones", [[], ["Mars/Olympus_Mons"]])
async def test_person_whose_zone_nobody_knows_was_called_at_no_lawful_hour(desk: Desk, zones: list[str]) -> None:
    """The contact is recorded and counts; that its hour was lawful cannot be shown."""
    nowhere, other = await desk.open_case(time_zones=zones), await desk.open_case()
    results = await report(desk, call(nowhere), call(other, 2))
    assert [one["status"] for one in results] == ["recorded", "recorded"]
    assert "CN-GBT45251-HOURS" in await rules_of(desk, party_id=str(nowhere.party_id))
    assert "CN-GBT45251-HOURS" not in await rules_of(desk, party_id=str(other.party_id))


async def test_unknown_person_is_recorded_and_counts(desk: Desk) -> None:
    """Whom nobody told of before: judged by nothing that is known, and a permit was missing all the same."""
    case, stranger = await desk.open_case(), visit_request(await desk.open_case())["party_id"]
    results = await report(desk, call(case), call(case, 2, party_id=str(stranger)))
    assert [one["status"] for one in results] == ["recorded", "recorded"]
    assert "PERMIT-MISSING" in await rules_of(desk, party_id=str(stranger))
