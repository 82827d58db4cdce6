"""Contacts that the bank's systems report: each recorded once, judged at its own time, counted, announced."""

import base64
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from shared.events.case import CaseOpened
from shared.events.contact import ContactRecorded
from shared.security.note_keys import NoteKey

from .conftest import Desk, visit_contact, visit_request

_TOTALS = Ed25519PrivateKey.from_private_bytes(bytes(32))
# Eleven o'clock in Shanghai.
RANG = datetime(2026, 3, 2, 3, 0, tzinfo=UTC)


def call(case: CaseOpened, number: int = 1, **changes: Any) -> dict[str, Any]:
    """A call of a minute to the debtor, as a dialler reports it."""
    started = changes.pop("started", RANG)
    values: dict[str, Any] = {
        "source": "dialler-1",
        "record_id": f"call-{number}",
        "number": number,
        "party_id": str(case.party_id),
        "channel": "call",
        "started_at": started.isoformat(),
        "ended_at": (started + timedelta(minutes=1)).isoformat(),
        "outcome": "spoke",
        "reached": "debtor",
        "identity_shown": True,
        "recording_complete": True,
    }
    return values | changes


def terms(source: str, **changes: Any) -> dict[str, Any]:
    """What the operator declares; all sources of the tests sign with one key."""
    values: dict[str, Any] = {
        "source": source, "client_id": "demo-driver", "channels": ["call"], "silent_after_hours": 240,
        "total_key": NoteKey(source, _TOTALS.public_key().public_bytes_raw()).vkey, "reason": "test-1",
    }  # fmt: skip
    return values | changes


def total(source: str, day: str, last_number: int, records: int) -> dict[str, Any]:
    """A day's total, signed by the source."""
    statement = f"doorstep feed day\n{source}\n{day}\n{last_number}\n{records}\n".encode()
    signature = base64.b64encode(_TOTALS.sign(statement)).decode()
    return {"day": day, "last_number": last_number, "records": records, "signature": signature}


async def declare_source(desk: Desk, source: str, *, client_id: str = "demo-driver", **changes: Any) -> None:
    """The operator declares a source; the tests' client speaks for it unless another one is named."""
    response = await desk.post("/v1/feeds", terms(source, client_id=client_id, **changes))
    assert response.status_code == 200, response.text


async def report(desk: Desk, *items: Any, key: str | None = None) -> list[dict[str, Any]]:
    """Report records an hour after the calls, of sources that are declared by then; the results."""
    known = {one["source"] for one in (await desk.get("/v1/feeds")).json()["items"]}
    for source in {"dialler-1", "dialler-2", "sms-gateway"} - known:
        await declare_source(desk, source)
    desk.clock.business = max(desk.clock.business, RANG + timedelta(hours=1))
    response = await desk.post("/v1/contacts", {"items": list(items)}, key=key)
    assert response.status_code == 200, response.text
    return response.json()["items"]  # type: ignore[no-any-return]


def message(case: CaseOpened, number: int = 1, **changes: Any) -> dict[str, Any]:
    """An SMS about an appointment."""
    changes.setdefault("ended_at", changes.get("started", RANG).isoformat())
    return call(case, number, channel="sms", purpose="appointment_admin", **changes)


async def permitted_message(desk: Desk, case: CaseOpened) -> dict[str, Any]:
    """A permit for an SMS from 10:30 to 11:30 in Shanghai."""
    asked = visit_request(
        case, channel="sms", purpose="appointment_admin", duration_minutes=0, crew=[], device_id=None, place_cell=None,
        window={"start": "2026-03-02T02:30:00Z", "end": "2026-03-02T03:30:00Z"},
    )  # fmt: skip
    (answer,) = await desk.ask(asked)
    assert answer["decision"] == "allow", answer
    return answer


async def rules_of(desk: Desk, **which: str) -> list[str]:
    return sorted(one["rule"] for one in (await desk.get("/v1/findings", **which)).json()["items"])


async def test_record_becomes_a_contact_a_leaf_and_an_event(desk: Desk) -> None:
    case = await desk.open_case()
    (result,) = await report(desk, call(case))
    assert (result["status"], result["verdict"]) == ("recorded", "violation")
    (event,) = await desk.events("contact.recorded")
    assert (event["contact_id"], event["channel"], event["conversation"]) == (result["contact_id"], "call", True)
    await desk.sequencer.step()
    leaves = (await desk.get(f"/v1/parties/{case.party_id}/leaves")).json()["items"]
    assert [leaf["kind"] for leaf in leaves] == ["contact"]


async def test_what_was_heard_in_a_call_is_judged_and_is_not_another_record(desk: Desk) -> None:
    case = await desk.open_case()
    heard = call(case, conduct_flags=["threat", "insult"])
    (result,) = await report(desk, heard)
    assert {"CN-CBA2026-FORBIDDEN", "CN-CRIM-293-1"} <= set(await rules_of(desk, contact_id=result["contact_id"]))
    changed, unknown = await report(desk, call(case), call(case, 2, conduct_flags=["rudeness"]))
    assert [one["status"] for one in (changed, unknown)] == ["refused", "refused"]


async def test_own_announcement_is_not_audited_again(desk: Desk) -> None:
    case = await desk.open_case()
    await report(desk, call(case))
    (event,) = await desk.events("contact.recorded")
    await desk.deliver("contact", ("contact.recorded", ContactRecorded.model_validate(event)))
    assert (await desk.get("/v1/summary")).json()["contacts_audited"] == 1


async def test_record_sent_again_counts_once_and_answers_the_same(desk: Desk) -> None:
    case = await desk.open_case()
    (first,) = await report(desk, call(case))
    again, twin = await report(desk, call(case), call(case))
    assert again == {**first, "status": "repeated"}
    assert twin["status"] == "repeated"
    assert (await desk.get("/v1/summary")).json()["contacts_audited"] == 1


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"outcome": "no_answer"}, "contact-record-changed"),
        ({"record_id": "call-2"}, "feed-number-taken"),
    ],
)
async def test_record_that_contradicts_an_earlier_one_is_refused(
    desk: Desk, changes: dict[str, Any], kind: str
) -> None:
    case = await desk.open_case()
    await report(desk, call(case))
    (result,) = await report(desk, call(case, **changes))
    assert result["status"] == "refused"
    assert result["problem"]["type"].endswith(kind)


@pytest.mark.parametrize(
    ("bad", "kind"),
    [
        ({"ended_at": "2026-03-02T02:59:59Z"}, "invalid-request"),
        ({"party_id": str(uuid4())}, "invalid-request"),
        ({"channel": "visit"}, "invalid-request"),
        ({"surprise": 1}, "invalid-request"),
        ({"started_at": "2026-03-03T03:00:00Z", "ended_at": "2026-03-03T03:00:00Z"}, "contact-in-future"),
    ],
)
async def test_bad_record_harms_no_neighbour(desk: Desk, bad: dict[str, Any], kind: str) -> None:
    case = await desk.open_case()
    results = await report(desk, call(case, 1), call(case, 2) | bad, "nonsense", call(case, 3))
    assert [one["status"] for one in results] == ["recorded", "refused", "refused", "recorded"]
    assert results[1]["problem"]["type"].endswith(kind)
    assert (results[1]["source"], results[1]["record_id"]) == ("dialler-1", "call-2")
    assert all(error["pointer"].startswith("/items/1") for error in results[1]["problem"].get("errors", []))


async def test_permitted_message_whose_use_came_first_is_lawful(desk: Desk) -> None:
    case = await desk.open_case()
    permit = await permitted_message(desk, case)
    await desk.post(f"/v1/permits/{permit['permit_id']}/use", {"used_at": RANG.isoformat()})
    (result,) = await report(desk, message(case, permit_id=permit["permit_id"]))
    assert (result["verdict"], result["finding_ids"]) == ("lawful", [])
    assert (await desk.get(f"/v1/permits/{permit['permit_id']}")).json()["state"] == "recorded"


async def test_use_reported_only_with_the_record_counts_and_is_a_finding(desk: Desk) -> None:
    case = await desk.open_case()
    permit = await permitted_message(desk, case)
    (result,) = await report(desk, message(case, permit_id=permit["permit_id"]))
    found = (await desk.get(f"/v1/findings/{result['finding_ids'][0]}")).json()
    assert (found["rule"], found["severity"]) == ("PERMIT-USE-LATE", "medium")
    assert (await desk.get(f"/v1/permits/{permit['permit_id']}")).json()["state"] == "recorded"


async def test_use_of_a_released_permit_counts_and_is_a_finding(desk: Desk) -> None:
    case = await desk.open_case()
    permit = await permitted_message(desk, case)
    await desk.post(f"/v1/permits/{permit['permit_id']}/release", {"cause": "not_needed"})
    await report(desk, message(case, permit_id=permit["permit_id"]))
    assert await rules_of(desk) == ["PERMIT-RELEASED"]


async def test_record_is_judged_at_its_own_hour_not_at_ours(desk: Desk) -> None:
    case = await desk.open_case()
    at_night = datetime(2026, 3, 1, 15, 0, tzinfo=UTC)
    await report(desk, message(case, started=at_night))
    assert [rule for rule in await rules_of(desk) if "HOURS" in rule]


async def test_hold_learnt_after_the_call_is_harm_not_conduct(desk: Desk) -> None:
    """The finding of the call says so, and is superseded when the hold comes in later still."""
    case = await desk.open_case()
    (result,) = await report(desk, call(case))
    since = (RANG - timedelta(hours=1)).isoformat()
    await desk.post(
        "/v1/holds", {"party_id": str(case.party_id), "kind": "complaint", "source_ref": "s", "valid_from": since}
    )
    found = (await desk.get("/v1/findings", contact_id=result["contact_id"], conduct="false")).json()["items"]
    assert [(one["rule"], one["harm"], one["severity"]) for one in found] == [("BANK-COMPLAINT", True, "low")]
    assert [one["rule"] for one in await desk.events("compliance.violation_found")][-1] == "BANK-COMPLAINT"


async def test_hold_from_after_the_call_changes_nothing(desk: Desk) -> None:
    case = await desk.open_case()
    await report(desk, call(case))
    since = (RANG + timedelta(minutes=2)).isoformat()
    await desk.post(
        "/v1/holds", {"party_id": str(case.party_id), "kind": "complaint", "source_ref": "s", "valid_from": since}
    )
    assert await rules_of(desk) == ["PERMIT-MISSING"]


async def test_visit_told_late_moves_the_breach_of_the_cap_to_the_later_one(desk: Desk) -> None:
    """Of two visits in thirty days the second is too many, in whichever order they are told."""
    case = await desk.open_case()
    second = visit_contact(case, None)
    earlier = second.started_at - timedelta(days=1)
    first = visit_contact(case, None, started_at=earlier, ended_at=earlier + timedelta(minutes=10))
    await desk.deliver("contact", ("contact.recorded", second))
    await desk.deliver("contact", ("contact.recorded", first))
    found = (await desk.get("/v1/findings", rule="BANK-VISIT-30D")).json()["items"]
    assert [(one["contact_id"], one["conduct"], one["harm"]) for one in found] == [
        (str(second.contact_id), False, True)
    ]


async def test_batch_of_a_thousand_is_one_transaction(desk: Desk) -> None:
    case = await desk.open_case()
    items = [call(case, number, channel="letter") for number in range(1, 1001)]
    results = await report(desk, *items)
    assert {one["status"] for one in results} == {"recorded"}
