"""Access tokens for this service's own calls (OAuth 2.0 client credentials, RFC 6749 section 4.4)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, Final, Protocol, Self

import httpx

from shared.security.authorities import trusted_authorities
from shared.settings import ServiceSettings

# A token is renewed when this share of its life is left, so that none expires on its way.
_RENEW_AT_REMAINING_SHARE: Final = 0.2


class TokenUnavailableError(Exception):
    """The issuer gave no token."""


class TokenSource(Protocol):
    """Where a client gets its access token."""

    async def token(self) -> str:
        """A valid access token. Raises TokenUnavailableError."""
        ...

    def forget(self) -> None:
        """Drop the cached token: the other side did not accept it."""
        ...


class ClientCredentials:
    """Tokens of one client at one issuer, cached until near their expiry; concurrent callers share one request."""

    def __init__(
        self,
        *,
        issuer: str,
        client_id: str,
        client_secret: str,
        audience: str,
        scopes: frozenset[str] = frozenset(),
        parameters: dict[str, str] | None = None,
        timeout_seconds: float = 5.0,
        transport: httpx.AsyncBaseTransport | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._issuer = issuer.rstrip("/")
        self._form = {"grant_type": "client_credentials", "audience": audience, **(parameters or {})}
        if scopes:
            self._form["scope"] = " ".join(sorted(scopes))
        self._http = httpx.AsyncClient(
            auth=httpx.BasicAuth(client_id, client_secret),
            timeout=timeout_seconds,
            transport=transport,
            verify=trusted_authorities(),
        )
        self._monotonic = monotonic
        self._lock = asyncio.Lock()
        self._endpoint: str | None = None
        self._token: str | None = None
        self._renew_at = 0.0

    @classmethod
    def from_settings(cls, settings: ServiceSettings, *, transport: httpx.AsyncBaseTransport | None = None) -> Self:
        """The service's own client, with every scope it may be granted."""
        return cls(
            issuer=settings.oidc_issuer,
            client_id=settings.oidc_client_id,
            client_secret=settings.oidc_client_secret.get_secret_value(),
            audience=settings.oidc_audience,
            transport=transport,
        )

    async def token(self) -> str:
        """A token with enough life left. Raises TokenUnavailableError."""
        if self._token is not None and self._monotonic() < self._renew_at:
            return self._token
        async with self._lock:
            if self._token is None or self._monotonic() >= self._renew_at:
                await self._renew()
            assert self._token is not None
            return self._token

    def forget(self) -> None:
        """Drop the cached token."""
        self._token = None

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _renew(self) -> None:
        try:
            if self._endpoint is None:
                found = await self._http.get(f"{self._issuer}/.well-known/openid-configuration", auth=None)
                self._endpoint = str(found.raise_for_status().json()["token_endpoint"])
            response = await self._http.post(self._endpoint, data=self._form)
            answer: dict[str, Any] = response.raise_for_status().json()
            token, life_seconds = str(answer["access_token"]), float(answer.get("expires_in", 60))
        except httpx.HTTPStatusError as error:
            raise TokenUnavailableError(f"the issuer answered {error.response.status_code}") from error
        except (httpx.HTTPError, KeyError, TypeError, ValueError) as error:
            raise TokenUnavailableError(f"the issuer gave no token ({type(error).__name__})") from error
        self._token = token
        self._renew_at = self._monotonic() + life_seconds * (1 - _RENEW_AT_REMAINING_SHARE)
