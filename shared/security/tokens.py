"""Verification of access tokens (OpenID Connect; JWT access tokens after RFC 9068)."""

from __future__ import annotations

import hashlib
import warnings
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Self

import httpx
from joserfc import jwt
from joserfc.errors import ExpiredTokenError, JoseError, SecurityWarning
from joserfc.jwk import Key
from joserfc.jws import JWSRegistry, extract_compact
from joserfc.jwt import JWTClaimsRegistry

from shared.clock import Clock
from shared.security.callers import Caller
from shared.security.key_cache import KeyCache, KeysUnavailableError, UnknownKeyError
from shared.settings import ServiceSettings
from shared.telemetry.metrics import count
from shared.web.problems import NotAllowed, NotAuthenticated, TemporarilyUnavailable

ALGORITHMS: Final = ("Ed25519", "EdDSA", "ES256", "RS256")
LEEWAY_SECONDS: Final = 30
DEVELOPMENT_CLAIM: Final = "doorstep_development"
_TOKEN_TYPES: Final = frozenset({None, "jwt", "at+jwt"})
_MAX_TOKEN_LENGTH: Final = 8192
_KNOWN_TOKENS: Final = 4096

# RFC 9864 prefers the name Ed25519; identity providers still sign with the older name EdDSA, which we accept.
warnings.filterwarnings("ignore", message="EdDSA is deprecated", category=SecurityWarning)


@dataclass(frozen=True, slots=True)
class _Signed:
    kid: str
    key: Key
    claims: dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Accepted:
    """A token that was accepted: by which key, who calls, and between which seconds its times hold."""

    kid: str
    key: Key
    caller: Caller
    begins: float
    ends: float

    @classmethod
    def of(cls, signed: _Signed, caller: Caller) -> Self:
        claims = signed.claims
        return cls(signed.kid, signed.key, caller, max(claims.get("nbf", 0), claims.get("iat", 0)), claims["exp"])

    def holds_at(self, seconds: int) -> bool:
        return self.begins - LEEWAY_SECONDS <= seconds < self.ends + LEEWAY_SECONDS


class TokenVerifier:
    """Turns a token into a `Caller`, or refuses. Time is real time: tokens have nothing to do with business time."""

    def __init__(
        self, *, issuer: str, audience: str, tenant: str, keys: KeyCache, clock: Clock, allow_development_issuer: bool
    ) -> None:
        self._tenant = tenant
        self._keys = keys
        self._allow_development_issuer = allow_development_issuer
        self._known: OrderedDict[bytes, _Accepted] = OrderedDict()
        self._clock = clock
        self._registry = JWSRegistry(algorithms=list(ALGORITHMS))
        self._claims = JWTClaimsRegistry(
            now=lambda: int(clock.real_now().timestamp()),
            leeway=LEEWAY_SECONDS,
            iss={"essential": True, "value": issuer},
            aud={"essential": True, "value": audience},
            exp={"essential": True},
            sub={"essential": True},
            tenant={"essential": True},
        )

    @classmethod
    def from_settings(
        cls, settings: ServiceSettings, clock: Clock, *, transport: httpx.AsyncBaseTransport | None = None
    ) -> Self:
        """The verifier of a service. Raises ValueError in production for an issuer without TLS."""
        production = settings.environment == "production"
        if production and not settings.oidc_issuer.startswith("https://"):
            raise ValueError("production needs an issuer behind TLS (https)")
        keys = KeyCache.of_issuer(settings.oidc_issuer, allow_development=not production, transport=transport)
        return cls(
            issuer=settings.oidc_issuer,
            audience=settings.oidc_audience,
            tenant=settings.tenant,
            keys=keys,
            clock=clock,
            allow_development_issuer=not production,
        )

    async def verify(self, token: str) -> Caller:
        """The caller. Raises NotAuthenticated (401), NotAllowed (403, foreign tenant), TemporarilyUnavailable (503, no
        keys).
        """
        if len(token) > _MAX_TOKEN_LENGTH:
            raise _refusal("longer than any of ours")
        try:
            digest = hashlib.sha256(token.encode("ascii", "strict")).digest()
            known = await self._accepted(digest)
            if known is not None:
                return known.caller
            signed = await self._signed(token)
            self._claims.validate(signed.claims)
        except ExpiredTokenError as error:
            raise _refusal("expired") from error
        except (JoseError, UnknownKeyError, UnicodeError, ValueError, TypeError, KeyError) as error:
            raise _refusal("not valid here") from error
        except KeysUnavailableError as error:
            raise TemporarilyUnavailable("the issuer's keys are not available", retry_after_seconds=2) from error
        caller = self._caller(signed.claims)
        self._known[digest] = _Accepted.of(signed, caller)
        if len(self._known) > _KNOWN_TOKENS:
            self._known.popitem(last=False)
        return caller

    def _caller(self, claims: Mapping[str, Any]) -> Caller:
        if claims.get(DEVELOPMENT_CLAIM) and not self._allow_development_issuer:
            raise _refusal("a token of a development issuer")
        if claims["tenant"] != self._tenant:
            raise NotAllowed("the token is for another tenant")
        subject = claims["sub"]
        client_id = claims.get("client_id", claims.get("azp", subject))
        scopes, attributes = claims.get("scope", ""), claims.get("attributes", {})
        if not (isinstance(subject, str) and isinstance(client_id, str) and isinstance(scopes, str)):
            raise _refusal("a claim has the wrong form")
        return Caller(
            subject=subject,
            tenant=self._tenant,
            scopes=frozenset(scopes.split()),
            client_id=client_id,
            attributes=_attributes(attributes),
        )

    async def _accepted(self, digest: bytes) -> _Accepted | None:
        """The token as it was accepted before, while the issuer still has the key and its times hold: nothing else of
        what was looked at can change. None: it is to be looked at anew, and says itself what is wrong.
        """
        known = self._known.get(digest)
        if known is None or not known.holds_at(int(self._clock.real_now().timestamp())):
            return None
        if await self._keys.key(known.kid) is not known.key:
            return None
        self._known.move_to_end(digest)
        return known

    async def _signed(self, token: str) -> _Signed:
        """What the issuer signed."""
        header = extract_compact(token.encode("ascii", "strict"), registry=self._registry).headers()
        kid, kind = header.get("kid"), header.get("typ")
        if not isinstance(kid, str) or header.get("alg") not in ALGORITHMS:
            raise _refusal("without key id, or signed with an algorithm that is not allowed")
        if (kind.lower() if isinstance(kind, str) else kind) not in _TOKEN_TYPES:
            raise _refusal("not an access token")
        key = await self._keys.key(kid)
        if key.get("alg") not in (None, header["alg"]):
            raise _refusal("signed with another algorithm than the key's")
        return _Signed(kid, key, jwt.decode(token, key, registry=self._registry).claims)


def _attributes(value: object) -> Mapping[str, str]:
    if not isinstance(value, dict) or not all(isinstance(v, str) for v in value.values()):
        raise _refusal("a claim has the wrong form")
    return MappingProxyType(dict(value))


def _refusal(reason: str) -> NotAuthenticated:
    count("doorstep.tokens.refused", reason=reason)
    return NotAuthenticated(
        f"the access token is {reason}" if reason == "expired" else f"the access token is refused: {reason}",
        headers={"WWW-Authenticate": 'Bearer error="invalid_token"'},
    )
