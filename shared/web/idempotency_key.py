"""The `Idempotency-Key` request header (draft-ietf-httpapi-idempotency-key-header-07)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from shared.web.problems import FieldError, IdempotencyKeyMissing

HEADER: Final = "Idempotency-Key"
DESCRIPTION: Final = (
    "Names this command for ever: repeating it with the same key and body returns the first response, byte for byte. "
    "Up to 255 visible ASCII characters, best a UUID, plain or as a quoted structured-field string."
)
_KEY = re.compile(r'"([\x21\x23-\x5b\x5d-\x7e]{1,255})"|([\x21\x23-\x5b\x5d-\x7e]{1,255})')


def idempotency_key_of(headers: Mapping[str, str]) -> str:
    """The key of a command. Raises IdempotencyKeyMissing (400) when absent or not usable."""
    match = _KEY.fullmatch(headers.get(HEADER, "").strip())
    if match is None:
        error = FieldError("header", f"/{HEADER}", "missing", "must be 1 to 255 visible ASCII characters")
        raise IdempotencyKeyMissing(errors=[error])
    return match.group(1) or match.group(2)
