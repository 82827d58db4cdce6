"""Which tokens are accepted, and every sort that is not."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OKPKey, RSAKey
from pydantic import SecretStr

from shared.clock import FixedClock
from shared.security.issuer import DevelopmentIssuer
from shared.security.key_cache import FRESH_SECONDS, KeyCache
from shared.security.tokens import TokenVerifier
from shared.settings import ServiceSettings
from shared.web.problems import NotAllowed, NotAuthenticated, TemporarilyUnavailable

from .conftest import Monotonic

CLAIMS = {"sub": "visits", "client_id": "visits", "scope": "intake.snapshot compliance.read-windows"}


def b64(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


async def test_caller_of_a_valid_token(verifier: TokenVerifier, issuer: DevelopmentIssuer) -> None:
    caller = await verifier.verify(issuer.sign({**CLAIMS, "attributes": {"collector_id": "c7"}}))
    assert caller.subject == "visits"
    assert caller.tenant == "bank"
    assert caller.scopes == {"intake.snapshot", "compliance.read-windows"}
    assert caller.attribute("collector_id") == "c7"
    with pytest.raises(NotAllowed):
        caller.attribute("party_id")


async def test_expired(verifier: TokenVerifier, issuer: DevelopmentIssuer, clock: FixedClock) -> None:
    token = issuer.sign(CLAIMS, life_seconds=60)
    clock.real += timedelta(seconds=89)
    await verifier.verify(token)
    clock.real += timedelta(seconds=2)
    with pytest.raises(NotAuthenticated, match="expired"):
        await verifier.verify(token)


async def test_known_token_dies_with_its_key(
    verifier: TokenVerifier, issuer: DevelopmentIssuer, monotonic: Monotonic
) -> None:
    token = issuer.sign(CLAIMS)
    await verifier.verify(token)
    issuer.rotate(retire=True)
    monotonic.seconds += FRESH_SECONDS + 1
    with pytest.raises(NotAuthenticated):
        await verifier.verify(token)


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "http://other.test"},
        {"aud": "another"},
        {"aud": ["another"]},
        {"aud": None},
        {"sub": None},
        {"sub": ""},
        {"sub": 7},
        {"tenant": None},
        {"exp": None},
        {"exp": "tomorrow"},
        {"exp": 2**80},
        {"nbf": 4102444800},
        {"scope": ["intake.snapshot"]},
        {"attributes": {"party_id": 7}},
        {"attributes": "x"},
        {"client_id": 7},
    ],
    ids=str,
)
async def test_wrong_claim(verifier: TokenVerifier, issuer: DevelopmentIssuer, claims: dict[str, Any]) -> None:
    token = issuer.sign({**CLAIMS, **claims})
    if claims == {"exp": 2**80}:
        await verifier.verify(token)  # far away, but a date
        return
    with pytest.raises(NotAuthenticated):
        await verifier.verify(token)


@pytest.mark.parametrize("missing", ["iss", "aud", "exp", "sub", "tenant"])
async def test_missing_claim(verifier: TokenVerifier, issuer: DevelopmentIssuer, missing: str) -> None:
    payload = issuer.sign(CLAIMS).split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    del claims[missing]
    key = issuer._keys[0]
    token = jwt.encode({"alg": "Ed25519", "kid": str(key.kid)}, claims, key, algorithms=["Ed25519"])
    with pytest.raises(NotAuthenticated):
        await verifier.verify(token)


async def test_audience_among_several(verifier: TokenVerifier, issuer: DevelopmentIssuer) -> None:
    await verifier.verify(issuer.sign({**CLAIMS, "aud": ["another", "doorstep"]}))


async def test_foreign_tenant(verifier: TokenVerifier, issuer: DevelopmentIssuer) -> None:
    with pytest.raises(NotAllowed, match="tenant"):
        await verifier.verify(issuer.sign({**CLAIMS, "tenant": "other-bank"}))


async def test_algorithm_none(verifier: TokenVerifier, issuer: DevelopmentIssuer) -> None:
    _, payload, _ = issuer.sign(CLAIMS).split(".")
    header = b64(json.dumps({"alg": "none", "kid": issuer._keys[0].kid}).encode())
    for signature in ("", "AAAA"):
        with pytest.raises(NotAuthenticated):
            await verifier.verify(f"{header}.{payload}.{signature}")


async def test_public_key_as_hmac_secret(verifier: TokenVerifier, issuer: DevelopmentIssuer) -> None:
    _, payload, _ = issuer.sign(CLAIMS).split(".")
    header = b64(json.dumps({"alg": "HS256", "kid": issuer._keys[0].kid}).encode())
    content = f"{header}.{payload}"
    signature = hmac.new(issuer._keys[0].as_pem(private=False), content.encode(), hashlib.sha256).digest()
    with pytest.raises(NotAuthenticated):
        await verifier.verify(f"{content}.{b64(signature)}")


async def test_signed_by_a_stranger_under_our_key_id(verifier: TokenVerifier, issuer: DevelopmentIssuer) -> None:
    stranger = OKPKey.generate_key("Ed25519")
    payload = issuer.sign(CLAIMS).split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    token = jwt.encode({"alg": "Ed25519", "kid": str(issuer._keys[0].kid)}, claims, stranger, algorithms=["Ed25519"])
    with pytest.raises(NotAuthenticated):
        await verifier.verify(token)


async def test_changed_claim(verifier: TokenVerifier, issuer: DevelopmentIssuer) -> None:
    header, payload, signature = issuer.sign(CLAIMS).split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    changed = b64(json.dumps({**claims, "scope": "compliance.set-hold"}).encode())
    with pytest.raises(NotAuthenticated):
        await verifier.verify(f"{header}.{changed}.{signature}")


@pytest.mark.parametrize(
    "token", ["", "a", "a.b", "a.b.c", "..", "ü.b.c", "e30.e30.e30", "x" * 9000, "e30.e30.e30.e30.e30"]
)
async def test_nonsense(verifier: TokenVerifier, token: str) -> None:
    with pytest.raises(NotAuthenticated):
        await verifier.verify(token)


async def test_signed_document_of_another_sort(verifier: TokenVerifier, issuer: DevelopmentIssuer) -> None:
    key = issuer._keys[0]
    header = {"alg": "Ed25519", "kid": str(key.kid), "typ": "permit+jwt"}
    payload = issuer.sign(CLAIMS).split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    with pytest.raises(NotAuthenticated, match="not an access token"):
        await verifier.verify(jwt.encode(header, claims, key, algorithms=["Ed25519"]))


async def test_development_token_is_refused_in_production(
    make_verifier: Callable[..., TokenVerifier], issuer: DevelopmentIssuer
) -> None:
    with pytest.raises(NotAuthenticated, match="development"):
        await make_verifier(allow_development_issuer=False).verify(issuer.sign(CLAIMS))


async def test_development_issuer_is_refused_in_production(
    line: httpx.AsyncBaseTransport, clock: FixedClock, issuer: DevelopmentIssuer
) -> None:
    cache = KeyCache.of_issuer("http://issuer.test", allow_development=False, transport=line)
    verifier = TokenVerifier(
        issuer="http://issuer.test",
        audience="doorstep",
        tenant="bank",
        keys=cache,
        clock=clock,
        allow_development_issuer=False,
    )
    with pytest.raises(TemporarilyUnavailable):
        await verifier.verify(issuer.sign(CLAIMS))
    await cache.close()


def production(**overrides: Any) -> ServiceSettings:
    values: dict[str, Any] = {
        "environment": "production",
        "database_url": SecretStr("postgresql://x@db/x"),
        "kafka_bootstrap": "kafka:9092",
        "kafka_username": "visits",
        "oidc_issuer": "https://id.bank.example",
    }
    return ServiceSettings(**(values | overrides))


def test_issuer_without_tls_is_refused_in_production(clock: FixedClock) -> None:
    with pytest.raises(ValueError, match="TLS"):
        TokenVerifier.from_settings(production(oidc_issuer="http://id.bank.example"), clock)


def test_issuer_with_tls_is_accepted_in_production(clock: FixedClock) -> None:
    TokenVerifier.from_settings(production(), clock)


def test_stepped_clock_is_refused_in_production(tmp_path: Any) -> None:
    with pytest.raises(ValueError, match="stepped clock"):
        production(clock_file=tmp_path / "clock")


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [
        (ECKey.generate_key("P-256", {"kid": "e"}), "ES256"),
        (RSAKey.generate_key(2048, {"kid": "r"}), "RS256"),
        (OKPKey.generate_key("Ed25519", {"kid": "o"}), "EdDSA"),
    ],
    ids=["ES256", "RS256", "EdDSA"],
)
async def test_algorithms_of_other_issuers(clock: FixedClock, key: Any, algorithm: str) -> None:
    def serve(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/keys":
            return httpx.Response(200, json={"keys": [key.as_dict(private=False)]})
        return httpx.Response(200, json={"issuer": "https://id.test", "jwks_uri": "https://id.test/keys"})

    cache = KeyCache.of_issuer("https://id.test", allow_development=False, transport=httpx.MockTransport(serve))
    verifier = TokenVerifier(
        issuer="https://id.test",
        audience="doorstep",
        tenant="bank",
        keys=cache,
        clock=clock,
        allow_development_issuer=False,
    )
    claims = {
        "iss": "https://id.test",
        "aud": "doorstep",
        "tenant": "bank",
        "sub": "someone",
        "azp": "collector-app",
        "scope": "visits.read",
        "exp": int(clock.real.timestamp()) + 60,
    }
    token = jwt.encode({"alg": algorithm, "kid": key.kid}, claims, key, algorithms=[algorithm])
    assert (await verifier.verify(token)).client_id == "collector-app"
    await cache.close()
