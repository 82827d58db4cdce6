"""Questions and facts of people, drawn at random over all places, channels and kinds of fact."""

from datetime import UTC, datetime, time, timedelta
from typing import Any, get_args
from uuid import UUID, uuid4

from hypothesis import strategies as st

from services.compliance.domain.budget_keys import keys_named
from services.compliance.domain.facts import (
    Balance,
    Circumstances,
    Counted,
    Freshness,
    Inconvenient,
    Override,
    PartyFacts,
    Question,
    Sharer,
    ThirdPersonAsked,
    Told,
)
from services.compliance.domain.holds import Hold, HoldKind, HoldScope
from services.compliance.domain.local_time import Span
from services.compliance.domain.rule_parts import FactName
from services.compliance.domain.rule_records import (
    Collector,
    Key,
    LetterRule,
    PlaceKind,
    Product,
    Recipient,
)
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
SHARED_NAMES = st.sampled_from(["debt:a", "debt:b", "household:a", "contact_point:a"])
SHARERS = st.one_of(st.just({}), st.dictionaries(SHARED_NAMES, KNOWN_SINCE, max_size=2))
LAWS = st.one_of(
    st.just(()),
    st.lists(
        st.builds(
            Sharer,
            jurisdiction=st.sampled_from(["AU", "CN", "US-MA", "US-NYC"]),
            keys=st.frozensets(SHARED_NAMES, min_size=1).map(keys_named),
            unresolved=UNRESOLVED,
            circumstances=st.builds(Circumstances, place=maybe(st.sampled_from(get_args(PlaceKind)))),
        ),
        max_size=2,
    ).map(tuple),
)
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
        sharers_known_from={
            name: None if days is None else around.date() - timedelta(days=days) for name, days in draw(SHARERS).items()
        },
        sharers=draw(LAWS),
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
        sharers=draw(LAWS),
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
