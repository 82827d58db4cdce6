"""Counts and digests of event ids by spans of time: by them two services see that nothing was lost and nothing added.

An event belongs to the moment in its own id (UUIDv7), which publisher and reader read alike, whatever their clocks say.
The digest of a set of ids is the SHA-256 over them in order, one per line: it depends on no order of arrival, and two
sets with one digest cannot be made (unlike sums or XORs of hashes, which anybody can balance).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

from shared.messaging.outbox import unpack_headers

if TYPE_CHECKING:
    from shared.database.unit_of_work import UnitOfWork

# A row's `created_at` is the beginning of its transaction, its id is made at the end.
_LONGEST_TRANSACTION: Final = timedelta(hours=1)
_CLOCK_SKEW: Final = timedelta(minutes=1)
_FETCHED_AT_ONCE: Final = 1_000
_MILLISECOND: Final = timedelta(milliseconds=1)
_UUID7: Final = re.compile("[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

# The range of `created_at` is what the index knows; the ids decide.
_PUBLISHED: Final = """
SELECT event_id::text, headers FROM outbox
WHERE topic = $1 AND created_at >= $2 AND created_at < $3
  AND event_id >= ($4 || '0000-0000-000000000000')::uuid AND event_id < ($5 || '0000-0000-000000000000')::uuid
"""
# The row of a stream outlives its events in the outbox.
_NEWEST: Final = """
SELECT newest::text FROM sequence_issued
WHERE topic = $1 AND newest >= ($2 || '0000-0000-000000000000')::uuid
  AND newest < ($3 || '0000-0000-000000000000')::uuid
"""


class Part(NamedTuple):
    """The events of a span that begins at `since`: how many, and the digest of their ids.

    `lost`: how many more there were that the publisher itself does not have any more.
    """

    since: datetime
    events: int
    digest: str
    lost: int = 0


class Published(NamedTuple):
    """The ids of events that are kept in the outbox, and of newest events of their streams that it has lost."""

    kept: list[str]
    lost: list[str]


def digest(ids: Iterable[str]) -> str:
    """The digest of a set of ids (hexadecimal), whatever order they come in."""
    return hashlib.sha256("\n".join(sorted(ids)).encode()).hexdigest()


def time_of(event_id: str) -> datetime | None:
    """The moment in a UUIDv7, to the millisecond; None for any other text."""
    if _UUID7.fullmatch(event_id) is None:
        return None
    try:
        return _EPOCH + int(event_id[:8] + event_id[9:13], 16) * _MILLISECOND
    except OverflowError:
        return None


def lowest_id(moment: datetime) -> str:
    """The text that every UUIDv7 of `moment` or later is not less than, and every earlier one is less than."""
    milliseconds = (moment - _EPOCH) // _MILLISECOND
    return f"{milliseconds >> 16:08x}-{milliseconds & 0xFFFF:04x}-"


def parts(
    ids: Iterable[str], *, since: datetime, until: datetime, step: timedelta, lost: Iterable[str] = ()
) -> list[Part]:
    """The ids of [since, until) by spans of `step`; spans without events are there, too."""
    spans = _by_span(ids, since, until, step)
    gone = _by_span(lost, since, until, step)
    return [
        Part(since + number * step, len(span), digest(span), len(gone[number])) for number, span in enumerate(spans)
    ]


def _by_span(ids: Iterable[str], since: datetime, until: datetime, step: timedelta) -> list[list[str]]:
    spans: list[list[str]] = [[] for _ in range(-((since - until) // step))]
    for one in ids:
        moment = time_of(one)
        if moment is not None and since <= moment < until:
            spans[(moment - since) // step].append(one)
    return spans


def differing(theirs: Sequence[Part], ours: Sequence[Part]) -> list[datetime]:
    """The beginnings of the spans on which two sides do not agree; a span that one of them left out is one."""
    return sorted({part.since for part in set(theirs) ^ set(ours)})


async def published(
    uow: UnitOfWork, topic: str, types: Collection[str], *, since: datetime, until: datetime
) -> Published:
    """This service's events on `topic` in [since, until), decided to be sent: the kept ones of `types`.

    Of a lost event nobody knows its type. An older one shows by the gap before the next of its stream.
    """
    names = {name.encode() for name in types}
    first, last = lowest_id(since), lowest_id(until)
    lost = {row[0] for row in await uow.sql.fetch(_NEWEST, topic, first, last)}
    cursor = uow.sql.cursor(
        _PUBLISHED,
        topic,
        since - _LONGEST_TRANSACTION,
        until + _CLOCK_SKEW,
        first,
        last,
        prefetch=_FETCHED_AT_ONCE,
    )
    kept: list[str] = []
    async for event_id, headers in cursor:
        lost.discard(event_id)
        if _type(headers) in names:
            kept.append(event_id)
    return Published(sorted(kept), sorted(lost))


def _type(headers: bytes) -> bytes | None:
    return next((value for name, value in unpack_headers(headers) if name == "ce_type"), None)
