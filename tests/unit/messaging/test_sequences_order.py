"""Ordering by sequence, as a pure function."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from shared.messaging.records import Entry, KeptRecord, Stream, Verdict
from shared.messaging.sequences import order
from shared.messaging.subscription import InboxKey

STREAM = Stream(("/services/intake", "case", "a"))


def entry(sequence: int, offset: int, *, stream: Stream = STREAM, kind: str = "case.updated") -> Entry:
    return Entry(
        topic="case",
        record=KeptRecord(0, offset, 0, b"k", b"", ()),
        verdict=Verdict.HANDLE,
        type=kind,
        inbox_key=InboxKey(stream[0], f"{stream[2]}-{sequence}-{offset}"),
        stream=stream,
        sequence=sequence,
    )


def numbers(entries: list[Entry]) -> list[int]:
    return [item.sequence for item in entries]


@given(st.permutations(range(1, 9)), st.integers(1, 7))
def test_whatever_the_arrival_the_order_is_the_sequence(arrival: list[int], cut: int) -> None:
    first = order(
        [entry(number, offset) for offset, number in enumerate(arrival[:cut])],
        last={},
        held=[],
        monotone_types=frozenset(),
    )
    for held in first.ahead:
        held.kept = True
    second = order(
        [entry(number, cut + offset) for offset, number in enumerate(arrival[cut:])],
        last=first.last,
        held=first.ahead,
        monotone_types=frozenset(),
    )
    assert numbers(first.ready) + numbers(second.ready) == list(range(1, 9))
    assert second.ahead == []
    assert sorted(numbers(second.released)) == sorted(numbers(first.ahead))


@given(st.lists(st.integers(1, 6), max_size=30))
def test_nothing_is_ready_twice_and_nothing_is_lost(arrival: list[int]) -> None:
    entries = [entry(number, offset) for offset, number in enumerate(arrival)]
    result = order(entries, last={}, held=[], monotone_types=frozenset())
    reached = result.last.get(STREAM, 0)
    assert numbers(result.ready) == list(range(1, reached + 1))
    assert len(result.ready) + len(result.stale) + len(result.ahead) == len(entries)


def test_streams_do_not_wait_for_each_other() -> None:
    other = Stream(("/services/intake", "case", "b"))
    result = order([entry(2, 0), entry(1, 1, stream=other)], last={}, held=[], monotone_types=frozenset())
    assert (numbers(result.ready), numbers(result.ahead)) == ([1], [2])


def test_a_monotone_entry_runs_at_once_and_fills_its_place() -> None:
    monotone = frozenset({"case.cured"})
    result = order([entry(2, 0, kind="case.cured"), entry(1, 1)], last={}, held=[], monotone_types=monotone)
    assert numbers(result.ready) == [2, 1]
    assert (result.ahead, result.last) == ([], {STREAM: 2})
