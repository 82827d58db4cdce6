"""Every rule at its boundary; what is unknown; the joint earliest lawful moment."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from msgspec import structs

from services.compliance.domain.canonical import canonical
from services.compliance.domain.decisions import decide, record
from services.compliance.domain.facts import Balance, Counted, Freshness, Requested
from services.compliance.domain.holds import Hold
from services.compliance.domain.local_time import Span
from services.compliance.domain.packs import RuleBook
from services.compliance.domain.rulings import Answer

from .conftest import CASE, CREW, NOW, PARTY, REAL, at, facts, question

HOURS = ["CN-CBA2026-HOURS", "CN-GBT45251-HOURS"]
OLD_BALANCE = Balance(as_of=REAL - timedelta(minutes=15, seconds=1), overdue_minor={"CNY": 1}, digest="")


def refused(book: RuleBook, asked: Any, known: Any = None) -> list[str]:
    return sorted(ruling.rule.id for ruling in decide(asked, known or facts(), book).refusals)


def hold(kind: Any, **changes: Any) -> Hold:
    values: dict[str, Any] = {
        "hold_id": uuid4(), "party_id": PARTY, "kind": kind, "scope": "party", "valid_from": NOW, "valid_to": None,
        "source_ref": "s", "recorded_real": REAL,
    }  # fmt: skip
    return Hold(**(values | changes))


def visit_on(day: int, **changes: Any) -> Counted:
    span = Span(at(10, day=day), at(11, day=day))
    values: dict[str, Any] = {"channel": "visit", "purpose": "collection", "span": span, "zones": ("Asia/Shanghai",)}
    return Counted(**(values | changes))


def test_lawful_visit_is_allowed(book: RuleBook) -> None:
    decision = decide(question(), facts(), book)
    assert (decision.answer, decision.earliest) == (Answer.ALLOW, None)


@pytest.mark.parametrize(
    ("start", "end", "lawful"),
    [
        (at(7, 59, 59, day=3), at(8, 30, day=3), False),
        (at(8, day=3), at(8, 30, day=3), True),
        (at(21, 30), at(22), True),
        (at(21, 30), at(22, 0, 1), False),
        (at(21, 59, 59), at(22, 29, 59), False),
        (at(22), at(22, 30), False),
        (at(23, 50), at(0, 20, day=3), False),
    ],
)
def test_visit_lies_wholly_inside_the_hours(book: RuleBook, start: datetime, end: datetime, lawful: bool) -> None:
    assert refused(book, question(start, end)) == ([] if lawful else HOURS)


@pytest.mark.parametrize(
    ("start", "end", "lawful"),
    [
        (at(8, 59, 59, day=3), at(9, 30, day=3), False),
        (at(9, day=3), at(9, 30, day=3), True),
        (at(19, 30), at(20), True),
        (at(19, 30), at(20, 0, 1), False),
    ],
)
def test_messages_keep_to_policy_hours(book: RuleBook, start: datetime, end: datetime, lawful: bool) -> None:
    asked = question(start, end, channel="sms", purpose="appointment_admin", duration=timedelta())
    assert refused(book, asked) == ([] if lawful else ["BANK-SMS-HOURS"])


def test_two_zones_narrow_the_hours(book: RuleBook) -> None:
    both = facts(zones=("Asia/Shanghai", "Asia/Kolkata"))
    assert refused(book, question(at(10), at(10, 30)), both) == HOURS  # 07:30 in Kolkata
    assert refused(book, question(at(10, 30), at(11)), both) == []


def test_asker_can_only_narrow_the_zones(book: RuleBook) -> None:
    assert refused(book, question(at(10), at(10, 30), zones=("Asia/Kolkata",))) == HOURS
    assert "FACTS-ZONE" in refused(book, question(), facts(zones=()))
    assert "FACTS-ZONE" in refused(book, question(zones=("Mars/Olympus",)))


@pytest.mark.parametrize(("crew", "lawful"), [((), False), (CREW[:1], False), (CREW[:1] * 2, False), (CREW, True)])
def test_visit_needs_two_different_people(book: RuleBook, crew: Any, lawful: bool) -> None:
    assert refused(book, question(crew=crew)) == ([] if lawful else ["CN-CBA2026-VISIT-2P"])


@pytest.mark.parametrize(
    ("kind", "rule"),
    [
        ("plan_active", "CN-CARD2011-70-STOP"),
        ("stop_request", "CN-CC-1033-STOP"),
        ("deceased", "CN-HEIR-1161"),
        ("dispute", "CN-CARD2011-69-DISPUTE"),
        ("hardship", "BANK-HARDSHIP"),
        ("represented", "BANK-REPRESENTED"),
        ("complaint", "BANK-COMPLAINT"),
        ("facts_incomplete", "FACTS-INCOMPLETE"),
        ("safety", "SAFETY-HOLD"),
    ],
)
def test_hold_keeps_collection_away(book: RuleBook, kind: Any, rule: str) -> None:
    assert rule in refused(book, question(), facts(holds=(hold(kind),)))


def test_hold_that_began_during_the_window_refuses(book: RuleBook) -> None:
    during = hold("dispute", valid_from=at(14, 29, 59))
    after = hold("dispute", valid_from=at(14, 30))
    assert refused(book, question(), facts(holds=(during,))) == ["BANK-DISPUTE", "CN-CARD2011-69-DISPUTE"]
    assert refused(book, question(), facts(holds=(after,))) == []


@pytest.mark.parametrize("place", ["US-MA", "GB", "AU-VIC", "IN", "HK", "SG", "DE", "IE"])
@pytest.mark.parametrize("kind", ["deceased", "dispute", "stop_request", "plan_active"])
def test_hold_keeps_collection_away_in_every_place(book: RuleBook, place: str, kind: Any) -> None:
    """A kind that only some packs read would stand unread elsewhere; random worlds found four such."""
    asked, known = question(jurisdiction=place), facts(jurisdiction=place)
    more = set(refused(book, asked, structs.replace(known, holds=(hold(kind),)))) - set(refused(book, asked, known))
    assert more


def test_signed_plan_is_still_served(book: RuleBook) -> None:
    asked = question(channel="sms", purpose="plan_service")
    assert refused(book, asked, facts(holds=(hold("plan_active"),))) == []


def test_hold_of_visits_leaves_messages(book: RuleBook) -> None:
    known = facts(holds=(hold("complaint", scope="visit_channel"),))
    assert refused(book, question(), known) == ["BANK-COMPLAINT"]
    assert refused(book, question(channel="sms", purpose="appointment_admin"), known) == []


@pytest.mark.parametrize(("day", "lawful"), [(2, False), (30, False), (31, True)])
def test_one_visit_in_thirty_local_dates(book: RuleBook, day: int, lawful: bool) -> None:
    """A visit on the 1st is in the windows up to the 30th; the 31st is free."""
    asked = question(at(14, day=day), now=at(9, day=day))
    assert refused(book, asked, facts(counted=(visit_on(1),))) == ([] if lawful else ["BANK-VISIT-30D"])


def test_visit_before_a_reserved_one_counts_too(book: RuleBook) -> None:
    assert refused(book, question(), facts(counted=(visit_on(20),))) == ["BANK-VISIT-30D"]


def test_unattested_history_counts_as_full(book: RuleBook) -> None:
    late = facts(history_known_from=date(2026, 2, 2))
    decision = decide(question(), late, book)
    assert [ruling.rule.id for ruling in decision.refusals] == ["BANK-VISIT-30D"]
    assert decision.earliest is not None
    assert decision.earliest.at == at(8, day=3)  # 2 February + 29 dates; the hours open at eight
    assert decide(question(), facts(history_known_from=None), book).answer is Answer.NEEDS_FACT


def test_earliest_is_joint_over_hours_and_caps(book: RuleBook) -> None:
    decision = decide(question(at(23), now=at(9)), facts(counted=(visit_on(1),)), book)
    assert decision.earliest is not None
    assert decision.earliest.at == at(8, day=31)
    again = decide(question().at(decision.earliest.at), facts(counted=(visit_on(1),)), book)
    assert again.answer is Answer.ALLOW


def test_ended_hold_gives_its_end_as_earliest(book: RuleBook) -> None:
    known = facts(holds=(hold("complaint", valid_to=at(23, day=2)),))
    decision = decide(question(), known, book)
    assert decision.earliest is not None
    assert decision.earliest.at == at(8, day=3)


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"known": False}, "FACTS-PARTY"),
        ({"held": True}, "FACTS-PARTY"),
        ({"case_id": uuid4()}, "FACTS-PARTY"),
        ({"jurisdiction": None}, "FACTS-JURISDICTION"),
        ({"jurisdiction": "XX"}, "FACTS-JURISDICTION"),
        ({"balance": None}, "FACTS-BALANCE"),
        ({"balance": OLD_BALANCE}, "FACTS-BALANCE"),
    ],
)  # fmt: skip
def test_missing_facts_are_never_allowed(book: RuleBook, changes: dict[str, Any], rule: str) -> None:
    decision = decide(question(), facts(**changes), book)
    assert decision.answer is not Answer.ALLOW
    assert rule in [ruling.rule.id for ruling in decision.refusals]


@pytest.mark.parametrize(("age_s", "lawful"), [(30, True), (31, False)])
def test_facts_are_fresh_for_thirty_seconds(book: RuleBook, age_s: int, lawful: bool) -> None:
    marks = {"intake": REAL - timedelta(seconds=age_s), "visits": REAL}
    known = facts(freshness=Freshness(watermarks=marks))
    assert refused(book, question(), known) == ([] if lawful else ["FACTS-FRESH"])


def test_silent_feeder_and_parked_party_are_stale(book: RuleBook) -> None:
    silent = facts(freshness=Freshness(watermarks={"intake": None}))
    named = facts(freshness=Freshness(watermarks={"intake": REAL}, named_by=("visits",)))
    assert refused(book, question(), silent) == ["FACTS-FRESH"]
    assert refused(book, question(), named) == ["FACTS-FRESH"]


def test_nobody_is_asked_about_a_person_while_a_feed_of_any_channel_is_silent(book: RuleBook) -> None:
    silent = facts(freshness=structs.replace(facts().freshness, silent_feeds={"call": ("dialler-1",)}))
    for channel, is_closed in (("third_party_location", True), ("call", True), ("email", False)):
        assert ("FACTS-FRESH" in refused(book, question(channel=channel), silent)) is is_closed


def test_no_deny_counts_when_compliance_is_behind(book: RuleBook) -> None:
    decision = decide(question(at(23), versions={"case": 2}), facts(), book)
    assert decision.answer is Answer.NEEDS_FACT


def test_collectors_word_is_no_request(book: RuleBook) -> None:
    assert "FACTS-REQUEST" in refused(book, question(purpose="customer_requested"))


@pytest.mark.parametrize(("made_on", "is_free"), [(None, True), ("call", False), ("visit", False), ("sms", True)])
def test_request_on_two_channels_covers_one_contact(book: RuleBook, made_on: Any, is_free: bool) -> None:
    asked = Requested(channels=frozenset({"visit", "call"}), at=at(8), until=at(8, day=9))
    span = Span(at(10), at(10, 5))
    made = Counted(channel=made_on, purpose="customer_requested", span=span, zones=("Asia/Shanghai",))
    known = facts(requested=(asked,), counted=(made,) if made_on else ())
    assert ("FACTS-REQUEST" not in refused(book, question(purpose="customer_requested"), known)) is is_free


@pytest.mark.parametrize("channel", ["call", "email"])
def test_calls_and_mails_keep_the_hours(book: RuleBook, channel: Any) -> None:
    assert refused(book, question(channel=channel)) == []
    assert refused(book, question(at(22), channel=channel)) == HOURS


def test_channel_without_hours_is_closed(book: RuleBook) -> None:
    without = tuple(
        pack.model_copy(update={"rule": tuple(rule for rule in pack.rule if rule.kind != "hours")})
        for pack in book.packs
    )
    assert refused(replace(book, packs=without), question()) == ["CHANNEL-HOURS"]


def test_window_shorter_than_the_contact_is_refused(book: RuleBook) -> None:
    assert refused(book, question(at(14), at(14, 20))) == ["WINDOW-FITS"]


def test_window_that_is_nearly_over_is_refused(book: RuleBook) -> None:
    assert refused(book, question(at(14), at(15), now=at(14, 31))) == ["WINDOW-FITS"]
    assert refused(book, question(at(14), at(15), now=at(14, 30))) == []


def test_record_is_canonical_and_complete(book: RuleBook) -> None:
    asked = question()
    kept = record(decide(asked, facts(), book), question=asked, facts=facts(), book=book, decision_id=CASE, request={})
    assert canonical(kept) == canonical(dict(reversed(list(kept.items()))))
    assert kept["rule_set"] == book.rule_set
    with pytest.raises(TypeError):
        canonical({"a": 1.5})  # type: ignore[dict-item]


def test_safety_passes_hours_but_not_unknown_places(book: RuleBook) -> None:
    late = question(at(23), purpose="safety")
    assert refused(book, late) == []
    assert refused(book, late, facts(jurisdiction=None)) == ["FACTS-JURISDICTION"]


def test_business_day_is_the_persons_not_the_servers(book: RuleBook) -> None:
    """01:00 UTC is nine in Shanghai; 22:00 UTC the day before is six: refused."""
    assert refused(book, question(datetime(2026, 3, 3, 1, tzinfo=UTC))) == []
    assert refused(book, question(datetime(2026, 3, 2, 22, tzinfo=UTC))) == HOURS


def test_reply_still_keeps_the_hours(book: RuleBook) -> None:
    asked = structs.replace(question(at(23), channel="sms"), purpose="reply")
    assert set(refused(book, asked)) == {*HOURS, "BANK-SMS-HOURS"}
