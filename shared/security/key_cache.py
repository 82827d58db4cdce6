"""Public keys of others (JWKS, RFC 7517): cached, rotated on an unknown key id, kept for a while when their owner is
away.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final, Self

import httpx
from joserfc.errors import JoseError
from joserfc.jwk import Key, KeySet

from shared.security.authorities import trusted_authorities

FRESH_SECONDS: Final = 300.0
STALE_SECONDS: Final = 3600.0
REFETCH_EVERY_SECONDS: Final = 10.0
_MAX_DOCUMENT_BYTES: Final = 256 * 1024


class UnknownKeyError(Exception):
    """The owner publishes no key of that id."""


class KeysUnavailableError(Exception):
    """The owner cannot be reached and what was known is too old, or nothing was known."""


class KeyCache:
    """Keys by id. A fetch happens when the keys are older than FRESH_SECONDS or an id is unknown, at most every 10 s.

    One caller waits for the fetch; the others go on with a key that is known. While the owner is away, keys serve up to
    STALE_SECONDS: long enough for an outage, bounded so that a withdrawn key dies.
    """

    def __init__(
        self,
        *,
        jwks_url: str = "",
        discovery_url: str = "",
        issuer: str = "",
        allow_development: bool = False,
        timeout_seconds: float = 3.0,
        transport: httpx.AsyncBaseTransport | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._jwks_url = jwks_url
        self._discovery_url = discovery_url
        self._issuer = issuer
        self._allow_development = allow_development
        self._http = httpx.AsyncClient(
            timeout=timeout_seconds, transport=transport, verify=trusted_authorities(), follow_redirects=False
        )
        self._monotonic = monotonic
        self._lock = asyncio.Lock()
        self._keys: dict[str, Key] = {}
        self._fetched_at = float("-inf")
        self._tried_at = float("-inf")

    @classmethod
    def of_issuer(
        cls,
        issuer: str,
        *,
        allow_development: bool,
        transport: httpx.AsyncBaseTransport | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> Self:
        """The keys of an OpenID provider, found through its discovery document."""
        return cls(
            discovery_url=f"{issuer.rstrip('/')}/.well-known/openid-configuration",
            issuer=issuer,
            allow_development=allow_development,
            transport=transport,
            monotonic=monotonic,
        )

    @classmethod
    def of_service(cls, base_url: str, *, transport: httpx.AsyncBaseTransport | None = None) -> Self:
        """The public signing keys of a service (permits, signed answers)."""
        return cls(jwks_url=f"{base_url.rstrip('/')}/.well-known/jwks.json", transport=transport)

    async def key(self, kid: str) -> Key:
        """The key of that id. Raises UnknownKeyError, KeysUnavailableError."""
        key = self._keys.get(kid)
        # Where somebody asks the owner already, nobody else need wait for an owner that may hang.
        if key is not None and self._age() < (STALE_SECONDS if self._lock.locked() else FRESH_SECONDS):
            return key
        async with self._lock:
            known = self._keys.get(kid)
            stale = self._age() >= FRESH_SECONDS
            if (known is None or stale) and self._monotonic() - self._tried_at >= REFETCH_EVERY_SECONDS:
                await self._fetch()
        if self._age() >= STALE_SECONDS:
            raise KeysUnavailableError(self._discovery_url or self._jwks_url)
        key = self._keys.get(kid)
        if key is None:
            raise UnknownKeyError()
        return key

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    def _age(self) -> float:
        return self._monotonic() - self._fetched_at

    async def _fetch(self) -> None:
        self._tried_at = self._monotonic()
        try:
            address = self._jwks_url or await self._discover()
            keys = KeySet.import_key_set(await self._document(address))  # type: ignore[arg-type]
        except (httpx.HTTPError, JoseError, ValueError, KeyError, TypeError):
            return  # what is known serves on, until STALE_SECONDS
        self._keys = {key.kid: key for key in keys if key.kid and key.key_type != "oct"}
        self._fetched_at = self._monotonic()

    async def _discover(self) -> str:
        document = await self._document(self._discovery_url)
        if document["issuer"] != self._issuer:
            raise ValueError("the discovery document is of another issuer")
        if document.get("doorstep_development") and not self._allow_development:
            raise ValueError("a development issuer is refused in production")
        return str(document["jwks_uri"])

    async def _document(self, address: str) -> dict[str, object]:
        response = (await self._http.get(address)).raise_for_status()
        if len(response.content) > _MAX_DOCUMENT_BYTES:
            raise ValueError("the document is too large")
        document = response.json()
        if not isinstance(document, dict):
            raise TypeError("not a JSON object")
        return document
