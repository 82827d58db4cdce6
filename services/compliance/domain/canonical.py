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
_Level0 = bool | int | str | None
_Level1 = _Level0 | list[_Level0] | dict[str, _Level0]
_Level2 = _Level0 | list[_Level1] | dict[str, _Level1]
_Level3 = _Level0 | list[_Level2] | dict[str, _Level2]
_Level4 = _Level0 | list[_Level3] | dict[str, _Level3]


class _Usual(msgspec.Struct):
    """A document as nearly all are: of exact types, and not deeper than five levels: checked without Python's help."""

    document: dict[str, _Level4]


def canonical(document: Mapping[str, Json]) -> bytes:
    """RFC 8785 for the documents we write: sorted ASCII keys, no floats, UTF-8.

    Raises TypeError for a float or foreign type.
    """
    try:
        msgspec.convert({"document": document}, _Usual)
    except msgspec.ValidationError:
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
