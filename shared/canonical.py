"""One byte form for one meaning: what is hashed is exactly what is stored."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

Json = str | int | bool | None | Sequence["Json"] | Mapping[str, "Json"]

_ENCODER: Final = msgspec.json.Encoder(order="sorted")
_ATOMS: Final = frozenset({str, int, bool, type(None)})


def canonical(document: Mapping[str, Json]) -> bytes:
    """RFC 8785 for the documents we write: sorted ASCII keys, no floats, UTF-8.

    Raises TypeError for a float or foreign type.
    """
    _refuse_floats(document.values())
    return _ENCODER.encode(document)


def encoded(text: str) -> bytes:
    """One string as it stands in a canonical document, in quotes."""
    return _ENCODER.encode(text)


def _refuse_floats(parts: Iterable[Json]) -> None:
    """Floats have many renderings; a hash over one would prove nothing."""
    for part in parts:
        # Exact types first: they are nearly all there is, and asking an abstract class is slow.
        kind = type(part)
        if kind in _ATOMS:
            continue
        if kind is dict:
            inner: Iterable[Json] = part.values()  # type: ignore[union-attr]
            if not _ATOMS.issuperset(map(type, inner)):
                _refuse_floats(inner)
        elif isinstance(part, list | tuple):
            if not _ATOMS.issuperset(map(type, part)):
                _refuse_floats(part)
        elif isinstance(part, Mapping):
            _refuse_floats(part.values())
        elif not isinstance(part, str | int):
            raise TypeError(f"{kind.__name__} has no canonical form")
