"""The client of C2SP witnesses (https://c2sp.org/tlog-witness): the log calls each with its newest checkpoint.

A witness signs only what extends everything it signed before. Its cosignature, with a time, is what a reader trusts
who does not trust us.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import httpx

from services.compliance.log.note import COSIGNATURE, NoteError, NoteKey, cosigned_at

_SIZE_TYPE = "text/x.tlog.size"


class WitnessRefused(RuntimeError):  # noqa: N818  # reads as a fact at the call site
    """The witness gave no cosignature: out of reach, or it does not accept the checkpoint."""


class WitnessKnows(RuntimeError):  # noqa: N818
    """The witness's last checkpoint of this log is another than we said; `size` is its size."""

    def __init__(self, size: int) -> None:
        super().__init__(f"the witness knows a tree of {size} leaves")
        self.size = size


@dataclass(frozen=True, slots=True)
class Cosignature:
    """One signature line of a witness, verified, and the time it states."""

    line: str
    cosigned_at: datetime


@dataclass(frozen=True, slots=True)
class Witness:
    """Where a witness answers and by which key its answers are known."""

    key: NoteKey
    url: str

    @classmethod
    def parse(cls, text: str) -> Witness:
        """From a setting `VKEY URL`. Raises NoteError."""
        vkey, _, url = text.strip().partition(" ")
        key = NoteKey.parse(vkey)
        if key.algorithm != COSIGNATURE or not url.startswith(("http://", "https://")):
            raise NoteError("a witness is named by a cosignature key and an address: VKEY URL")
        return cls(key, url.strip().rstrip("/"))


async def add_checkpoint(
    http: httpx.AsyncClient, witness: Witness, *, old_size: int, path: Sequence[bytes], note: str
) -> Cosignature:
    """Submit a checkpoint with the proof that it extends the tree of `old_size`.

    Raises WitnessKnows when the witness's last size is another, WitnessRefused.
    """
    body = "".join([f"old {old_size}\n", *(f"{base64.b64encode(value).decode()}\n" for value in path), "\n", note])
    try:
        response = await http.post(f"{witness.url}/add-checkpoint", content=body.encode())
    except httpx.HTTPError as error:
        raise WitnessRefused(f"{witness.key.name}: {type(error).__name__}") from error
    if response.status_code == httpx.codes.CONFLICT:
        raise WitnessKnows(_size(witness, response))
    if response.status_code != httpx.codes.OK:
        raise WitnessRefused(f"{witness.key.name} answered {response.status_code}")
    return _own_line(witness, note, response.text.splitlines(keepends=True))


def _own_line(witness: Witness, note: str, lines: Iterable[str]) -> Cosignature:
    """The line that verifies; lines of unknown keys are ignored, as the protocol demands."""
    for line in lines:
        try:
            return Cosignature(line, cosigned_at(note + line, witness.key))
        except NoteError:
            continue
    raise WitnessRefused(f"{witness.key.name} answered without a valid cosignature of its key")


def _size(witness: Witness, response: httpx.Response) -> int:
    text = response.text.removesuffix("\n")
    if response.headers.get("Content-Type") != _SIZE_TYPE or not (text.isascii() and text.isdigit()):
        raise WitnessRefused(f"{witness.key.name} answered a conflict without its size")
    return int(text)
