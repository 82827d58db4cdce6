"""The two clocks.

*Business time* drives law, windows and due dates; *real time* drives tokens, timeouts, freshness and latency.
In production both are the system clock. In development business time may be *stepped*: it stands still until a driver
advances it, is persisted in one file that every process maps, and never goes back.
"""

from __future__ import annotations

import mmap
import os
import struct
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

_MICROSECOND = timedelta(microseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CELL = struct.Struct("<q")


class Clock(Protocol):
    """Source of both times; always injected, never read from the system elsewhere."""

    def business_now(self) -> datetime:
        """Business time, aware, UTC."""
        ...

    def real_now(self) -> datetime:
        """Real time, aware, UTC."""
        ...


class SystemClock:
    """Production: business time is real time."""

    def business_now(self) -> datetime:
        """Business time, aware, UTC."""
        return datetime.now(UTC)

    def real_now(self) -> datetime:
        """Real time, aware, UTC."""
        return datetime.now(UTC)


class SteppedClock:
    """Development: business time is read from a file shared by all processes of a run.

    The file holds one little-endian 64-bit count of microseconds since 1970-01-01 UTC. An aligned eight-byte store is
    atomic on the platforms we run on, so readers need no lock; there is one writer, the driver.
    """

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR)
        self._cell = mmap.mmap(self._file, _CELL.size)

    @classmethod
    def create(cls, path: Path, *, start: datetime) -> SteppedClock:
        """Make the clock file, or keep a later time that an existing one holds (the clock is monotone)."""
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(_CELL.pack((start - _EPOCH) // _MICROSECOND))
        clock = cls(path)
        if clock.business_now() < start:
            clock.advance_to(start)
        return clock

    def business_now(self) -> datetime:
        """Business time, aware, UTC."""
        (microseconds,) = _CELL.unpack(self._cell[:])
        return _EPOCH + timedelta(microseconds=microseconds)

    def real_now(self) -> datetime:
        """Real time, aware, UTC."""
        return datetime.now(UTC)

    def advance_to(self, moment: datetime) -> None:
        """Step business time forward. Raises ValueError when `moment` lies before the present business time."""
        if moment < self.business_now():
            raise ValueError("business time never goes back")
        self._cell[:] = _CELL.pack((moment - _EPOCH) // _MICROSECOND)

    def close(self) -> None:
        """Release the mapping."""
        self._cell.close()
        os.close(self._file)


class FixedClock:
    """Tests: both times are set by hand."""

    def __init__(self, business: datetime, real: datetime | None = None) -> None:
        self.business = business
        self.real = real if real is not None else business

    def business_now(self) -> datetime:
        """Business time, aware, UTC."""
        return self.business

    def real_now(self) -> datetime:
        """Real time, aware, UTC."""
        return self.real

    def advance(self, step: timedelta) -> None:
        """Move both clocks forward by `step`."""
        self.business += step
        self.real += step


def monotonic_ms() -> int:
    """Milliseconds of a clock that only measures spans."""
    return time.monotonic_ns() // 1_000_000
