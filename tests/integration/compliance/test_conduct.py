"""Misconduct that a person hears after the contact was recorded is a finding that no later judgement takes back."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

from .conftest import Desk
from .test_contacts import RANG, call, report, rules_of

BROKEN = {"CN-CBA2026-FORBIDDEN", "CN-CARD2011-68-CONDUCT", "CN-CRIM-293-1"}


async def heard(desk: Desk, contact_id: Any, party_id: Any, **changes: Any) -> Any:
    body = {"party_id": str(party_id), "flags": ["threat"], "heard_in": "recording", "reference": "recording:17"}
    return await desk.post(f"/v1/contacts/{contact_id}/conduct", body | changes, by="eve", client="auditor")


async def test_what_is_heard_later_is_found_and_stays_found(desk: Desk) -> None:
    case = await desk.open_case()
    (made,) = await report(desk, call(case))
    response = await heard(desk, made["contact_id"], case.party_id, reason="The caller says that the police come.")
    found = {one["rule"]: one["finding_id"] for one in response.json()["broken"]}
    assert (response.status_code, BROKEN - found.keys()) == (200, set()), response.text
    again = await heard(desk, made["contact_id"], case.party_id, flags=["threat", "insult"])
    assert found.items() <= {one["rule"]: one["finding_id"] for one in again.json()["broken"]}.items()
    await report(desk, call(case, 2, started=RANG - timedelta(hours=1)))  # the first one is judged again by it
    assert set(await rules_of(desk, contact_id=made["contact_id"], state="open")) >= BROKEN
    detail = (await desk.get(f"/v1/findings/{found['CN-CRIM-293-1']}")).json()
    assert [(one["by_whom"], one["reference"]) for one in detail["history"]] == [("eve", "recording:17")]
    assert (await heard(desk, uuid4(), case.party_id)).status_code == 404
