"""At the door: what is recorded, what is not, and what everyone learns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from services.visits.domain import door
from services.visits.domain.recall import recall
from services.visits.domain.visit import Change, State, Visit, VisitRecord
from services.visits.schemas import CheckIn, CheckOut

FACTS: dict[str, Any] = {
    "outcome": "other_person", "right_party": False, "household_contacted": True, "debtor_met": False,
    "identity_shown": True, "recording_complete": True,
}  # fmt: skip


@pytest.fixture
def inside(make_visit: Callable[..., Visit], now: datetime, real_now: datetime) -> Visit:
    """A visit at whose door a crew stands."""
    arrival = door.Arrival(permit_id=make_visit().permit_id, crew_present=make_visit().crew, distance_m=9)  # type: ignore[arg-type]
    return door.check_in(make_visit(), arrival, now=now, real_now=real_now).visit


@pytest.fixture
def check_out(now: datetime, real_now: datetime) -> Callable[..., Change]:
    """Check a visit out with an outcome, twenty minutes from now."""

    def out(visit: Visit, **facts: Any) -> Change:
        record = VisitRecord(**(FACTS | {"reason": None, "promise": None} | facts))
        later = now + timedelta(minutes=20)
        return door.check_out(visit, record, left_at=later, now=later, real_now=real_now)

    return out


def test_check_in_uses_the_permit_once(make_visit: Callable[..., Visit], now: datetime, real_now: datetime) -> None:
    visit = make_visit()
    assert visit.permit_id is not None
    arrival = door.Arrival(permit_id=visit.permit_id, crew_present=visit.crew, distance_m=9)
    change = door.check_in(visit, arrival, now=now, real_now=real_now)
    assert change.permit_use is not None
    assert change.permit_use.permit_id == visit.permit_id
    assert [intent.kind for intent in change.intents] == ["permit_use", "number_trace", "stay_overdue"]


@pytest.mark.parametrize("told", [{"reason": "health_or_care"}, {"right_party": True}, {"debtor_met": True}])
def test_nothing_about_a_third_person(told: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="other_person"):
        CheckOut(**(FACTS | told))


@pytest.mark.parametrize("field", ["note", "comment", "person_name", "relationship", "phone"])
def test_no_field_for_words(field: str) -> None:
    with pytest.raises(ValidationError, match="extra_forbidden"):
        CheckOut(**FACTS, **{field: "neighbour, Mrs X"})


def test_forms_of_the_door_hold_no_free_text() -> None:
    for form in (CheckIn, CheckOut):
        for name, schema in form.model_json_schema()["properties"].items():
            texts = [part for part in (schema, *schema.get("anyOf", [])) if part.get("type") == "string"]
            for text in texts:
                closed = "enum" in text or "format" in text or "pattern" in text
                assert closed or name in {"permit", "revocation_list"}, name  # signed tokens: verified, never kept


def test_other_person_is_a_contact_but_no_conversation(inside: Visit, check_out: Callable[..., Change]) -> None:
    contact = next(e.data for e in check_out(inside).events if e.type == "contact.recorded")
    assert (contact.contact, contact.conversation, contact.debtor_met) == (True, False, False)
    assert contact.debt_disclosed_to_third is False


@pytest.mark.parametrize(
    ("told", "outcome", "audited"),
    [
        ({}, "met_customer", (None, None, None, None, False, [])),
        ({}, "asked_to_leave", (None, None, True, None, False, [])),
        ({"asked_to_leave": True, "left_when_asked": True}, "met_customer", (None, None, True, True, False, [])),
        ({"entered_home": True, "entry_consented": False}, "met_customer", (True, False, None, None, False, [])),
        (
            {"debt_disclosed_to_third": True, "conduct_flags": ["threat", "insult", "threat"]},
            "met_customer", (None, None, None, None, True, ["insult", "threat"]),
        ),
    ],
)  # fmt: skip
def test_what_the_crew_says_of_itself_reaches_the_audit(
    inside: Visit, now: datetime, real_now: datetime, told: dict[str, Any], outcome: str, audited: tuple[Any, ...]
) -> None:
    body = CheckOut(**(FACTS | {"outcome": outcome} | told))
    change = door.check_out(
        inside, body.record(), said=body.at_the_door(), left_at=now + timedelta(minutes=9), now=now, real_now=real_now
    )
    one = next(e.data for e in change.events if e.type == "contact.recorded")
    assert audited == (
        one.entered_home, one.entry_consented, one.asked_to_leave, one.left_when_asked, one.debt_disclosed_to_third,
        one.conduct_flags,
    )  # fmt: skip


def test_contact_names_the_opaque_key_of_the_address(inside: Visit, check_out: Callable[..., Change]) -> None:
    known = check_out(replace(inside, address_key="c" * 32))
    assert [e.data.address_key for e in known.events if e.type == "contact.recorded"] == ["c" * 32]


def test_no_answer_leaves_the_customer_absent(inside: Visit, check_out: Callable[..., Change]) -> None:
    change = check_out(inside, outcome="no_answer", household_contacted=False)
    assert change.visit.state is State.CUSTOMER_ABSENT
    assert next(e.data for e in change.events if e.type == "contact.recorded").contact is False


def test_check_out_without_check_in_is_accepted(
    make_visit: Callable[..., Visit], check_out: Callable[..., Change]
) -> None:
    change = check_out(make_visit())
    assert change.visit.state is State.CHECKED_OUT
    assert next(e.data for e in change.events if e.type == "contact.recorded").permit_id is None


def test_second_check_out_changes_nothing(inside: Visit, check_out: Callable[..., Change]) -> None:
    first = check_out(inside)
    assert check_out(first.visit, outcome="met_customer") == Change(visit=first.visit)


def test_dispute_stops_contact(inside: Visit, check_out: Callable[..., Change]) -> None:
    change = check_out(inside, outcome="dispute_raised", right_party=True, debtor_met=True)
    assert [e.data.cause for e in change.events if e.type == "party.stopped"] == ["dispute"]


def test_departure_lies_between_arrival_and_now(inside: Visit, now: datetime, real_now: datetime) -> None:
    record = VisitRecord(**FACTS, reason=None, promise=None)
    early = door.check_out(
        inside, record, left_at=now - timedelta(days=1), now=now + timedelta(hours=1), real_now=real_now
    )
    late = door.check_out(
        inside, record, left_at=now + timedelta(days=1), now=now + timedelta(hours=1), real_now=real_now
    )
    assert early.visit.checked_out_at == now
    assert late.visit.checked_out_at == now + timedelta(hours=1)


def test_sos_at_the_door_records_the_contact_as_everything(inside: Visit, now: datetime, real_now: datetime) -> None:
    call = door.CallForHelp(collector_id=inside.crew[0], silent=True, raised_at=now)
    change = door.raise_sos(inside, call, now=now, real_now=real_now)
    assert [e.type for e in change.events] == ["visit.sos_raised", "visit.aborted", "contact.recorded", "party.stopped"]
    contact = change.events[2].data
    assert (contact.contact, contact.conversation, contact.household_contacted, contact.debtor_met) == (True,) * 4
    assert change.alarm is not None
    assert change.alarm.silent


def test_check_out_after_sos_is_no_second_contact(
    inside: Visit, check_out: Callable[..., Change], now: datetime, real_now: datetime
) -> None:
    call = door.CallForHelp(collector_id=inside.crew[0], silent=False, raised_at=now)
    over = door.raise_sos(inside, call, now=now, real_now=real_now).visit
    change = check_out(over, outcome="asked_to_leave")
    assert change.visit.state is State.ABORTED_SAFETY
    assert change.visit.record is not None
    assert not change.events


def test_fact_at_the_door_is_a_notice(inside: Visit, now: datetime, real_now: datetime) -> None:
    change = recall(inside, cause="plan_signed", fact_arrived_at=real_now, now=now, real_now=real_now)
    assert change.visit.state is State.CHECKED_IN
    assert change.visit.notice_cause == "plan_signed"
    assert not change.events
    assert change.recall is not None
    assert change.recall.kind == "notice"


def test_recall_carries_real_times(make_visit: Callable[..., Visit], now: datetime, real_now: datetime) -> None:
    arrived = real_now - timedelta(milliseconds=240)
    change = recall(
        make_visit(state=State.EN_ROUTE), cause="payment", fact_arrived_at=arrived, now=now, real_now=real_now
    )
    data = change.events[0].data
    assert (data.recalled_at - data.fact_arrived_at, data.state_before) == (timedelta(milliseconds=240), "en_route")
    assert change.held is not None
    assert (change.held.valid_to, change.held.cause) == (change.visit.window_end, "recalled_payment")
