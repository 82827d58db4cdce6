"""Development issuer: `python -m shared.security.issuer`. A small OpenID provider for a laptop and for tests, never for
production.

It knows the client-credentials grant only. Every token, and the discovery document, says that it is a development one,
which services refuse in production; it refuses to start there itself. Its keys live in memory: after a restart services
meet an unknown key id and fetch the new keys.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import secrets
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import parse_qsl, urlsplit

import uvicorn
from fastapi import FastAPI
from joserfc import jwt
from joserfc.jwk import OKPKey
from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict
from starlette.requests import Request
from starlette.responses import JSONResponse

from shared.security.clients import DevelopmentClient, read_clients
from shared.security.tokens import DEVELOPMENT_CLAIM
from shared.telemetry.logs import setup_logging

TOKEN_SECONDS: Final = 900
_ALGORITHM: Final = "Ed25519"
_MAX_FORM_BYTES: Final = 16 * 1024


class DevelopmentIssuerRefusedError(RuntimeError):
    """The development issuer was started outside development."""


class IssuerSettings(BaseSettings):
    """Settings of the development issuer (prefix `DOORSTEP_`, as for the services)."""

    model_config = SettingsConfigDict(env_prefix="DOORSTEP_", extra="ignore", frozen=True)

    environment: Literal["development", "production"] = Field("production", description="Must be development.")
    tenant: str = Field("bank", description="Tenant that its tokens are for.")
    oidc_issuer: str = Field("http://127.0.0.1:8100", description="Its own address; it listens on this host and port.")
    oidc_audience: str = Field("doorstep", description="Audience of its tokens.")
    issuer_clients: Path = Field(description="JSON file of clients (see shared/security/clients.py), 0600.")


class _TokenError(Exception):
    """An error answer of the token endpoint (RFC 6749 section 5.2)."""

    def __init__(self, code: str, status: int = 400) -> None:
        super().__init__(code)
        self.code = code
        self.status = status


class DevelopmentIssuer:
    """Issues tokens to known clients and publishes the keys that verify them."""

    def __init__(
        self,
        *,
        issuer: str,
        audience: str,
        tenant: str,
        clients: Mapping[str, DevelopmentClient],
        real_now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.issuer = issuer.rstrip("/")
        self._audience = audience
        self._tenant = tenant
        self._clients = clients
        self._real_now = real_now
        self._keys = [_new_key()]

    def rotate(self, *, retire: bool = False) -> str:
        """Sign with a new key. `retire` withdraws the older keys at once; otherwise they stay published."""
        self._keys = [_new_key()] if retire else [_new_key(), *self._keys[:3]]
        return str(self._keys[0].kid)

    def jwks(self) -> dict[str, Any]:
        """The public keys."""
        return {"keys": [key.as_dict(private=False) for key in self._keys]}

    def discovery(self) -> dict[str, Any]:
        """The discovery document (OpenID Connect Discovery 1.0)."""
        return {
            "issuer": self.issuer,
            "jwks_uri": f"{self.issuer}/jwks",
            "token_endpoint": f"{self.issuer}/token",
            "grant_types_supported": ["client_credentials"],
            "response_types_supported": ["token"],
            "subject_types_supported": ["public"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
            "id_token_signing_alg_values_supported": [_ALGORITHM],
            DEVELOPMENT_CLAIM: True,
        }

    def authenticate(self, client_id: str, client_secret: str) -> DevelopmentClient:
        """The client of that name and secret. Raises _TokenError."""
        client = self._clients.get(client_id)
        expected = client.client_secret if client is not None else secrets.token_urlsafe(24)
        if not hmac.compare_digest(expected.encode(), client_secret.encode()) or client is None:
            raise _TokenError("invalid_client", 401)
        return client

    def issue(self, client: DevelopmentClient, form: Mapping[str, str]) -> dict[str, Any]:
        """The token endpoint's answer. Raises _TokenError."""
        if form.get("grant_type") != "client_credentials":
            raise _TokenError("unsupported_grant_type")
        if form.get("audience", self._audience) != self._audience:
            raise _TokenError("invalid_target")
        granted = frozenset(form["scope"].split()) if form.get("scope") else client.scopes
        if not granted <= client.scopes:
            raise _TokenError("invalid_scope")
        subject, attributes = _person(client, form)
        token = self.sign(
            {
                "sub": subject,
                "client_id": client.client_id,
                "scope": " ".join(sorted(granted)),
                "attributes": attributes,
            }
        )
        return {
            "access_token": token,
            "token_type": "Bearer",
            "expires_in": TOKEN_SECONDS,
            "scope": " ".join(sorted(granted)),
        }

    def sign(self, claims: Mapping[str, Any], *, life_seconds: int = TOKEN_SECONDS) -> str:
        """A signed token with the standard claims added; given claims win (tests make wrong tokens with it)."""
        now = int(self._real_now().timestamp())
        standard = {
            "iss": self.issuer,
            "aud": self._audience,
            "tenant": self._tenant,
            "iat": now,
            "nbf": now,
            "exp": now + life_seconds,
            "jti": secrets.token_hex(12),
            DEVELOPMENT_CLAIM: True,
        }
        header = {"alg": _ALGORITHM, "kid": str(self._keys[0].kid), "typ": "at+jwt"}
        return jwt.encode(header, {**standard, **claims}, self._keys[0], algorithms=[_ALGORITHM])


def create_issuer_app(issuer: DevelopmentIssuer) -> FastAPI:
    """The issuer's HTTP side: discovery, `/jwks`, `/token`, and `/rotate` for a client that acts for others."""
    app = FastAPI(title="Doorstep development issuer", docs_url=None, redoc_url=None, openapi_url=None)

    @app.get("/.well-known/openid-configuration")
    async def discovery() -> JSONResponse:
        return JSONResponse(issuer.discovery())

    @app.get("/jwks")
    async def jwks() -> JSONResponse:
        return JSONResponse(issuer.jwks())

    @app.post("/token")
    async def token(request: Request) -> JSONResponse:
        try:
            form = await _form(request)
            answer = issuer.issue(issuer.authenticate(*_credentials(request, form)), form)
        except _TokenError as error:
            return _error(error)
        return JSONResponse(answer, headers={"Cache-Control": "no-store"})

    @app.post("/rotate")
    async def rotate(request: Request) -> JSONResponse:
        try:
            form = await _form(request)
            if not issuer.authenticate(*_credentials(request, form)).acts_for_others:
                raise _TokenError("unauthorized_client", 403)
        except _TokenError as error:
            return _error(error)
        return JSONResponse({"kid": issuer.rotate(retire=form.get("retire") == "true")})

    return app


def main() -> None:
    """Run the issuer at the address that the services know it by. Raises DevelopmentIssuerRefusedError in
    production.
    """
    settings = IssuerSettings()
    app = issuer_app_of(settings)
    address = urlsplit(settings.oidc_issuer)
    setup_logging(service="issuer", tenant=settings.tenant)
    uvicorn.run(
        app,
        host=address.hostname or "127.0.0.1",
        port=address.port or 80,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=3,
    )


def issuer_app_of(settings: IssuerSettings) -> FastAPI:
    """The app of these settings. Raises DevelopmentIssuerRefusedError in production."""
    if settings.environment != "development":
        raise DevelopmentIssuerRefusedError("the development issuer runs only with DOORSTEP_ENVIRONMENT=development")
    issuer = DevelopmentIssuer(
        issuer=settings.oidc_issuer,
        audience=settings.oidc_audience,
        tenant=settings.tenant,
        clients=read_clients(settings.issuer_clients),
    )
    return create_issuer_app(issuer)


def _new_key() -> OKPKey:
    return OKPKey.generate_key("Ed25519", {"kid": secrets.token_hex(8), "use": "sig", "alg": _ALGORITHM})


def _person(client: DevelopmentClient, form: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    if "subject" not in form and "attributes" not in form:
        return client.client_id, client.attributes
    if not client.acts_for_others:
        raise _TokenError("unauthorized_client")
    try:
        attributes = json.loads(form.get("attributes", "{}"))
    except ValueError as error:
        raise _TokenError("invalid_request") from error
    if not isinstance(attributes, dict) or not all(isinstance(value, str) for value in attributes.values()):
        raise _TokenError("invalid_request")
    return form.get("subject", client.client_id), {**client.attributes, **attributes}


async def _form(request: Request) -> dict[str, str]:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MAX_FORM_BYTES:
            raise _TokenError("invalid_request", 413)
    try:
        return dict(parse_qsl(body.decode("ascii"), keep_blank_values=True))
    except ValueError as error:
        raise _TokenError("invalid_request") from error


def _credentials(request: Request, form: Mapping[str, str]) -> tuple[str, str]:
    kind, _, value = request.headers.get("authorization", "").partition(" ")
    if kind.lower() != "basic":
        return form.get("client_id", ""), form.get("client_secret", "")
    try:
        name, _, secret = base64.b64decode(value, validate=True).decode().partition(":")
    except (binascii.Error, ValueError) as error:
        raise _TokenError("invalid_client", 401) from error
    return name, secret


def _error(error: _TokenError) -> JSONResponse:
    headers = {"WWW-Authenticate": 'Basic realm="issuer"'} if error.status == 401 else None
    return JSONResponse({"error": error.code}, status_code=error.status, headers=headers)


if __name__ == "__main__":
    main()
