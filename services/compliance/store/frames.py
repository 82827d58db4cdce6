"""The SQL of frames: what the records of decisions name and need not say, kept once and never changed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence, Set
from typing import Any, Final

import msgspec

from services.compliance.domain.frames import Frame, told
from services.compliance.domain.packs import remember
from shared.database import UnitOfWork

_KEEP = """
INSERT INTO decision_frame (sha256, content)
SELECT f.sha256, f.content FROM unnest($1::bytea[], $2::bytea[]) AS f(sha256, content)
WHERE NOT EXISTS (SELECT FROM decision_frame d WHERE d.sha256 = f.sha256) RETURNING sha256
"""
_NAMED = "SELECT sha256, content FROM decision_frame WHERE sha256 = ANY($1::bytea[])"


class _Names(msgspec.Struct):
    frame: str | None = None


_NAMES: Final = msgspec.json.Decoder(_Names)
# Bytes that have this digest are the frame, whoever kept them.
_read: Final[dict[str, bytes]] = {}


class KeptFrames:
    """The frames of which this process knows that they are kept: nobody asks for them again."""

    def __init__(self) -> None:
        self._kept: set[str] = set()
        self._written: dict[str, UnitOfWork] = {}

    async def keep(self, uow: UnitOfWork, frames: Iterable[Frame]) -> None:
        """Keep these frames with what else the transaction does, unless they are kept already."""
        unknown = {frame.sha256: frame.content for frame in frames if frame.sha256 not in self._kept}
        if not unknown:
            return
        rows = await uow.sql.fetch(_KEEP, [bytes.fromhex(name) for name in unknown], list(unknown.values()))
        written = {row["sha256"].hex() for row in rows}
        for name in unknown:
            if name in written:
                self._written[name] = uow
            elif self._written.get(name) is not uow:
                # Another transaction wrote it, and has committed; this one might not.
                self._written.pop(name, None)
                self._kept.add(name)


async def load_frames(uow: UnitOfWork, records: Iterable[bytes | None]) -> dict[str, bytes]:
    """The frames that these records name, by their digests. One that is not kept, or was changed, is missing."""
    named = (frame_named(record) for record in records if record is not None)
    return await load_named(uow, {name for name in named if name is not None})


async def load_named(uow: UnitOfWork, names: Set[str]) -> dict[str, bytes]:
    """The frames of these digests."""
    unread = sorted(names - _read.keys())
    if unread:
        for row in await uow.sql.fetch(_NAMED, [bytes.fromhex(name) for name in unread]):
            content = bytes(row["content"])
            remember(_read, hashlib.sha256(content).hexdigest(), content)
    return {name: _read[name] for name in sorted(names) if name in _read}


def frame_named(record: bytes) -> str | None:
    """The frame that a decision's record names; None: it says everything itself."""
    return _NAMES.decode(record).frame


async def load_told(uow: UnitOfWork, records: Sequence[bytes | None]) -> list[dict[str, Any] | None]:
    """What each decision's record says, with all that its frame says; None where there is none. Raises FrameError."""
    frames = await load_frames(uow, records)
    return [None if record is None else _told(record, frames) for record in records]


def _told(record: bytes, frames: dict[str, bytes]) -> dict[str, Any]:
    document = msgspec.json.decode(record)
    return told(document, frames.get(document.get("frame")))
