"""Publication of a service's public signing keys."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import JSONResponse

from shared.security.signing import SigningKey


def jwks_router(*keys: SigningKey) -> APIRouter:
    """`/.well-known/jwks.json`: the public halves of `keys`."""
    router = APIRouter(tags=["operation"])

    @router.get("/.well-known/jwks.json", summary="Public signing keys")
    async def jwks() -> JSONResponse:
        """The keys (RFC 7517) that verify what this service signs; may be cached for five minutes."""
        published = [key for named in keys for key in named.public_keys()]
        return JSONResponse({"keys": published}, headers={"Cache-Control": "public, max-age=300"})

    return router
