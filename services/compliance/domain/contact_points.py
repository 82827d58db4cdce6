"""Contact points in the one form that is committed (HMAC), however they were written."""

from __future__ import annotations

import unicodedata


def normalised(contact_point: str) -> str:
    """A number, e-mail or address in its one form (Unicode NFKC).

    Of a number the digits count, of which a leading `+` or `00` says that they begin with the country's.
    """
    text = unicodedata.normalize("NFKC", contact_point).casefold().strip()
    if "@" in text:
        return "".join(text.split())
    if any(one.isalpha() for one in text):
        return "".join(one for one in text if one.isalnum())
    digits = "".join(one for one in text if one.isdecimal())
    return f"+{digits.removeprefix('00')}" if text.startswith(("+", "00")) else digits
