"""One byte form for one meaning: what is hashed is exactly what is stored."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from shared.events.codec import format_time

Json = str | int | bool | None | Sequence["Json"] | Mapping[str, "Json"]

__all__ = ["Json", "canonical", "format_time"]


def canonical(document: Mapping[str, Json]) -> bytes:
    """RFC 8785 for the documents we write: sorted ASCII keys, no floats, UTF-8.

    Raises TypeError for a float or foreign type.
    """
    _refuse_floats(document)
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


def _refuse_floats(value: Json) -> None:
    """Floats have many renderings; a hash over one would prove nothing."""
    # Texts and numbers first: they are most of what there is, and asking an abstract class is slow.
    if value is None or isinstance(value, str | int):
        return
    if isinstance(value, Mapping):
        for part in value.values():
            _refuse_floats(part)
    elif isinstance(value, list | tuple):
        for part in value:
            _refuse_floats(part)
    else:
        raise TypeError(f"{type(value).__name__} has no canonical form")
