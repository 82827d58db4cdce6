"""Outside China nothing is attested: a permit is refused until the owners told what the place's law asks for."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest

from shared.events.case import CaseOpened

from .conftest import Desk, visit_contact, visit_request

DAY = date(2026, 9, 9)
CREDITOR = {"collector": "creditor", "place": "home", "recipient": "obligor", "product": "consumer_loan"}
AGENCY = CREDITOR | {"collector": "agency"}


@dataclass(frozen=True)
class Place:
    """Who collects how, what must be told, and an hour just outside the law's (local, on a Wednesday)."""

    jurisdiction: str
    zone: str
    channel: str
    circumstances: dict[str, str]
    needed: dict[str, bool]
    closed_at: int
    closed_by: str
    failed_call_first: bool = False


PLACES = [
    Place("US-MA", "America/New_York", "sms", AGENCY, {"opt_out_offered": True, "sms_number_checked": True}, 8,
          "BANK-SMS-HOURS"),
    Place("US-MA", "America/New_York", "visit", CREDITOR, {}, 7, "US-MA-VISIT-HOURS"),
    Place("US-NYC", "America/New_York", "email", AGENCY, {"opt_out_offered": True, "electronic_consent": True}, 7,
          "US-REGF-TIME"),
    Place("US-NYC", "America/New_York", "call", CREDITOR, {}, 8, "BANK-HOURS"),
    Place("IN", "Asia/Kolkata", "visit", AGENCY, {"collector_certified": True, "outsourcing_notice_sent": True,
          "collector_approved": True}, 7, "BANK-IN-HOURS"),
    Place("GB", "Europe/London", "visit", CREDITOR, {"visit_purpose_told": True, "visit_notice_given": True}, 7,
          "UK-CONC-TIMES"),
    Place("AU", "Australia/Sydney", "visit", CREDITOR, {"visit_permitted": True, "visit_purpose_told": True,
          "visit_time_agreed": True}, 8, "AU-RG96-F2F", failed_call_first=True),
    Place("HK", "Asia/Hong_Kong", "visit", AGENCY, {"referral_notice_sent": True}, 8, "BANK-HOURS"),
    Place("SG", "Asia/Singapore", "call", AGENCY, {"agency_licensed": True, "collector_approved": True}, 8,
          "BANK-HOURS"),
    Place("SG", "Asia/Singapore", "visit", CREDITOR, {"collector_is_employee": True,
          "collector_background_clear": True}, 8, "BANK-HOURS"),
    Place("DE", "Europe/Berlin", "visit", CREDITOR, {"impact_assessed": True}, 8, "BANK-HOURS"),
]  # fmt: skip


def at(place: Place, hour: int, *, day: date = DAY) -> datetime:
    return datetime(day.year, day.month, day.day, hour, tzinfo=ZoneInfo(place.zone)).astimezone(UTC)


def asked(place: Place, case: CaseOpened, hour: int) -> dict[str, Any]:
    start = at(place, hour)
    window = {"start": start.isoformat(), "end": (start + timedelta(minutes=40)).isoformat()}
    return visit_request(
        case, channel=place.channel, jurisdiction=place.jurisdiction, time_zones=[place.zone], window=window,
        request_id=str(uuid4()),
    )  # fmt: skip


async def person(desk: Desk, place: Place) -> CaseOpened:
    """A person there with a home of their own, early on the day.

    Nothing is told of them but who collects what, and that they mind nothing.
    """
    desk.clock.business = at(place, 6) - timedelta(hours=1)
    case = await desk.open_case(
        jurisdiction=place.jurisdiction, time_zones=[place.zone], history_known_from=date(2025, 1, 1),
        household=uuid4().hex,
    )  # fmt: skip
    await desk.tell(case.party_id, **place.circumstances)
    none = {"party_id": str(case.party_id), "wishes": [], "told_at": desk.clock.business.isoformat()}
    assert (await desk.post("/v1/preferences", none)).status_code == 200
    if place.failed_call_first:
        await failed_call(desk, place, case)
    return case


async def failed_call(desk: Desk, place: Place, case: CaseOpened) -> None:
    """A call on the day before that was permitted, lawful and reached nobody."""
    today = desk.clock.business
    desk.clock.business = at(place, 10, day=DAY - timedelta(days=1))
    start = desk.clock.business + timedelta(hours=1)
    window = {"start": start.isoformat(), "end": (start + timedelta(minutes=40)).isoformat()}
    call = asked(place, case, 11) | {"channel": "call", "window": window}
    (permit,) = await desk.ask(call)
    assert permit["decision"] == "allow", permit
    await desk.post(
        f"/v1/permits/{permit['permit_id']}/use",
        {"contact_id": str(contact_id := uuid4()), "used_at": start.isoformat()},
    )
    await desk.deliver(
        "contact",
        (
            "contact.recorded",
            visit_contact(
                case, permit, contact_id=contact_id, channel="call", started_at=start,
                ended_at=start + timedelta(minutes=2), outcome="no_answer", contact=False, conversation=False,
                household_contacted=False, debtor_met=False, crew=[],
            ),
        ),
    )  # fmt: skip
    desk.clock.business = today


def named(place: Place) -> str:
    return f"{place.jurisdiction} {place.channel} {place.circumstances['collector']}"


@pytest.mark.parametrize("place", PLACES, ids=named)
async def test_allowed_once_all_is_told_and_only_at_lawful_hours(desk: Desk, place: Place) -> None:
    case = await person(desk, place)
    (before,) = await desk.ask(asked(place, case, 11))
    missing = {name for reason in before["reasons"] for name in reason["values"].get("missing", [])}
    assert missing == set(place.needed), before
    assert before["decision"] == ("needs-fact" if place.needed else "allow"), before
    if place.needed:
        await desk.tell(case.party_id, **place.needed)
        (told,) = await desk.ask(asked(place, case, 11))
        assert told["decision"] == "allow", told
    other = await person(desk, place)
    await desk.tell(other.party_id, **place.needed)
    (closed,) = await desk.ask(asked(place, other, place.closed_at))
    assert (closed["decision"], [one["rule"] for one in closed["reasons"]]) == ("deny", [place.closed_by])


@pytest.mark.parametrize("place", [place for place in PLACES if place.needed], ids=named)
async def test_denied_when_a_needed_fact_is_false(desk: Desk, place: Place) -> None:
    case = await person(desk, place)
    name = min(place.needed)
    await desk.tell(case.party_id, **(place.needed | {name: False}))
    (answer,) = await desk.ask(asked(place, case, 11))
    assert answer["decision"] == "deny", answer
    assert [reason["lawful_after"] for reason in answer["reasons"]] == [name]


async def test_contact_told_after_a_move_is_judged_where_it_was_made(desk: Desk) -> None:
    """Twenty past eight in the evening: lawful in London, too late for a call in India, to which they moved since."""
    london = next(place for place in PLACES if place.jurisdiction == "GB")
    case = await person(desk, london)
    start = at(london, 20)
    call = visit_contact(
        case, None, channel="call", started_at=start + timedelta(minutes=20), ended_at=start + timedelta(minutes=25)
    )
    desk.clock.business = at(london, 23)
    moved = case.model_copy(update={"version": 2, "jurisdiction": "IN", "time_zones": ["Asia/Kolkata"]})
    await desk.deliver("case", ("case.opened", moved))
    await desk.deliver("contact", ("contact.recorded", call))
    found = {one["rule"] for one in (await desk.get("/v1/findings")).json()["items"]}
    assert "IN-RBI2022-HOURS" not in found
    assert "PERMIT-MISSING" in found


async def test_move_that_is_told_late_changes_the_verdict_of_harm_only(desk: Desk) -> None:
    """The second visit in a month (RG 96 s.5(h)) where the person lived by then, though nobody knew."""
    london = next(place for place in PLACES if place.jurisdiction == "GB")
    case = await person(desk, london)
    before = desk.clock.real - timedelta(minutes=1)
    for day in (0, 3):
        start = at(london, 10, day=DAY + timedelta(days=day))
        visit = visit_contact(case, None, started_at=start, ended_at=start + timedelta(minutes=20), started_real=before)
        await desk.deliver("contact", ("contact.recorded", visit))
    assert not [one for one in await findings(desk) if one["rule"].startswith("AU-")]
    desk.clock.business = at(london, 0, day=DAY + timedelta(days=5))
    moved = case.model_copy(update={"version": 2, "jurisdiction": "AU", "time_zones": ["Australia/Sydney"]})
    await desk.deliver("case", ("case.opened", moved), happened_at=at(london, 7))
    broken = {one["rule"]: (one["conduct"], one["harm"]) for one in await findings(desk)}
    assert broken["AU-RG96-VISIT1M"] == (False, True)


async def findings(desk: Desk) -> list[dict[str, Any]]:
    return (await desk.get("/v1/findings")).json()["items"]  # type: ignore[no-any-return]
