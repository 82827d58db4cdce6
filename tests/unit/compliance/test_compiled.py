"""The compiled rules answer, to the byte, what the plain functions answer: over all packs, places and channels."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, get_args
from uuid import UUID, uuid4

from hypothesis import given, settings
from hypothesis import strategies as st

from services.compliance.domain.canonical import canonical
from services.compliance.domain.decisions import Stage, decide, decide_plainly, encoded_record, record
from services.compliance.domain.facts import (
    Balance,
    Circumstances,
    Counted,
    Freshness,
    Inconvenient,
    Override,
    PartyFacts,
    Question,
    ThirdPersonAsked,
    Told,
)
from services.compliance.domain.history import Counter
from services.compliance.domain.holds import Hold, HoldKind, HoldScope
from services.compliance.domain.local_time import Span, local_date, zone
from services.compliance.domain.rule_records import (
    Collector,
    FactName,
    Key,
    LetterRule,
    PlaceKind,
    Product,
    Recipient,
)
from services.compliance.domain.rules.applicability import concerned
from services.compliance.domain.rules.caps import busiest, next_free
from services.compliance.domain.rules.hours import hours_rules, lawful_span
from services.compliance.domain.rulings import Ruling
from services.compliance.domain.windows import lawful_windows
from services.compliance.rule_book import rule_book
from shared.events.contact import Channel, Purpose

from .conftest import CASE, CREW, PARTY, REAL

BOOK = rule_book()
ZONES_OF: dict[str | None, tuple[str, ...]] = {
    None: ("Asia/Shanghai",), "CN": ("Asia/Shanghai",), "US": ("America/New_York", "America/Los_Angeles"),
    "US-MA": ("America/New_York",), "US-NY": ("America/New_York",), "US-CA": ("America/Los_Angeles",),
    "IN": ("Asia/Kolkata",), "GB": ("Europe/London",), "AU": ("Australia/Sydney", "Australia/Perth"),
    "AU-VIC": ("Australia/Melbourne",), "AU-SA": ("Australia/Adelaide",), "HK": ("Asia/Hong_Kong",),
    "SG": ("Asia/Singapore",), "DE": ("Europe/Berlin",), "IE": ("Europe/Dublin",),
    "FR": ("Pacific/Apia", "Pacific/Niue"),
    "XX": ("No/Where",),
}  # fmt: skip
RULES = [rule for pack in BOOK.packs for rule in pack.rule]
OVERRIDABLE = [rule for rule in RULES if rule.override != "none"]
NAMES = get_args(FactName)
MOMENTS = st.integers(0, 450 * 1_440).map(
    lambda minutes: datetime(2025, 12, 1, tzinfo=UTC) + timedelta(minutes=minutes)
)
ASKED = {"channel": "visit", "note": "ü"}
BALANCES = st.builds(
    Balance, as_of=st.just(REAL), overdue_minor=st.sampled_from([{"CNY": 1}, {}]), digest=st.just("digest")
)
KEYS = st.dictionaries(st.sampled_from(get_args(Key)), st.frozensets(st.sampled_from("ab"), min_size=1), max_size=3)
ALL_ZONES = sorted({name for zones in ZONES_OF.values() for name in zones} - {"No/Where"})


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(st.none(), strategy)


# Strategies are made once: making and checking one costs far more than drawing from it. Moments are therefore drawn as
# minutes, and set off from the moment of the case afterwards.
CHANNELS = st.sampled_from(get_args(Channel))
LENGTHS = st.tuples(st.sampled_from([1, 60]), st.integers(-1_440, 1_440), st.integers(0, 600))
MOSTLY = st.sampled_from([True, True, True, False])
CONTACTS = st.fixed_dictionaries(
    {
        "channel": CHANNELS,
        "purpose": st.sampled_from(["collection", "collection", "appointment_admin", "reply"]),
        "attempt": MOSTLY,
        "contact": MOSTLY,
        "conversation": MOSTLY,
        "household_contacted": MOSTLY,
        "debtor_met": st.booleans(),
        "unanswered": st.booleans(),
        "lawful": st.sampled_from([True, True, False, None]),
        "consented": st.booleans(),
        "not_connected": st.booleans(),
        "place": maybe(st.sampled_from(get_args(PlaceKind))),
        "thread": maybe(st.sampled_from(["t1", "t2"])),
        "keys": st.dictionaries(st.sampled_from(get_args(Key)), st.frozensets(st.sampled_from("ab"), max_size=2)),
    }
)
OTHERS = st.one_of(st.just([]), st.lists(st.tuples(CONTACTS, LENGTHS, st.sampled_from([1, 8])), max_size=5))
UNRESOLVED = st.sampled_from([frozenset(), frozenset(), frozenset({"debt"}), frozenset({"household"})])
PLACED_CONTACTS = st.lists(st.tuples(CONTACTS, LENGTHS, st.sampled_from([1, 8, 40])), max_size=9)
HOLDS = st.tuples(
    st.integers(-400, 100),
    maybe(st.integers(1, 900)),
    st.sampled_from(get_args(HoldKind)),
    st.sampled_from(get_args(HoldScope)),
)
# The question's debts and keys are drawn from the same few.
SCOPE_KEYS: dict[HoldScope, str] = {"loan": str(UUID(int=7)), "contact_point": "phone:a"}
DEBTS = st.sampled_from([None, None, frozenset({UUID(int=7)}), frozenset({UUID(int=8)})])
TWO_HOLDS, ONE_HOLD = st.lists(HOLDS, max_size=2), st.lists(HOLDS, max_size=1)


def placed(lengths: tuple[int, int, int], *, around: datetime, days: int) -> Span:
    """Half of them begin and end at full hours, where opening hours do."""
    minutes, offset, length = lengths
    begins = around.replace(minute=0) if minutes == 60 else around
    start = begins + timedelta(minutes=offset * days // minutes * minutes)
    return Span(start, start + timedelta(minutes=length // minutes * minutes))


def contacted(
    drawn: list[tuple[dict[str, Any], tuple[int, int, int], int]],
    *,
    around: datetime,
    zones: tuple[str, ...],
    of_another: bool = False,
) -> tuple[Counted, ...]:
    return tuple(
        Counted(
            span=placed(lengths, around=around - timedelta(days=2), days=days),
            zones=zones,
            of_another=of_another,
            **values,
        )
        for values, lengths, days in drawn
    )


def held(drawn: list[tuple[int, int | None, HoldKind, HoldScope]], *, around: datetime) -> tuple[Hold, ...]:
    return tuple(
        Hold(
            hold_id=uuid4(),
            party_id=PARTY,
            kind=kind,
            scope=scope,
            scope_key=SCOPE_KEYS.get(scope, ""),
            valid_from=(begins := around + timedelta(hours=offset)),
            valid_to=None if hours is None else begins + timedelta(hours=hours),
            source_ref="s",
            recorded_real=REAL,
        )
        for offset, hours, kind, scope in drawn
    )


CHOSEN = st.tuples(
    st.lists(st.sampled_from(OVERRIDABLE), max_size=4),
    st.sampled_from([(None, None), (time(6), time(9)), (time(20), time(23, 30))]),
    LENGTHS,
)
CHOSEN_OR_NONE = st.one_of(st.none(), CHOSEN)


def overridden(drawn: Any, *, around: datetime) -> dict[str, tuple[Override, ...]]:
    if drawn is None:
        return {}
    chosen, (opens, closes), lengths = drawn
    valid = placed(lengths, around=around - timedelta(hours=5), days=1)
    return {
        rule.id: (Override(by=rule.override, evidence=uuid4(), valid=valid, opens=opens, closes=closes),)
        for rule in chosen
    }


AGES = st.tuples(*[st.sampled_from([0, 0, 0, 0, 31, None])] * 4)
FRESHNESS = st.builds(
    lambda ages, **more: Freshness(
        watermarks={
            name: None if age is None else REAL - timedelta(seconds=age)
            for name, age in zip(("intake", "assignment", "visits", "plans"), ages, strict=True)
        },
        **more,
    ),
    AGES,
    named_by=st.sampled_from([(), (), ("visits",)]),
    silent_feeds=st.sampled_from([{}, {}, {"call": ("dialler",)}]),
    log_waits_since=maybe(st.sampled_from([REAL, REAL - timedelta(minutes=6)])),
)
PEOPLE = st.fixed_dictionaries(
    {
        "known": MOSTLY,
        "held": st.sampled_from([False, False, False, True]),
        "case_open": MOSTLY,
        "case_version": st.integers(0, 3),
        "freshness": FRESHNESS,
        "balance": maybe(BALANCES),
        "circumstances": st.builds(
            Circumstances,
            collector=maybe(st.sampled_from(get_args(Collector))),
            product=maybe(st.sampled_from(get_args(Product))),
            place=maybe(st.sampled_from(get_args(PlaceKind))),
            recipient=maybe(st.sampled_from(get_args(Recipient))),
        ),
        "inconvenient": maybe(
            st.lists(
                st.builds(
                    Inconvenient, channels=st.frozensets(CHANNELS), opens=st.just(time(12)),
                    closes=maybe(st.just(time(14))),
                ),
                max_size=2,
            ).map(tuple)
        ),
        "letter": maybe(st.just(frozenset({"amount_owed"}))),
    }
)  # fmt: skip
KNOWN_SINCE = maybe(st.one_of(st.just(2_000), st.just(2_000), st.integers(0, 900)))
TOLD = st.tuples(st.booleans(), st.integers(0, 500))
TOLD_BY_NAME = st.one_of(st.just({}), st.fixed_dictionaries({}, optional=dict.fromkeys(NAMES, TOLD)))
ASKED_OTHERS = maybe(st.tuples(st.integers(0, 2), st.booleans(), st.booleans()))
ZONE_CHOICE = st.integers(0, 3)


@st.composite
def people(draw: st.DrawFn, *, place: str | None, around: datetime) -> PartyFacts:
    zones = ZONES_OF[place]
    since, asked = draw(KNOWN_SINCE), draw(ASKED_OTHERS)
    told = {
        name: Told(value=value, as_of=around - timedelta(days=days))
        for name, (value, days) in draw(TOLD_BY_NAME).items()
    }
    return PartyFacts(
        party_id=PARTY,
        case_id=CASE,
        jurisdiction=place,
        zones=(zones, zones, zones[:1], ())[draw(ZONE_CHOICE)],
        history_known_from=None if since is None else around.date() - timedelta(days=since),
        holds=held(draw(TWO_HOLDS), around=around),
        counted=contacted(draw(PLACED_CONTACTS), around=around, zones=zones) if place != "XX" else (),
        told=told,
        overrides=overridden(draw(CHOSEN), around=around),
        third_person=asked and ThirdPersonAsked(dates=(around.date(),) * asked[0], refused=asked[1], complete=asked[2]),
        unresolved=draw(UNRESOLVED),
        shared=contacted(draw(OTHERS), around=around, zones=zones, of_another=True),
        **draw(PEOPLE),
    )


@st.composite
def sound_people(draw: st.DrawFn, *, place: str, around: datetime) -> PartyFacts:
    """All facts are known and good, so that only times, caps and holds decide and the earliest moment is sought."""
    zones = ZONES_OF[place]
    return PartyFacts(
        party_id=PARTY,
        known=True,
        case_id=CASE,
        case_open=True,
        case_version=3,
        jurisdiction=place,
        zones=zones,
        history_known_from=around.date() - timedelta(days=2_000),
        holds=held(draw(ONE_HOLD), around=around),
        counted=contacted(draw(PLACED_CONTACTS), around=around, zones=zones),
        shared=contacted(draw(OTHERS), around=around, zones=zones, of_another=True),
        freshness=Freshness(watermarks={"intake": REAL}),
        balance=Balance(as_of=REAL, overdue_minor={"CNY": 1}, digest="d"),
        circumstances=Circumstances(collector="creditor", product="card", place="home", recipient="obligor"),
        told=dict.fromkeys(NAMES, Told(value=True, as_of=around)),
        overrides=overridden(draw(CHOSEN_OR_NONE), around=around),
        inconvenient=(),
        third_person=ThirdPersonAsked(complete=True),
        letter=frozenset(element for rule in RULES if isinstance(rule, LetterRule) for element in rule.required),
    )


PLACES = st.sampled_from(list(ZONES_OF))
QUESTIONS = st.fixed_dictionaries(
    {
        "case_id": st.sampled_from([None, CASE, CASE, UUID(int=1)]),
        "channel": CHANNELS,
        "purpose": st.sampled_from(["collection", "collection", "collection", *get_args(Purpose)]),
        "duration": st.sampled_from([timedelta(minutes=5), timedelta(minutes=30), timedelta(hours=2)]),
        "crew": st.sampled_from([CREW, CREW[:1], (CREW[0], CREW[0])]),
        "device_id": maybe(st.just("device")),
        "place_cell": maybe(st.just("cell")),
        "versions": st.sampled_from([{}, {"case": 1}, {"case": 9}, {"visit": 2, "case": 1}]),
        "keys": KEYS,
        "debts": DEBTS,
    }
)
HOURS_BEFORE = st.integers(0, 40)


@st.composite
def cases(draw: st.DrawFn) -> tuple[Question, PartyFacts]:
    place, around = draw(PLACES), draw(MOMENTS)
    question = Question(
        party_id=PARTY,
        subject_id=UUID(int=2),
        jurisdiction=(place or "CN") if draw(MOSTLY) else "SG",
        zones=(ZONES_OF[place], ZONES_OF[place][:1], ZONES_OF[place], ("Asia/Tokyo",))[draw(ZONE_CHOICE)],
        span=placed(draw(LENGTHS), around=around, days=1),
        now=around - timedelta(hours=draw(HOURS_BEFORE)),
        real_now=REAL,
        **draw(QUESTIONS),
    )
    return question, draw(people(place=place, around=around))


SOUND_PLACES = st.sampled_from(["CN", "CN", "GB", "US-MA", "AU", "IN", "DE"])
SOUND_PURPOSES = st.sampled_from(["collection", "appointment_admin"])


@st.composite
def sound_cases(draw: st.DrawFn) -> tuple[Question, PartyFacts]:
    around, place = draw(MOMENTS), draw(SOUND_PLACES)
    question = Question(
        party_id=PARTY, case_id=CASE, subject_id=UUID(int=2), channel=draw(CHANNELS), purpose=draw(SOUND_PURPOSES),
        jurisdiction=place, zones=ZONES_OF[place], span=placed(draw(LENGTHS), around=around, days=1),
        duration=timedelta(minutes=5), crew=CREW, device_id="d", place_cell="c", versions={"case": 1},
        debts=draw(DEBTS), keys=draw(KEYS), now=around - timedelta(days=2), real_now=REAL,
    )  # fmt: skip
    return question, draw(sound_people(place=place, around=around))


@settings(deadline=None, max_examples=400)
@given(case=cases(), stage=st.sampled_from(get_args(Stage)), moves=st.lists(st.integers(0, 60 * 24 * 9), max_size=3))
def test_compiled_rules_answer_what_the_plain_ones_do(
    case: tuple[Question, PartyFacts], stage: Stage, moves: list[int]
) -> None:
    """Asked several times of one history, as in a batch: what was recalled may not leak into another answer."""
    question, facts = case
    compare(question, facts, stage=stage, moves=moves)
    # What was recalled of one person may not leak into another's answer.
    compare(question, replace(facts, case_version=facts.case_version + 2, held=not facts.held), stage=stage, moves=[])


@settings(deadline=None, max_examples=400)
@given(case=sound_cases(), moves=st.lists(st.integers(0, 60 * 24 * 9), max_size=3))
def test_earliest_moment_is_that_of_the_plain_ones(case: tuple[Question, PartyFacts], moves: list[int]) -> None:
    question, facts = case
    compare(question, facts, stage="grant", moves=moves)


def compare(question: Question, facts: PartyFacts, *, stage: Stage, moves: list[int]) -> None:
    for minutes in (0, *moves):
        asked = question.at(question.span.start + timedelta(minutes=minutes)) if minutes else question
        quick, slow = (how(asked, facts, BOOK, stage=stage) for how in (decide, decide_plainly))
        assert (quick.answer, quick.earliest) == (slow.answer, slow.earliest)
        assert quick.rulings == slow.rulings
        known: dict[str, Any] = {
            "question": asked,
            "facts": facts,
            "book": BOOK,
            "decision_id": CASE,
            "request": {"a": "ü"},
        }
        assert encoded_record(quick, **known) == plain_json(record(slow, **known)) == canonical(record(slow, **known))


@given(
    offsets=st.lists(st.integers(-40, 40), max_size=9),
    asked=st.sets(st.integers(-3, 3), min_size=1),
    limit=st.integers(1, 4),
    window=st.sampled_from(["local_day", "local_dates_7", "local_dates_30", "month_date_to_date", "6_months", "ever"]),
)
def test_counters_count_what_the_plain_ones_do(offsets: list[int], asked: set[int], limit: int, window: str) -> None:
    days = [date(2026, 3, 10) + timedelta(days=offset) for offset in offsets]
    dates = frozenset(date(2026, 3, 10) + timedelta(days=offset) for offset in asked)
    each = [frozenset({day}) for day in days]
    counter = Counter(days, window)
    assert counter.busiest(dates) == busiest(each, dates, window)
    assert counter.next_free(limit, max(dates)) == next_free(window, limit, each, max(dates))


@settings(deadline=None, max_examples=200)
@given(case=sound_cases(), ahead=st.sets(st.integers(-1, 12), min_size=1, max_size=5))
def test_windows_are_those_of_the_plain_rules(case: tuple[Question, PartyFacts], ahead: set[int]) -> None:
    question, facts = case
    days = [question.now.date() + timedelta(days=offset) for offset in ahead]
    spans: list[Span] = []
    refused: dict[str, Ruling] = {}
    for day in sorted(days):
        asked = whole_day(question, day, facts)
        refusals = decide_plainly(asked, facts, BOOK, stage="window").refusals
        spans += [] if refusals else [asked.span]
        for ruling in refusals:
            refused.setdefault(ruling.rule.id, ruling)
    found = lawful_windows(question, days, facts, BOOK)
    assert list(found.spans) == spans
    assert list(found.refused.items()) == list(refused.items())


def whole_day(question: Question, day: date, facts: PartyFacts) -> Question:
    noon = datetime.combine(day, time(12), tzinfo=UTC)
    asked = question.at(noon)
    rules = hours_rules(concerned(asked, facts, BOOK), asked)
    if not rules:
        return asked
    lawful = lawful_span(rules, day, asked.candidate_zones(facts))
    rest = Span(max(lawful.start, question.now), lawful.end)
    long_enough = rest.length >= question.duration and rest.length > timedelta()
    return replace(asked, span=rest) if long_enough else asked.at(lawful.start)


def plain_json(document: Any) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda parts: st.lists(parts) | st.dictionaries(st.text(st.characters(max_codepoint=127)), parts),
    max_leaves=20,
)


@settings(deadline=None, max_examples=60)
@given(document=st.dictionaries(st.text(st.characters(max_codepoint=127)), JSON))
def test_canonical_form_is_that_of_the_standard_library(document: Any) -> None:
    assert canonical(document) == plain_json(document)


@given(
    moment=st.datetimes(timezones=st.just(UTC)),
    name=st.sampled_from(sorted({*sum(ZONES_OF.values(), ())} - {"No/Where"})),
)
def test_local_date_is_that_of_the_zone(moment: datetime, name: str) -> None:
    try:
        expected = moment.astimezone(zone(name)).date()
    except OverflowError:  # the calendar ends
        return
    assert local_date(moment, name) == expected


@given(days=st.lists(st.integers(-60, 60), max_size=9), day=st.integers(-5, 5))
def test_epochs_hold_the_same_rules(days: list[int], day: int) -> None:
    for boundary in (date(2026, 1, 30), date(2025, 2, 28)):
        one, other = boundary + timedelta(days=day), boundary + timedelta(days=day + 1)
        same = BOOK.epoch(one) == BOOK.epoch(other)
        rules = [
            {rule.id for pack in BOOK.packs if pack.in_force(each) for rule in pack.rule if rule.in_force(each)}
            for each in (one, other)
        ]
        assert not same or rules[0] == rules[1]
