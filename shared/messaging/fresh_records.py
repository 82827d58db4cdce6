"""Records that this process has just committed: its relay need not read them back from the outbox.

A cache and nothing more: what to send, and in which order, the tables say; what is not here is read from them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from shared.events.codec import Header

_LIMIT_BYTES = 4 * 1024 * 1024


class Record(NamedTuple):
    """One record to be sent: the exact bytes."""

    topic: str
    partition: int
    key: bytes
    value: bytes
    headers: Sequence[Header]
    event_id: str


class FreshRecords:
    """The newest committed records by their place in the outbox, up to a number of bytes of values."""

    def __init__(self, limit_bytes: int = _LIMIT_BYTES) -> None:
        self._limit_bytes = limit_bytes
        self._bytes = 0
        self._records: dict[int, Record] = {}
        self.wanted = False
        """Set by a relay in this process; without one nothing is kept."""

    def add(self, records: Mapping[int, Record]) -> None:
        """Keep committed records; the oldest make room."""
        if not self.wanted:
            return
        self._records.update(records)
        self._bytes += sum(len(record.value) for record in records.values())
        while self._bytes > self._limit_bytes:
            self._bytes -= len(self._records.pop(next(iter(self._records))).value)

    def take(self, places: Iterable[int]) -> dict[int, Record]:
        """Remove and return those of `places` that are here."""
        taken = {place: record for place in places if (record := self._records.pop(place, None)) is not None}
        self._bytes -= sum(len(record.value) for record in taken.values())
        return taken
