"""Personal values as they are shown to those who need to recognise, not to reach, a person."""

from __future__ import annotations

from datetime import date

_HIDDEN = "•"


def masked_name(name: str) -> str:
    """The first character only."""
    return name[:1] + _HIDDEN * 2


def masked_birthday(born_on: date) -> str:
    """The year only."""
    return f"{born_on.year:04}-{_HIDDEN * 2}-{_HIDDEN * 2}"


def masked_value(kind: str, value: str) -> str:
    """The last four digits of a number, the domain of an address, nothing of a home."""
    match kind:
        case "mobile":
            digits = "".join(character for character in value if character.isdigit())
            return _HIDDEN * 4 + digits[-4:] if len(digits) > 7 else _HIDDEN * 4
        case "email":
            return _HIDDEN * 3 + "@" + value.rpartition("@")[2] if "@" in value else _HIDDEN * 4
        case _:
            return _HIDDEN * 4
