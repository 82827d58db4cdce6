"""What an owner answers from what it keeps, and the coordinates that a reader gives it."""

from __future__ import annotations

from base64 import b64encode
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.events.topics import PARTITIONS, SERVICES
from shared.messaging.partitioning import partition_of
from shared.messaging.streams import PAGE_BYTES, RetainedEvent, StreamNotKeptError, first_page
from shared.messaging.subscription import Subscription
from shared.snapshots import StreamEvent, entry_of

AT = datetime(2026, 3, 2, tzinfo=UTC)


def kept(sequence: int, *, size_bytes: int = 1) -> RetainedEvent:
    return RetainedEvent(sequence * 10, sequence, b"key", b"v" * size_bytes, (), AT)


def numbers(page: list[RetainedEvent]) -> list[int]:
    return [event.sequence for event in page]


@given(st.sets(st.integers(1, 30)), st.integers(0, 30), st.integers(1, 10))
def test_a_page_is_what_follows_without_a_hole(present: set[int], after: int, limit: int) -> None:
    events = [kept(number) for number in sorted(present)]
    following = {number for number in present if number > after}
    if after + 1 not in present:
        with pytest.raises(StreamNotKeptError) as missing:
            first_page(events, after=after, limit=limit)
        assert missing.value.oldest == min(following, default=None)
        return
    page = numbers(first_page(events, after=after, limit=limit))
    assert page == list(range(after + 1, after + 1 + len(page)))
    assert len(page) == limit or page[-1] + 1 not in present


def test_a_page_ends_before_it_grows_too_large() -> None:
    half = PAGE_BYTES // 2
    events = [kept(1, size_bytes=half), kept(2, size_bytes=half), kept(3)]
    assert numbers(first_page(events, after=0, limit=10)) == [1, 2]


def test_an_event_larger_than_a_page_is_a_page() -> None:
    events = [kept(1, size_bytes=PAGE_BYTES + 1), kept(2)]
    assert numbers(first_page(events, after=0, limit=10)) == [1]


def fetched(party: UUID, place: int) -> StreamEvent:
    key = b64encode(str(party).encode()).decode()
    return StreamEvent(place=place, sequence=1, key=key, value="", headers=[], recorded_at=AT)


async def nothing(*_: Any) -> dict[Any, Any]:
    return {}


SUBSCRIPTION = Subscription(topic="visit", types=frozenset({"visit.proposed"}), handle=nothing)


def test_a_fetched_record_has_the_partition_of_its_key() -> None:
    """Visits keeps a visit's partition, to judge a check-in by the watermark of that partition."""
    party = uuid4()
    entry = entry_of(fetched(party, 7), SUBSCRIPTION, owner="assignment")
    assert entry.record.partition == partition_of(str(party).encode(), PARTITIONS)


@given(st.lists(st.tuples(st.sampled_from(SERVICES), st.integers(1, 1 << 40)), unique=True, min_size=2, max_size=20))
def test_no_two_fetched_records_share_an_offset_nor_one_of_kafka(sources: list[tuple[str, int]]) -> None:
    party = uuid4()
    offsets = [entry_of(fetched(party, place), SUBSCRIPTION, owner=owner).offset for owner, place in sources]
    assert len(set(offsets)) == len(sources)
    assert all(1 << 62 <= offset < 1 << 63 for offset in offsets)
