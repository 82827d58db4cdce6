"""Holds over HTTP: who places, who ends, on what evidence, and what is kept of a person's need."""

from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from services.compliance.domain.holds import Hold
from services.compliance.store.holds import insert_holds, load_holds
from shared.events.case import CaseOpened
from shared.security.scopes import SCOPES

from .conftest import Desk, visit_request
from .test_debts import loan

FROM = "2026-03-02T02:00:00Z"


async def place(desk: Desk, case: CaseOpened, **changes: Any) -> dict[str, Any]:
    body = {"party_id": str(case.party_id), "kind": "dispute", "valid_from": FROM, "source_ref": "s-1"} | changes
    response = await desk.post("/v1/holds", body)
    assert response.status_code == 201, response.text
    return response.json()  # type: ignore[no-any-return]


async def end(desk: Desk, hold: dict[str, Any], *, by: str = "ann", evidence: str | None = "letter-1") -> Any:
    return await desk.post(f"/v1/holds/{hold['hold_id']}/end", {"cause": "over", "evidence": evidence}, by=by)


async def decision(desk: Desk, case: CaseOpened) -> str:
    (answer,) = await desk.ask(visit_request(case))
    return str(answer["decision"])


async def test_two_people_end_a_cease_contact(desk: Desk) -> None:
    case = await desk.open_case()
    hold = await place(desk, case, kind="cease_contact")
    asked = (await end(desk, hold)).json()
    assert (asked["state"], asked["end_asked"]) == ("open", True)
    assert await decision(desk, case) == "deny"
    again = await end(desk, hold)
    assert again.status_code == 403
    assert again.json()["type"].endswith("second-person-ends-hold")
    assert (await end(desk, hold, by="bob")).json()["state"] == "ended"
    assert await decision(desk, case) == "allow"


async def test_an_end_without_evidence_is_refused(desk: Desk) -> None:
    hold = await place(desk, await desk.open_case())
    response = await end(desk, hold, evidence=None)
    assert response.status_code == 422
    assert response.json()["type"].endswith("hold-end-needs-evidence")


def test_collections_cannot_end_holds() -> None:
    assert not SCOPES["compliance.end-hold"].clients & {"dispatcher", "collector-app", "assignment", "visits", "core"}


async def test_vulnerability_is_a_need_with_a_review(desk: Desk) -> None:
    case = await desk.open_case()
    need = {"kind": "vulnerability", "need": "interpreter", "review_by": "2026-04-01T02:00:00Z"}
    hold = await place(desk, case, **need)
    assert (hold["need"], hold["review_by"]) == ("interpreter", "2026-04-01T02:00:00Z")
    (listed,) = (await desk.get("/v1/holds", party_id=str(case.party_id))).json()["items"]
    assert listed == hold


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"need": "interpreter"},
        {"need": "interpreter", "review_by": "2027-06-01T00:00:00Z"},
        {"need": "interpreter", "review_by": "2026-04-01T00:00:00Z", "reason": "depression"},
    ],
)
async def test_vulnerability_without_review_or_with_words_is_refused(desk: Desk, changes: dict[str, str]) -> None:
    case = await desk.open_case()
    body = {"party_id": str(case.party_id), "kind": "vulnerability", "valid_from": FROM, "source_ref": "s"} | changes
    assert (await desk.post("/v1/holds", body)).status_code == 422


async def test_reviews_that_are_due_are_listed(desk: Desk) -> None:
    case = await desk.open_case()
    await place(desk, case, kind="vulnerability", need="more_time", review_by="2026-03-05T02:00:00Z")
    assert (await desk.get("/v1/holds", due_for_review="true")).json()["items"] == []
    desk.clock.business = desk.clock.business.replace(day=5)
    assert len((await desk.get("/v1/holds", due_for_review="true")).json()["items"]) == 1


async def test_breathing_space_ends_by_law(desk: Desk) -> None:
    hold = await place(desk, await desk.open_case(), kind="breathing_space")
    assert hold["valid_to"] == "2026-05-01T02:00:00Z"


async def test_table_refuses_a_second_open_hold_of_one_source(desk: Desk) -> None:
    case = await desk.open_case()
    await place(desk, case)
    async with desk.database.read_only() as uow:
        (hold,) = (await load_holds(uow, [case.party_id]))[case.party_id]
    twin = Hold(
        hold_id=case.case_id, party_id=hold.party_id, kind=hold.kind, scope=hold.scope, valid_from=hold.valid_from,
        valid_to=None, source_ref=hold.source_ref, recorded_real=hold.recorded_real,
    )  # fmt: skip
    with pytest.raises(asyncpg.UniqueViolationError):
        async with desk.database.unit_of_work() as uow:
            await insert_holds(uow, [(twin, None)])


async def test_contact_point_is_held_and_kept_nowhere_in_clear(desk: Desk) -> None:
    case = await desk.open_case()
    number = {"kind": "phone", "value": "+86 138 0000 0000"}
    hold = await place(desk, case, kind="channel_opt_out", scope="contact_point", contact_point=number)
    again = await place(
        desk, case, kind="channel_opt_out", scope="contact_point", contact_point=number | {"value": "008613800000000"}
    )  # fmt: skip
    assert again["hold_id"] == hold["hold_id"]
    assert hold["contact_point"].startswith("phone:")
    assert len(hold["contact_point"]) == len("phone:") + 32
    (call,) = await desk.ask(visit_request(case, channel="call"))
    assert call["decision"] == "deny", "through which number nobody said"
    held, free = (visit_request(case, channel="call", contact_point=one) for one in (number["value"], "138 1111 2222"))
    assert [one["decision"] for one in await desk.ask(held, free)] == ["deny", "allow"]
    assert await decision(desk, case) == "allow", "a visit goes through no number"
    async with desk.database.read_only() as uow:
        rows = await uow.sql.fetch("SELECT h::text FROM hold h")
    assert not any("13800000000" in row["h"] for row in rows)


async def test_hold_on_a_number_revokes_only_permits_through_it(desk: Desk) -> None:
    case = await desk.open_case()
    numbers = ("+86 138 0000 0000", "+86 138 1111 2222", None)
    asked = [visit_request(case, channel="call", **({} if one is None else {"contact_point": one})) for one in numbers]
    permits = await desk.ask(*asked)
    assert [one["decision"] for one in permits] == ["allow"] * 3
    number = {"kind": "phone", "value": numbers[0]}
    await place(desk, case, kind="channel_opt_out", scope="contact_point", contact_point=number)
    states = [(await desk.get(f"/v1/permits/{one['permit_id']}")).json()["revoked"] for one in permits]
    assert states == [True, False, True]


async def test_windows_are_asked_for_a_number_or_a_loan(desk: Desk) -> None:
    debts = [loan(), loan(loan_ref="L-2")]
    case = await desk.open_case(loans=debts)
    number = {"kind": "phone", "value": "+86 138 0000 0000"}
    await place(desk, case, kind="channel_opt_out", scope="contact_point", contact_point=number)
    await place(desk, case, scope="loan", debt_id=str(debts[0].debt_id))
    item = {
        "party_id": str(case.party_id), "channel": "call", "jurisdiction": "CN", "time_zones": ["Asia/Shanghai"],
        "days": ["2026-03-03"], "duration_minutes": 5,
    }  # fmt: skip
    other = {"contact_point": "138 1111 2222", "debt_ids": [str(debts[1].debt_id)]}
    items = [item, item | other, item | other | {"contact_point": number["value"]}, item | other | {"debt_ids": None}]
    answers = (await desk.post("/v1/windows", {"items": items})).json()["items"]
    assert [bool(one["windows"]) for one in answers] == [False, True, False, False]


async def test_collections_see_needs_and_no_complaints(desk: Desk) -> None:
    case = await desk.open_case()
    await desk.post("/v1/complaints", {
        "party_id": str(case.party_id), "channel": "web", "received_at": FROM, "reference": "c-1",
    })  # fmt: skip
    await place(
        desk, case, kind="vulnerability", need="short_contact", review_by="2026-09-01T00:00:00Z", source_ref="ward-7"
    )
    await place(desk, case, kind="mental_health_crisis", source_ref="amhp-3")
    await place(desk, case)
    seen = {}
    for client in ("dispatcher", "complaint-desk"):
        answer = await desk.get("/v1/holds", client=client, party_id=str(case.party_id))
        seen[client] = [
            (one["kind"], one["source_ref"], one["need"], one["review_by"] is None) for one in answer.json()["items"]
        ]
    assert seen["dispatcher"] == [
        ("vulnerability", "withheld", "short_contact", True), ("breathing_space", "withheld", None, True),
        ("dispute", "s-1", None, True),
    ]  # fmt: skip
    assert [kind for kind, *_ in seen["complaint-desk"]] == [
        "complaint", "vulnerability", "mental_health_crisis", "dispute"
    ]  # fmt: skip
    assert "collector-app" not in SCOPES["compliance.read-holds"].clients


async def test_told_again_for_longer_it_lasts_longer_and_told_shorter_it_stays(desk: Desk) -> None:
    case = await desk.open_case()
    soon = (desk.clock.business + timedelta(hours=1)).isoformat()
    first = await place(desk, case, valid_to=soon)
    assert await decision(desk, case) == "allow", "the visit is in the afternoon"
    longer = await place(desk, case)
    assert longer["hold_id"] != first["hold_id"]
    assert await decision(desk, case) == "deny"
    assert (await place(desk, case, valid_to=soon))["hold_id"] == longer["hold_id"]
    assert await decision(desk, case) == "deny"


async def test_a_hold_that_is_over_does_not_stand_for_the_one_told_again(desk: Desk) -> None:
    case = await desk.open_case()
    over = (desk.clock.business - timedelta(hours=1)).isoformat()
    await place(desk, case, valid_from="2026-03-01T02:00:00Z", valid_to=over)
    await place(desk, case, valid_to=(desk.clock.business + timedelta(days=9)).isoformat())
    assert await decision(desk, case) == "deny"


async def test_nobody_places_a_hold_in_the_name_of_a_complaint(desk: Desk) -> None:
    """Only closing that complaint would end it, and there is none."""
    case = await desk.open_case()
    body = {"party_id": str(case.party_id), "kind": "dispute", "valid_from": FROM, "source_ref": "complaint:1"}
    assert (await desk.post("/v1/holds", body)).status_code == 422
