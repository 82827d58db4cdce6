"""Digests of event ids: order and sides do not matter, and what differs is found in its span."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.ids import event_id_texts
from shared.messaging.digests import differing, digest, lowest_id, parts, time_of

HOUR = datetime(2026, 3, 2, 6, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
TENTH = timedelta(microseconds=100)
moments = st.integers(0, 10**13).map(lambda tenths: datetime(1971, 1, 1, tzinfo=UTC) + tenths * TENTH)


def id_at(moment: datetime, noise: int = 0) -> str:
    return f"{lowest_id(moment)}7{noise >> 48 & 0xFFF:03x}-8000-{noise & 0xFFFFFFFFFFFF:012x}"


ids = st.builds(id_at, moments, st.integers(0, 2**60 - 1))


@given(st.lists(ids, max_size=8, unique=True), st.randoms())
def test_order_of_arrival_changes_no_digest(arrived: list[str], random: object) -> None:
    shuffled = list(arrived)
    random.shuffle(shuffled)  # type: ignore[attr-defined]

    assert digest(shuffled) == digest(arrived)


@given(st.sets(ids, max_size=8), st.sets(ids, max_size=8))
def test_two_sets_have_two_digests(one: set[str], other: set[str]) -> None:
    assert (digest(one) == digest(other)) == (one == other)


@given(moments)
def test_an_id_tells_its_moment(moment: datetime) -> None:
    assert time_of(id_at(moment)) == moment - timedelta(microseconds=moment.microsecond % 1_000)


@given(moments, moments)
def test_ids_are_in_order_of_their_moments(one: datetime, other: datetime) -> None:
    earlier, later = sorted((one, other))

    assert id_at(earlier) >= lowest_id(earlier)
    assert (id_at(earlier, noise=2**60 - 1) < lowest_id(later)) == (time_of(id_at(earlier)) < time_of(id_at(later)))  # type: ignore[operator]


def test_an_id_of_ours_tells_now() -> None:
    (made,) = event_id_texts(1)
    moment = time_of(made)

    assert moment is not None
    assert abs(datetime.now(UTC) - moment) < timedelta(seconds=5)


@pytest.mark.parametrize(
    "text", ["", "abc", "9b2d4a0e-8f6e-4d6f-9f86-0d6c1f6a2b11", "ffffffff-ffff-7000-8000-000000000000", "x" * 36]
)
def test_what_is_no_time_ordered_id_has_no_moment(text: str) -> None:
    assert time_of(text) is None


def test_spans_begin_inclusive_and_end_exclusive() -> None:
    ids = [id_at(HOUR), id_at(HOUR + MINUTE - timedelta(milliseconds=1)), id_at(HOUR + MINUTE), id_at(HOUR - MINUTE)]

    found = parts(ids, since=HOUR, until=HOUR + 3 * MINUTE, step=MINUTE)

    assert [part.events for part in found] == [2, 1, 0]
    assert [part.since for part in found] == [HOUR, HOUR + MINUTE, HOUR + 2 * MINUTE]


def test_the_span_that_differs_is_named() -> None:
    theirs = [id_at(HOUR + minute * MINUTE, minute) for minute in range(60)]
    ours = [*theirs[:41], id_at(HOUR + 41 * MINUTE, 999), *theirs[42:]]
    spans = [parts(ids, since=HOUR, until=HOUR + 60 * MINUTE, step=MINUTE) for ids in (theirs, ours)]

    assert differing(*spans) == [HOUR + 41 * MINUTE]


def test_a_side_that_leaves_a_span_out_differs() -> None:
    whole = parts([], since=HOUR, until=HOUR + 3 * MINUTE, step=MINUTE)

    assert differing(whole[:2], whole) == [HOUR + 2 * MINUTE]
