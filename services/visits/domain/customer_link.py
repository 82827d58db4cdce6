"""The customer's own keys to a visit: the link in the offer, and the code that the crew shows at the door."""

from __future__ import annotations

import base64
import binascii
import hmac
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from shared.web.problems import KnownProblem

_VISIT_BYTES: Final = 16
_EXPIRY_BYTES: Final = 5  # seconds since 1970; enough for 34,000 years
_MAC_BYTES: Final = 16
# Crockford's Base32: no I, L, O, U, so that a code can be read aloud; eight letters are 40 bits.
_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
DOOR_CODE_LENGTH: Final = 8
_LOOKALIKES: Final = str.maketrans({"I": "1", "L": "1", "O": "0", "-": None, " ": None})


class LinkRefused(KnownProblem):
    """The customer's link is not one of ours, or belongs to another visit."""

    kind, status, title = "link-refused", 403, "The link is not valid for this visit"


class LinkExpired(KnownProblem):
    """The time to answer through this link is over; a request to stop is still accepted."""

    kind, status, title = "link-expired", 403, "The time to answer is over"


@dataclass(frozen=True, slots=True)
class CustomerLink:
    """What a genuine link says."""

    visit_id: UUID
    expires_at: datetime


def make_link(visit_id: UUID, *, expires_at: datetime, secret: bytes) -> str:
    """The link token: visit id and expiry (business time) under an HMAC-SHA-256 (RFC 2104), truncated to 128 bits."""
    body = visit_id.bytes + int(expires_at.timestamp()).to_bytes(_EXPIRY_BYTES)
    return base64.urlsafe_b64encode(body + _mac(secret, body)).decode().rstrip("=")


def read_link(token: str, *, secret: bytes) -> CustomerLink:
    """What the token says, whether or not its time is over. Raises LinkRefused."""
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise LinkRefused() from error
    body, mac = raw[: _VISIT_BYTES + _EXPIRY_BYTES], raw[_VISIT_BYTES + _EXPIRY_BYTES :]
    if not hmac.compare_digest(mac, _mac(secret, body)):
        raise LinkRefused()
    seconds = int.from_bytes(body[_VISIT_BYTES:])
    return CustomerLink(UUID(bytes=body[:_VISIT_BYTES]), datetime.fromtimestamp(seconds, UTC))


def door_code(visit_id: UUID, *, secret: bytes) -> str:
    """The code of a visit: the same in every process, not to be guessed from the visit's id."""
    bits = int.from_bytes(hmac.digest(secret, b"door" + visit_id.bytes, "sha256")[:5])
    return "".join(_ALPHABET[bits >> shift & 31] for shift in range(35, -1, -5))


def normal_code(text: str) -> str:
    """A code as people type it (lower case, dashes, look-alike letters) in the form in which it is kept."""
    return text.upper().translate(_LOOKALIKES)


def _mac(secret: bytes, body: bytes) -> bytes:
    return hmac.digest(secret, b"link" + body, "sha256")[:_MAC_BYTES]
