"""May I? A dry run answers like a permit and takes nothing; what it lacked becomes a task."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from shared.events.case import CaseObligor, CaseReleased, CaseSuspended

from .conftest import Desk, opened_case, visit_request
from .test_debts import loan, updated


async def may_i(desk: Desk, *items: dict[str, Any]) -> list[dict[str, Any]]:
    response = await desk.post("/v1/decisions", {"items": list(items)})
    assert response.status_code == 200, response.text
    return response.json()["items"]  # type: ignore[no-any-return]


def rules(answer: dict[str, Any]) -> list[str]:
    return [reason["rule"] for reason in answer["reasons"]]


async def tasks(desk: Desk, **params: Any) -> list[dict[str, Any]]:
    response = await desk.get("/v1/fact-tasks", **params)
    assert response.status_code == 200, response.text
    return response.json()["items"]  # type: ignore[no-any-return]


async def test_dry_run_takes_nothing(desk: Desk) -> None:
    case = await desk.open_case()
    first, second = await may_i(desk, visit_request(case), visit_request(case))
    assert (first["decision"], second["decision"]) == ("allow", "allow")
    assert "permit" not in first
    (granted,) = await desk.ask(visit_request(case))
    assert granted["decision"] == "allow"
    (after,) = await may_i(desk, visit_request(case))
    assert (after["decision"], rules(after)) == ("deny", ["BANK-VISIT-30D"])
    assert after["earliest_lawful"] == "2026-04-01T00:00:00Z"


async def test_dry_run_answers_as_the_permit_would(desk: Desk) -> None:
    case = await desk.open_case()
    night = visit_request(case, window={"start": "2026-03-02T15:00:00Z", "end": "2026-03-02T16:00:00Z"})
    (asked,) = await may_i(desk, night)
    (wanted,) = await desk.ask(night | {"request_id": str(uuid4())})
    assert asked["decision"] == wanted["decision"] == "deny"
    assert asked["reasons"] == wanted["reasons"]
    assert asked["earliest_lawful"] == wanted["earliest_lawful"]


async def test_whatever_the_desk_refuses_itself_a_dry_run_refuses_the_same(desk: Desk) -> None:
    """Each pair asks first without taking, then takes; only the id of the decision may differ."""
    owed, sold, guaranteed = loan(), loan(loan_ref="L-2"), loan(loan_ref="L-3")
    case = await desk.open_case(loans=[owed, sold])
    await desk.deliver("case", ("case.updated", updated(case, loans=[owed])))
    surety = CaseObligor(party_id=case.party_id, role="guarantor", liability="secondary")
    await desk.open_case(loans=[guaranteed.model_copy(update={"obligors": [surety]})])
    other, mover = await desk.open_case(), await desk.open_case()
    first = visit_request(mover)
    (granted,) = await desk.ask(first)
    now = {"versions": {"case": 2}}
    later = {"start": "2026-03-02T07:00:00Z", "end": "2026-03-02T09:00:00Z"}
    scenarios = {
        "a debt that is not collected any more": visit_request(case, debt_ids=[str(sold.debt_id)], **now),
        "a guarantor of whom nothing is demanded": visit_request(case, debt_ids=[str(guaranteed.debt_id)], **now),
        "a debt that is collected": visit_request(case, debt_ids=[str(owed.debt_id)], **now),
        "a third person nobody can name": visit_request(other, channel="third_party_location"),
        "a third person": visit_request(other, channel="third_party_location", contact_point="+86 10 5550 0100"),
        "a permit of nobody": visit_request(other, replaces=str(uuid4())),
        "somebody else's permit": visit_request(other, replaces=granted["permit_id"]),
        "the same request": first,
        "its id for another window": {**first, "window": later},
        "the visit moved": visit_request(mover, window=later, replaces=granted["permit_id"]),
        "a second visit": visit_request(mover),
    }
    answers = {}
    for name, asked in scenarios.items():
        (may,) = await may_i(desk, asked)
        (taken,) = await desk.ask(asked)
        answers[name] = rules(taken) or taken["decision"]
        for said in ("decision", "reasons", "earliest_lawful", "lawful_after"):
            assert may[said] == taken[said], (name, said)
    assert answers["a debt that is not collected any more"] == ["DEBT-COLLECTED"]
    assert "GUARANTOR-DEMAND" in answers["a guarantor of whom nothing is demanded"]
    assert answers["its id for another window"] == ["BANK-VISIT-30D", "REQUEST-REUSED"]
    assert answers["the same request"] == answers["the visit moved"] == "allow"


@pytest.mark.parametrize("channel", ["visit", "call", "sms", "email", "letter", "third_party_location"])
async def test_every_channel_is_answered_with_rules(desk: Desk, channel: str) -> None:
    case = await desk.open_case()
    (answer,) = await may_i(desk, visit_request(case, channel=channel))
    assert answer["decision"] in ("allow", "deny", "needs-fact")
    assert (answer["decision"] == "allow") == (answer["reasons"] == [])
    assert all(reason["rule"] and reason["citation"] for reason in answer["reasons"])


async def test_dry_run_is_kept_and_proved(desk: Desk) -> None:
    case = await desk.open_case()
    (answer,) = await may_i(desk, visit_request(case))
    await desk.sequencer.integrate()
    kept = (await desk.get(f"/v1/decisions/{answer['decision_id']}")).json()
    assert kept["record"]["answer"] == "allow"
    assert kept["leaf_index"] is not None
    summary = (await desk.get("/v1/summary")).json()
    assert summary["decisions"] == {}, "a question is no decision on a contact"


async def test_facts_behind_is_409_alone(desk: Desk) -> None:
    case = await desk.open_case()
    ahead = visit_request(case, versions={"case": 9})
    response = await desk.post("/v1/decisions", {"items": [ahead]})
    assert response.status_code == 409
    assert response.json()["type"].endswith("facts-behind")
    assert response.json()["detail"] == "facts_behind: case"


async def test_facts_behind_fails_only_its_item(desk: Desk) -> None:
    case, other = await desk.open_case(), await desk.open_case()
    behind, fine = await may_i(desk, visit_request(case, versions={"case": 9}), visit_request(other))
    assert (behind["decision"], fine["decision"]) == ("needs-fact", "allow")


async def test_clock_skew_of_the_asker_changes_nothing(desk: Desk) -> None:
    case = await desk.open_case()
    past = visit_request(case, window={"start": "2026-03-01T06:00:00Z", "end": "2026-03-01T08:00:00Z"})
    (answer,) = await may_i(desk, past)
    assert answer["decision"] == "deny"


async def test_unknown_zone_and_jurisdiction_are_never_allowed(desk: Desk) -> None:
    nowhere = await desk.open_case(jurisdiction="XX")
    zoneless = await desk.open_case(time_zones=["Mars/Olympus"])
    first, second = await may_i(desk, visit_request(nowhere, jurisdiction="XX"), visit_request(zoneless))
    for answer, said in (
        (first, "no rules are loaded for the person's place"), (second, "no time zone, or one that does not exist"),
    ):  # fmt: skip
        assert answer["decision"] == "needs-fact"
        (reason,) = [one for one in answer["reasons"] if one["detail"] == said]
        assert reason["rule"].startswith("FACTS-")
        assert reason["citation"]
        assert reason["lawful_after"]


async def test_missing_fact_is_one_task_until_it_is_known(desk: Desk) -> None:
    case = opened_case()
    for _ in range(2):
        (answer,) = await may_i(desk, visit_request(case, versions={}))
        assert answer["decision"] == "needs-fact"
    found = [one for one in await tasks(desk, owner="intake") if one["fact"] == "case.opened"]
    assert [one["party_id"] for one in found] == [str(case.party_id)]
    await desk.deliver("case", ("case.opened", case))
    assert await tasks(desk) == [], "the fact has arrived: nobody waits for it until the next decision"
    (answer,) = await may_i(desk, visit_request(case))
    assert answer["decision"] == "allow"


async def test_task_for_the_asker_s_other_place_waits_for_another_place(desk: Desk) -> None:
    case = await desk.open_case()
    await may_i(desk, visit_request(case, jurisdiction="HK"))
    same = case.model_copy(update={"version": 2})
    await desk.deliver("case", ("case.opened", same))
    assert [one["fact"] for one in await tasks(desk)] == ["case.updated"]
    await desk.deliver("case", ("case.opened", same.model_copy(update={"version": 3, "jurisdiction": "HK"})))
    assert await tasks(desk) == []


async def test_task_to_repair_a_record_ends_with_the_repair(desk: Desk) -> None:
    case = await desk.open_case()
    suspended = CaseSuspended(case_id=case.case_id, party_id=case.party_id, version=2, cause="facts_incomplete")
    await desk.deliver("case", ("case.suspended", suspended))
    await may_i(desk, visit_request(case))
    assert [one["fact"] for one in await tasks(desk)] == ["facts.completed"]
    await desk.deliver("case", ("case.released", CaseReleased(**(suspended.model_dump() | {"version": 3}))))
    assert await tasks(desk) == []


async def test_task_for_a_parked_person_ends_when_nobody_names_them(desk: Desk) -> None:
    case = await desk.open_case()
    await desk.hear(parked=[case.party_id])
    await may_i(desk, visit_request(case))
    assert [one["fact"] for one in await tasks(desk)] == ["facts.completed"]
    await desk.hear()
    assert await tasks(desk) == []


async def test_permit_requests_open_tasks_too(desk: Desk) -> None:
    case = opened_case()
    await desk.ask(visit_request(case, versions={}))
    assert {one["party_id"] for one in await tasks(desk)} == {str(case.party_id)}


async def test_overdue_tasks_are_listed_and_counted(desk: Desk) -> None:
    await may_i(desk, visit_request(opened_case(), versions={}))
    assert await tasks(desk, overdue="true") == []
    desk.clock.business += timedelta(days=3)
    overdue = await tasks(desk, overdue="true")
    assert overdue
    assert all(one["overdue"] for one in overdue)


async def test_parties_blocked_for_14_days_are_listed(desk: Desk) -> None:
    case = opened_case()
    await may_i(desk, visit_request(case, versions={}))
    desk.clock.business += timedelta(days=13, hours=23)
    assert (await desk.get("/v1/blocked-parties")).json()["items"] == []
    desk.clock.business += timedelta(hours=1)
    (blocked,) = (await desk.get("/v1/blocked-parties")).json()["items"]
    assert UUID(blocked["party_id"]) == case.party_id
    assert "case.opened" in blocked["facts"]
    assert blocked["owners"] == ["intake"]


async def test_tasks_come_in_pages(desk: Desk) -> None:
    for _ in range(3):
        await may_i(desk, visit_request(opened_case(), versions={}))
    everything = [one["task_id"] for one in await tasks(desk)]
    seen: list[str] = []
    cursor: str | None = None
    while True:
        page = (await desk.get("/v1/fact-tasks", limit=2, **({"cursor": cursor} if cursor else {}))).json()
        seen += [one["task_id"] for one in page["items"]]
        cursor = page.get("next")
        if cursor is None:
            break
    assert seen == everything
