"""The visit permit as compliance signed it, and the signed list of permits that it revoked since."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, TypeVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shared.moments import Moment
from shared.security.signing import SignatureInvalidError, verify_document

PERMIT_KIND: Final = "permit+jwt"
REVOCATION_LIST_KIND: Final = "revocations+jwt"
MAX_TOKEN_LENGTH: Final = 8_192
JsonWebKey = Mapping[str, Any]
M = TypeVar("M", bound=BaseModel)


class NotGenuineError(Exception):
    """The token was not signed by compliance for this use, or was changed. The text says which, and quotes nothing."""


class PermitClaims(BaseModel):
    """What a permit binds. `nbf` and `exp` are business time: the law's windows are."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    issuer: Literal["compliance"] = Field(alias="iss")
    permit_id: UUID = Field(alias="jti")
    party_id: UUID = Field(alias="sub")
    tenant: str
    subject_id: UUID
    channel: str
    purpose: str
    crew: tuple[UUID, ...]
    device_id: str | None
    place_cell: str | None
    not_before: Moment = Field(alias="nbf")
    expires: Moment = Field(alias="exp")
    duration_minutes: int = Field(ge=0)


class RevocationList(BaseModel):
    """All revoked permits of one device.

    `as_of` is compliance's low watermark (real time) when it signed; None while a feeder was silent: such a list
    revokes, but vouches for nothing.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    number: int = Field(ge=0)
    as_of: Moment | None
    device_id: str
    permit_ids: frozenset[UUID]


def key_id_of(token: str) -> str | None:
    """The key that a token claims to be signed with; None for what is no token. Proves nothing."""
    try:
        header = json.loads(base64.urlsafe_b64decode(token.partition(".")[0] + "=="))
    except (ValueError, UnicodeError):
        return None
    kid = header.get("kid") if isinstance(header, dict) else None
    return kid if isinstance(kid, str) else None


def read_permit(token: str, keys: Sequence[JsonWebKey]) -> PermitClaims:
    """The claims of a permit that one of `keys` signed. Raises NotGenuineError."""
    return _read(token, keys, PERMIT_KIND, PermitClaims)


def read_revocation_list(token: str, keys: Sequence[JsonWebKey]) -> RevocationList:
    """The content of a revocation list that one of `keys` signed. Raises NotGenuineError."""
    return _read(token, keys, REVOCATION_LIST_KIND, RevocationList)


def _read(token: str, keys: Sequence[JsonWebKey], kind: str, model: type[M]) -> M:
    if len(token) > MAX_TOKEN_LENGTH:
        raise NotGenuineError("longer than any of compliance's")
    try:
        return model.model_validate(verify_document(token, keys, kind=kind))
    except SignatureInvalidError as error:
        raise NotGenuineError(str(error)) from error
    except ValidationError as error:
        raise NotGenuineError("signed, but its claims do not have the agreed form") from error
