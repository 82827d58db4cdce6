"""Publication of a service's public signing keys."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter
from pydantic import BaseModel, Field, JsonValue
from starlette.responses import JSONResponse

from shared.security.signing import SigningKey

# The public key of RFC 8037, appendix A.2.
EXAMPLE_KEY: Final[dict[str, JsonValue]] = {
    "kty": "OKP",
    "crv": "Ed25519",
    "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
    "kid": "permit-6f1f0c2a9b3d4e58",
    "alg": "Ed25519",
    "use": "sig",
}


class KeySet(BaseModel):
    """A JSON Web Key Set (RFC 7517) of public keys."""

    keys: list[dict[str, JsonValue]] = Field(
        description="Public keys, the present one and those that it replaced; `kid` names the key of a signature.",
        examples=[[EXAMPLE_KEY]],
    )


def jwks_router(*keys: SigningKey) -> APIRouter:
    """`/.well-known/jwks.json`: the public halves of `keys`."""
    router = APIRouter(tags=["operation"])

    @router.get(
        "/.well-known/jwks.json", summary="Public signing keys", operation_id="read_signing_keys", response_model=KeySet
    )
    async def jwks() -> JSONResponse:
        """The keys (RFC 7517) that verify what this service signs; may be cached for five minutes."""
        published = [key for named in keys for key in named.public_keys()]
        return JSONResponse({"keys": published}, headers={"Cache-Control": "public, max-age=300"})

    return router
