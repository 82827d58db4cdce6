"""One byte form for one meaning: what is hashed is exactly what is stored."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from shared.events.codec import format_time

Json = str | int | bool | None | Sequence["Json"] | Mapping[str, "Json"]

__all__ = ["Json", "canonical", "format_time"]


_ENCODER: Final = msgspec.json.Encoder(order="sorted")
_ATOMS: Final = frozenset({str, int, bool, type(None)})


def canonical(document: Mapping[str, Json]) -> bytes:
    """RFC 8785 for the documents we write: sorted ASCII keys, no floats, UTF-8.

    Raises TypeError for a float or foreign type.
    """
    _refuse_floats(document)
    return _ENCODER.encode(document)


def _refuse_floats(value: Json) -> None:
    """Floats have many renderings; a hash over one would prove nothing."""
    # Exact types first: they are nearly all there is, and asking an abstract class is slow.
    parts: Iterable[Json]
    if type(value) is dict:
        parts = value.values()
    elif isinstance(value, list | tuple):
        parts = value
    elif isinstance(value, Mapping):
        parts = value.values()
    else:
        parts = (value,)
    for part in parts:
        if type(part) in _ATOMS or isinstance(part, str | int):
            continue
        if not isinstance(part, dict | list | tuple | Mapping):
            raise TypeError(f"{type(part).__name__} has no canonical form")
        _refuse_floats(part)
