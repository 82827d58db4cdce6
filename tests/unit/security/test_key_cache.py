"""Rotation, rate limit, and outages of the keys' owner."""

import asyncio

import httpx
import pytest

from shared.security.issuer import DevelopmentIssuer
from shared.security.key_cache import KeyCache, KeysUnavailableError, UnknownKeyError
from shared.security.tokens import TokenVerifier
from shared.web.problems import NotAuthenticated, TemporarilyUnavailable
from tests.unit.security.conftest import Counting, Monotonic

CLAIMS = {"sub": "visits", "scope": "intake.snapshot"}


async def test_keys_are_fetched_once(verifier: TokenVerifier, issuer: DevelopmentIssuer, line: Counting) -> None:
    await asyncio.gather(*(verifier.verify(issuer.sign(CLAIMS)) for _ in range(20)))
    assert line.paths == ["/.well-known/openid-configuration", "/jwks"]


async def test_new_key_is_fetched(verifier: TokenVerifier, issuer: DevelopmentIssuer, monotonic: Monotonic) -> None:
    old = issuer.sign(CLAIMS)
    await verifier.verify(old)
    issuer.rotate()
    monotonic.seconds += 11
    await verifier.verify(issuer.sign(CLAIMS))
    await verifier.verify(old)


async def test_withdrawn_key_dies_with_the_next_fetch(
    verifier: TokenVerifier, issuer: DevelopmentIssuer, monotonic: Monotonic
) -> None:
    old = issuer.sign(CLAIMS)
    await verifier.verify(old)
    issuer.rotate(retire=True)
    monotonic.seconds += 301
    with pytest.raises(NotAuthenticated):
        await verifier.verify(old)


async def test_unknown_ids_cannot_make_us_ask_often(
    verifier: TokenVerifier, issuer: DevelopmentIssuer, line: Counting, monotonic: Monotonic
) -> None:
    await verifier.verify(issuer.sign(CLAIMS))
    stranger = DevelopmentIssuer(issuer=issuer.issuer, audience="doorstep", tenant="bank", clients={})
    for _ in range(50):
        stranger.rotate()
        with pytest.raises(NotAuthenticated):
            await verifier.verify(stranger.sign(CLAIMS))
    assert line.paths.count("/jwks") == 1
    monotonic.seconds += 11
    for _ in range(5):
        with pytest.raises(NotAuthenticated):
            await verifier.verify(stranger.sign(CLAIMS))
    assert line.paths.count("/jwks") == 2


async def test_outage_is_bridged_and_bounded(
    keys: KeyCache, issuer: DevelopmentIssuer, line: Counting, monotonic: Monotonic
) -> None:
    kid = str(issuer.jwks()["keys"][0]["kid"])
    await keys.key(kid)
    line.cut = True
    monotonic.seconds += 3000
    await keys.key(kid)
    monotonic.seconds += 700
    with pytest.raises(KeysUnavailableError):
        await keys.key(kid)
    line.cut = False
    monotonic.seconds += 11
    await keys.key(kid)


async def test_an_owner_that_hangs_holds_up_one_caller(issuer: DevelopmentIssuer, monotonic: Monotonic) -> None:
    hangs, asked = asyncio.Event(), 0

    async def answer(_: httpx.Request) -> httpx.Response:
        nonlocal asked
        asked += 1
        if asked > 1:
            hangs.set()
            await asyncio.Event().wait()
        return httpx.Response(200, json=issuer.jwks())

    keys = KeyCache(jwks_url="http://s.test/jwks", transport=httpx.MockTransport(answer), monotonic=monotonic)
    kid = str(issuer.jwks()["keys"][0]["kid"])
    await keys.key(kid)
    monotonic.seconds += 301
    held_up = asyncio.create_task(keys.key(kid))
    await hangs.wait()
    await keys.key(kid)
    held_up.cancel()
    await keys.close()


async def test_no_keys_at_start_is_not_the_callers_fault(
    verifier: TokenVerifier, issuer: DevelopmentIssuer, line: Counting
) -> None:
    line.cut = True
    with pytest.raises(TemporarilyUnavailable):
        await verifier.verify(issuer.sign(CLAIMS))


@pytest.mark.parametrize(
    "document",
    [
        {"issuer": "http://other.test", "jwks_uri": "http://issuer.test/jwks"},
        {"issuer": "http://issuer.test"},
        [],
        "x" * 300_000,
    ],
    ids=["other issuer", "no address", "no object", "too large"],
)
async def test_wrong_discovery_document(document: object) -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(200, json=document))
    cache = KeyCache.of_issuer("http://issuer.test", allow_development=True, transport=transport)
    with pytest.raises(KeysUnavailableError):
        await cache.key("k")
    await cache.close()


async def test_symmetric_key_in_the_set_is_ignored() -> None:
    keys = {"keys": [{"kty": "oct", "k": "c2VjcmV0c2VjcmV0c2VjcmV0", "kid": "k"}]}
    cache = KeyCache(
        jwks_url="http://s.test/jwks", transport=httpx.MockTransport(lambda _: httpx.Response(200, json=keys))
    )
    with pytest.raises(UnknownKeyError):
        await cache.key("k")
    await cache.close()
