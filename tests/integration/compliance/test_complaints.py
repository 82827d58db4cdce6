"""A complaint is a stop button: contact stops at once, and only the complaint desk lets it resume."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from shared.events.case import CaseOpened
from shared.events.stop import PartyStopped
from shared.security.scopes import SCOPES

from .conftest import Desk, opened_case, visit_request


async def complain(desk: Desk, case: CaseOpened, **changes: Any) -> dict[str, Any]:
    body = {
        "party_id": str(case.party_id), "channel": "web", "received_at": desk.clock.business.isoformat(),
        "about": ["collector-7"], "reference": "c-1", "words": "They shouted.",
    } | changes  # fmt: skip
    response = await desk.post("/v1/complaints", body)
    assert response.status_code == 201, response.text
    return response.json()  # type: ignore[no-any-return]


async def step(desk: Desk, complaint: dict[str, Any], name: str, *, by: str = "ann", words: str | None = None) -> Any:
    return await desk.post(f"/v1/complaints/{complaint['complaint_id']}/{name}", {"words": words}, by=by)


async def close(desk: Desk, complaint: dict[str, Any]) -> None:
    assert (await step(desk, complaint, "answer", words="Sorry.")).status_code == 200
    response = await step(desk, complaint, "close", by="bob")
    assert response.status_code == 200, response.text


async def test_complaint_revokes_permits_and_stops_contact(desk: Desk) -> None:
    case = await desk.open_case()
    (granted,) = await desk.ask(visit_request(case))
    received = await complain(desk, case)
    assert received["rule"] == "CN-COMPLAINT-CLOCK"
    permit = (await desk.get(f"/v1/permits/{granted['permit_id']}")).json()
    assert (permit["revoked"], permit["revoke_cause"]) == (True, "complaint")
    (refused,) = await desk.ask(visit_request(case))
    assert "BANK-COMPLAINT" in [reason["rule"] for reason in refused["reasons"]]


async def test_closing_lets_contact_resume(desk: Desk) -> None:
    case = await desk.open_case()
    await close(desk, await complain(desk, case))
    (answer,) = await desk.ask(visit_request(case))
    assert answer["decision"] == "allow", answer


async def test_contact_resumes_when_the_last_of_two_is_closed(desk: Desk) -> None:
    case = await desk.open_case()
    first, second = await complain(desk, case), await complain(desk, case, reference="c-2")
    await close(desk, first)
    (answer,) = await desk.ask(visit_request(case))
    assert answer["decision"] == "deny"
    await close(desk, second)
    (answer,) = await desk.ask(visit_request(case))
    assert answer["decision"] == "allow"


async def test_told_twice_it_is_one(desk: Desk) -> None:
    case = await desk.open_case()
    assert await complain(desk, case) == await complain(desk, case)
    assert len((await desk.get("/v1/complaints")).json()["items"]) == 1


async def test_told_again_after_its_end_it_stays_closed(desk: Desk) -> None:
    case = await desk.open_case()
    first = await complain(desk, case)
    await close(desk, first)
    assert (await complain(desk, case))["complaint_id"] == first["complaint_id"]
    (answer,) = await desk.ask(visit_request(case))
    assert answer["decision"] == "allow"


async def test_reopening_stops_contact_again(desk: Desk) -> None:
    case = await desk.open_case()
    complaint = await complain(desk, case)
    await close(desk, complaint)
    assert (await step(desk, complaint, "reopen", by="bob")).json()["state"] == "acknowledged"
    (answer,) = await desk.ask(visit_request(case))
    assert answer["decision"] == "deny"


async def test_unknown_person_may_complain(desk: Desk) -> None:
    received = await complain(desk, opened_case())
    assert received["answer_by"] == (desk.clock.business + timedelta(days=15)).isoformat().replace("+00:00", "Z")


async def test_whoever_it_is_about_sees_nothing(desk: Desk) -> None:
    case = await desk.open_case()
    complaint = await complain(desk, case, about=["test"])
    assert (await desk.get("/v1/complaints")).json()["items"] == []
    refused = await desk.get(f"/v1/complaints/{complaint['complaint_id']}")
    assert refused.status_code == 403
    assert refused.json()["type"].endswith("complained-about")
    assert (await step(desk, complaint, "answer", by="test")).status_code == 403


def test_collections_hold_no_scope_to_handle_complaints() -> None:
    collections = {"assignment", "visits", "plans", "collector-app", "dispatcher", "core"}
    assert not SCOPES["compliance.handle-complaint"].clients & collections


async def test_collections_cannot_end_the_hold(desk: Desk) -> None:
    case = await desk.open_case()
    complaint = await complain(desk, case)
    response = await desk.post(f"/v1/holds/{complaint['hold_id']}/end", {"cause": "convenient"})
    assert response.status_code == 403
    assert response.json()["type"].endswith("hold-of-complaint")
    (answer,) = await desk.ask(visit_request(case))
    assert answer["decision"] == "deny"


async def test_complaint_at_the_door_has_an_owner_and_a_clock(desk: Desk) -> None:
    case = await desk.open_case()
    stopped = PartyStopped(
        party_id=case.party_id, cause="complaint", scope="party", since=desk.clock.business,
        arrived_at=desk.clock.real, reference=str(uuid4()),
    )  # fmt: skip
    await desk.deliver("stop", ("party.stopped", stopped))
    (listed,) = (await desk.get("/v1/complaints")).json()["items"]
    assert (listed["party_id"], listed["channel"]) == (str(case.party_id), "visit")
    (answer,) = await desk.ask(visit_request(case))
    assert answer["decision"] == "deny"


async def test_history_tells_every_step_and_words_are_sealed(desk: Desk) -> None:
    case = await desk.open_case()
    complaint = await complain(desk, case)
    await close(desk, complaint)
    detail = (await desk.get(f"/v1/complaints/{complaint['complaint_id']}")).json()
    assert [one["step"] for one in detail["history"]] == ["receive", "answer", "close"]
    assert [one["words"] for one in detail["history"]] == ["They shouted.", "Sorry.", None]
    async with desk.database.read_only() as uow:
        kept = [bytes(row[0]) for row in await uow.sql.fetch("SELECT sealed_words FROM complaint_version LIMIT 2")]
        leaves = await uow.sql.fetch("SELECT * FROM log_pending")
    assert not any(b"shouted" in one for one in kept)
    assert not any("shouted" in str(dict(row)) for row in leaves)


async def test_late_ones_are_listed_and_counted(desk: Desk) -> None:
    await complain(desk, await desk.open_case())
    assert (await desk.get("/v1/complaints", late="true")).json()["items"] == []
    desk.clock.business += timedelta(days=15)
    (late,) = (await desk.get("/v1/complaints", late="true")).json()["items"]
    assert late["late"] is True


@pytest.mark.parametrize("name", ["close", "reopen"])
async def test_step_out_of_order_is_409(desk: Desk, name: str) -> None:
    complaint = await complain(desk, await desk.open_case())
    response = await step(desk, complaint, name)
    assert response.status_code == 409
    assert response.json()["type"].endswith("complaint-step-refused")
