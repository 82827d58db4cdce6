"""What holds for all people, times and histories."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from services.compliance.domain.decisions import decide
from services.compliance.domain.facts import Counted, PartyFacts
from services.compliance.domain.local_time import Span, hours_on, window_start, zone, zone_names
from services.compliance.domain.packs import CapRule, HoursRule
from services.compliance.domain.permits import (
    Permit,
    PermitNotReleasable,
    PermitReleased,
    PermitState,
    recorded,
    release,
    use,
)
from services.compliance.domain.rule_records import GateRule, Key
from services.compliance.domain.rules.caps import busiest, judge_cap
from services.compliance.domain.rules.gates import judge_gate
from services.compliance.domain.rules.hours import lawful_span, within_hours
from services.compliance.domain.rulings import Answer
from services.compliance.rule_book import rule_book

from .conftest import NOW, at, facts, question

ZONES = st.sampled_from(
    ["Asia/Shanghai", "Asia/Kolkata", "Europe/London", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia"]
)
DAYS = st.dates(date(2026, 1, 1), date(2027, 12, 31))
HOURS = HoursRule(
    id="TEST-HOURS", kind="hours", citation="for the test only", purposes_blocked=("collection",), opens=time(8),
    closes=time(22),
)  # fmt: skip
CAP = CapRule(
    id="TEST-CAP", kind="cap", citation="for the test only", purposes_blocked=("collection",), unit="attempt",
    window="local_dates_30", limit=2,
)  # fmt: skip
EVENTS = st.lists(st.integers(-40, 40), max_size=8)


def visit(offset_days: int) -> Counted:
    start = at(14) + timedelta(days=offset_days)
    return Counted(
        channel="visit", purpose="collection", span=Span(start, start + timedelta(minutes=30)), zones=("Asia/Shanghai",)
    )


@given(days=EVENTS, more=EVENTS)
def test_more_contacts_never_turn_deny_into_allow(days: list[int], more: list[int]) -> None:
    few = facts(counted=tuple(map(visit, days)))
    many = facts(counted=tuple(map(visit, days + more)))
    if judge_cap(CAP, question(), few).answer is Answer.DENY:
        assert judge_cap(CAP, question(), many).answer is Answer.DENY


@given(wishes=st.lists(st.integers(0, 90), max_size=25))
def test_budget_is_never_exceeded(wishes: list[int]) -> None:
    """Grant greedily in any order: no window of thirty local dates ever holds more than the limit."""
    granted: list[Counted] = []
    for wish in wishes:
        asked = question(at(14) + timedelta(days=wish))
        if judge_cap(CAP, asked, facts(counted=tuple(granted))).answer is Answer.ALLOW:
            granted.append(visit(wish))
    days = sorted(one.span.start for one in granted)
    assert all(later - first >= timedelta(days=30) for first, later in zip(days, days[2:], strict=False))


@given(day=DAYS, zones=st.lists(ZONES, min_size=1, max_size=3))
def test_lawful_span_is_inside_the_hours_everywhere(day: date, zones: list[str]) -> None:
    span = lawful_span([HOURS], day, zones)
    if span.length <= timedelta():
        return
    for name in zones:
        first, last = (moment.astimezone(ZoneInfo(name)) for moment in span)
        assert first.date() == last.date() == day
        assert time(8) <= first.time() <= last.time() <= time(22)


@given(
    day=DAYS,
    minutes=st.integers(0, 24 * 60 - 1),
    length=st.integers(1, 240),
    zones=st.lists(ZONES, min_size=1, max_size=3),
)
def test_within_hours_means_every_minute_is(day: date, minutes: int, length: int, zones: list[str]) -> None:
    start = datetime.combine(day, time(), tzinfo=UTC) + timedelta(minutes=minutes)
    span = Span(start, start + timedelta(minutes=length))
    inside = all(
        time(8) <= (start + timedelta(minutes=minute)).astimezone(ZoneInfo(name)).time() < time(22)
        for minute in range(length)
        for name in zones
    )
    assert within_hours(HOURS, span, zones) == inside


@given(day=DAYS, opens=st.integers(0, 23), name=ZONES)
def test_clock_changes_only_narrow_the_hours(day: date, opens: int, name: str) -> None:
    span = hours_on(day, opens=time(opens, 30), closes=time(23, 45), zone_name=name)
    for moment in (span.start, span.start + timedelta(minutes=1)):
        assert moment.astimezone(zone(name)).time() >= time(opens, 30)


def test_hour_that_does_not_exist_opens_after_the_change() -> None:
    """On 8 March 2026 New York has no 02:30; on 1 November it has 01:30 twice."""
    spring = hours_on(date(2026, 3, 8), opens=time(2, 30), closes=time(22), zone_name="America/New_York")
    autumn = hours_on(date(2026, 11, 1), opens=time(1, 30), closes=time(22), zone_name="America/New_York")
    assert spring.start == datetime(2026, 3, 8, 7, 30, tzinfo=UTC)
    assert autumn.start == datetime(2026, 11, 1, 6, 30, tzinfo=UTC)


@settings(deadline=None, max_examples=60)
@given(hour=st.integers(0, 23), day=st.integers(2, 25), history=st.integers(0, 40), visits=EVENTS)
def test_earliest_lawful_is_lawful(hour: int, day: int, history: int, visits: list[int]) -> None:
    book = rule_book()
    known = facts(history_known_from=date(2026, 1, 1) + timedelta(days=history), counted=tuple(map(visit, visits)))
    asked = question(at(hour, day=day), now=at(0, day=2))
    decision = decide(asked, known, book)
    if decision.earliest is not None and decision.earliest.at is not None:
        assert decision.earliest.at >= asked.span.start
        assert decide(asked.at(decision.earliest.at), known, book).answer is Answer.ALLOW


@given(dates=st.sets(st.integers(0, 60), max_size=10), day=st.integers(0, 60), window=st.integers(1, 30))
def test_busiest_window_is_what_counting_finds(dates: set[int], day: int, window: int) -> None:
    base = date(2026, 1, 1)
    counted = [frozenset({base + timedelta(days=one)}) for one in dates]
    slow = max(sum(1 for one in dates if start <= one < start + window) for start in range(day - window + 1, day + 1))
    assert busiest(counted, frozenset({base + timedelta(days=day)}), f"local_dates_{window}") == slow


@given(steps=st.lists(st.sampled_from(["use", "release", "record"]), max_size=6))
def test_used_permit_never_frees_its_budget(permit: Permit, steps: list[str]) -> None:
    used = False
    for step in steps:
        try:
            match step:
                case "use":
                    permit = use(permit, contact_id=permit.permit_id, used_at=NOW)
                case "release":
                    permit = release(permit, cause="test")
                case "record" if permit.reserves:
                    permit = recorded(permit, contact_id=permit.permit_id, used_at=NOW)
        except (PermitReleased, PermitNotReleasable):
            pass
        used = used or permit.state in (PermitState.USED, PermitState.RECORDED)
        assert not (used and permit.state is PermitState.RELEASED)


def test_zone_data_is_the_pinned_package() -> None:
    assert {"Asia/Shanghai", "America/New_York"} <= zone_names()


WINDOWS = st.sampled_from(
    ["local_day", "local_dates_7", "local_dates_30", "cooloff_7", "month_date_to_date", "6_months", "ever"]
)
UNITS = st.sampled_from(["attempt", "contact", "conversation", "household_contacted", "debtor_met", "unanswered"])
GATES = st.sampled_from(["lost_contact", "failed_first", "missed_appointments"])
FAILURES = st.lists(st.tuples(st.integers(-6, 0), st.integers(8, 21)), max_size=8)


def failed_call(offset_days: int, hour: int, *, lawful: bool | None = True) -> Counted:
    start = at(hour) + timedelta(days=offset_days)
    return Counted(
        channel="call", purpose="collection", span=Span(start, start + timedelta(minutes=1)), zones=("Asia/Shanghai",),
        contact=False, conversation=False, household_contacted=False, debtor_met=False, lawful=lawful,
        place="designated",
    )  # fmt: skip


def gate(kind: str, failures: int) -> GateRule:
    return GateRule.model_validate(
        {
            "id": "TEST-GATE", "kind": "gate", "citation": "for the test only", "purposes_blocked": "collecting",
            "gate": kind, "failures": failures, "counted_channels": ["call"],
        }
    )  # fmt: skip


@given(days=EVENTS, more=EVENTS, window=WINDOWS, unit=UNITS, limit=st.integers(1, 3))
def test_caps_of_every_window_and_unit_are_monotone(
    days: list[int], more: list[int], window: str, unit: str, limit: int
) -> None:
    limit, unit = (1, "conversation") if window.startswith("cooloff") else (limit, unit)
    rule = CapRule.model_validate({**CAP.model_dump(), "window": window, "unit": unit, "limit": limit})
    few = facts(history_known_from=date(2020, 1, 1), counted=tuple(map(visit, days)))
    many = facts(history_known_from=date(2020, 1, 1), counted=tuple(map(visit, days + more)))
    if judge_cap(rule, question(), few).answer is Answer.DENY:
        assert judge_cap(rule, question(), many).answer is Answer.DENY


KINDS = st.sampled_from(["debt", "contact_point", "household", "address"])
KEYS = st.dictionaries(KINDS, st.frozensets(st.sampled_from("ab"), min_size=1, max_size=2), max_size=4)
KEYED = st.lists(st.tuples(st.integers(-9, 9), KEYS, st.booleans()), max_size=7)


def known_of(contacts: list[tuple[int, dict[Key, frozenset[str]], bool]]) -> PartyFacts:
    """A person with contacts of their own and of others who share keys (True), on dates before and after today."""
    made = [(msgspec.structs.replace(visit(days), keys=keys, of_another=other)) for days, keys, other in contacts]
    return facts(
        history_known_from=date(2020, 1, 1),
        counted=tuple(one for one in made if not one.of_another),
        shared=tuple(one for one in made if one.of_another),
    )


@given(
    contacts=KEYED, more=KEYED, asked=KEYS, limit=st.integers(1, 3),
    key=st.lists(st.one_of(KINDS, st.just("person")), min_size=1, max_size=2, unique=True),
)  # fmt: skip
def test_caps_of_every_key_are_monotone(
    contacts: list[Any], more: list[Any], asked: dict[Key, frozenset[str]], limit: int, key: list[str]
) -> None:
    """One's own contacts and those of whoever shares the debt, the number, the home or the address."""
    rule = CapRule.model_validate({**CAP.model_dump(), "window": "local_dates_7", "limit": limit, "key": key})
    wanted = question(keys=asked)
    if judge_cap(rule, wanted, known_of(contacts)).answer is Answer.DENY:
        assert judge_cap(rule, wanted, known_of(contacts + more)).answer is Answer.DENY


@given(contacts=KEYED, asked=KEYS, key=KINDS)
def test_another_persons_contacts_count_where_a_key_is_surely_shared(
    contacts: list[Any], asked: dict[Key, frozenset[str]], key: Key
) -> None:
    rule = CapRule.model_validate({**CAP.model_dump(), "window": "ever", "limit": 1_000, "key": (key,)})
    nobody = {**CAP.model_dump(), "window": "ever", "limit": 1_000, "key": (key, "person")}
    others = known_of([(days, keys, True) for days, keys, _ in contacts])
    # A limit is on each debt (number, home) alone: what counts is the one that has most.
    each = [sum(1 for _, keys, _ in contacts if value in keys.get(key, ())) for value in asked.get(key, ())]
    sure = max(each, default=0)
    known = structs.replace(others, history_known_from=date.min)
    assert judge_cap(rule, question(keys=asked), known).values["count"] == sure
    assert judge_cap(CapRule.model_validate(nobody), question(keys=asked), known).values["count"] == 0


@given(tried=FAILURES, more=FAILURES, kind=GATES, failures=st.integers(1, 4))
def test_more_lawful_failures_never_close_a_gate(
    tried: list[tuple[int, int]], more: list[tuple[int, int]], kind: str, failures: int
) -> None:
    few = facts(counted=tuple(failed_call(*one) for one in tried))
    many = facts(counted=tuple(failed_call(*one) for one in tried + more))
    if judge_gate(gate(kind, failures), question(at(22)), few).answer is Answer.ALLOW:
        assert judge_gate(gate(kind, failures), question(at(22)), many).answer is Answer.ALLOW


@given(
    tried=FAILURES, unlawful=FAILURES, verdict=st.sampled_from([False, None]), kind=GATES, failures=st.integers(1, 4)
)
def test_unlawful_attempts_never_open_a_gate(
    tried: list[tuple[int, int]], unlawful: list[tuple[int, int]], verdict: bool | None, kind: str, failures: int
) -> None:
    lawful = tuple(failed_call(*one) for one in tried)
    mixed = (*lawful, *(failed_call(*one, lawful=verdict) for one in unlawful))
    rule = gate(kind, failures)
    with_unlawful = judge_gate(rule, question(at(22)), facts(counted=mixed)).answer
    assert with_unlawful == judge_gate(rule, question(at(22)), facts(counted=lawful)).answer


@given(day=DAYS, later=st.integers(0, 400), window=WINDOWS)
def test_windows_only_move_forward_and_hold_their_last_day(day: date, later: int, window: str) -> None:
    assert window_start(window, day) <= day
    assert window_start(window, day) <= window_start(window, day + timedelta(days=later))


def test_cool_off_ends_on_the_eighth_day() -> None:
    """Spoke Monday 20:00: the next call is lawful on the next Monday at 08:00."""
    rule = CapRule.model_validate(
        {**CAP.model_dump(), "window": "cooloff_7", "unit": "conversation", "limit": 1, "id": "TEST-COOLOFF"}
    )
    spoke = Counted(
        channel="visit", purpose="collection", span=Span(at(20), at(20, 10)), zones=("Asia/Shanghai",)
    )  # Monday 2 March
    known = facts(counted=(spoke,))
    assert judge_cap(rule, question(at(23, 59, day=8)), known).answer is Answer.DENY
    assert judge_cap(rule, question(at(8, day=9)), known).answer is Answer.ALLOW
