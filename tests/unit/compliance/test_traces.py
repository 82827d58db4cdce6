"""Traces against reported contacts: near enough in time, each call record one call, no order of telling."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.compliance.domain.feeds import FEED_KINDS, OF_CONTACTS, Feed, FeedForeign, FeedUnknown, source_refused
from services.compliance.domain.traces import RULES, Reported, Trace, TraceKind, unreported
from shared.events.contact import Channel

NOON = datetime(2026, 3, 2, 4, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
PARTY = UUID(int=1)


def trace(minute: int, kind: TraceKind = "carrier_calls", channel: Channel = "call", source: str = "s") -> Trace:
    return Trace(
        trace_id=uuid4(), party_id=PARTY, source=source, kind=kind, channel=channel, seen_at=NOON + minute * MINUTE
    )


def contact(minute: int, *, minutes: int = 0, channel: Channel = "call") -> Reported:
    began = NOON + minute * MINUTE
    return Reported(uuid4(), channel, began, began + minutes * MINUTE)


@pytest.mark.parametrize("kind", sorted(RULES))
def test_each_kind_has_its_nearness(kind: TraceKind) -> None:
    (channel, *_), minutes = sorted(RULES[kind].channels), RULES[kind].tolerance // MINUTE
    reported = [contact(0, channel=channel)]

    assert not unreported([trace(minutes, kind, channel)], reported)
    assert not unreported([trace(-minutes, kind, channel)], reported)
    assert unreported([trace(minutes + 1, kind, channel)], reported)
    assert unreported([trace(-minutes - 1, kind, channel)], reported)


def test_another_channel_explains_nothing() -> None:
    assert unreported([trace(0)], [contact(0, channel="sms")])


def test_one_reported_call_explains_one_call_record() -> None:
    first, second = trace(0), trace(2)

    assert unreported([second, first], [contact(1)]) == {second.trace_id}


def test_two_sources_may_know_of_the_same_call() -> None:
    assert not unreported([trace(0, source="a"), trace(0, source="b")], [contact(0)])


def test_a_door_code_may_be_looked_up_twice_at_one_visit() -> None:
    codes = [trace(0, "door_code", "visit"), trace(5, "door_code", "visit")]

    assert not unreported(codes, [contact(0, minutes=30, channel="visit")])


@given(st.lists(st.integers(0, 40), max_size=7), st.lists(st.integers(0, 40), max_size=7), st.randoms())
def test_no_order_changes_what_is_unreported(seen: list[int], made: list[int], random: object) -> None:
    traces, contacts = [trace(at) for at in seen], [contact(at) for at in made]
    expected = unreported(traces, contacts)
    random.shuffle(traces)  # type: ignore[attr-defined]
    random.shuffle(contacts)  # type: ignore[attr-defined]

    assert unreported(traces, contacts) == expected


@given(st.lists(st.integers(0, 40), max_size=6), st.lists(st.integers(0, 40), max_size=6))
def test_as_few_as_possible_stay_unexplained(seen: list[int], made: list[int]) -> None:
    """Against a search through all assignments."""

    def fewest(left: list[int], free: list[int]) -> int:
        if not left:
            return 0
        taken = [fewest(left[1:], free[:at] + free[at + 1 :]) for at, one in enumerate(free) if abs(one - left[0]) <= 5]
        return min([*taken, 1 + fewest(left[1:], free)])

    assert len(unreported([trace(at) for at in seen], [contact(at) for at in made])) == fewest(seen, made)


def test_only_the_bound_client_speaks_for_a_source() -> None:
    feed = Feed(
        source="dialler-1", kind="contacts", client_id="core", channels=("call",), silent_after_hours=26,
        heard_real=NOON, closed_real=NOON,
    )  # fmt: skip

    assert source_refused(feed, client_id="core", kinds=OF_CONTACTS) is None
    assert isinstance(source_refused(feed, client_id="dispatcher", kinds=OF_CONTACTS), FeedForeign)
    assert isinstance(source_refused(feed, client_id="core", kinds=FEED_KINDS - OF_CONTACTS), FeedUnknown)
    assert isinstance(source_refused(None, client_id="core", kinds=FEED_KINDS), FeedUnknown)
