"""An issuer in the same process, and time that tests turn by hand."""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime

import httpx
import pytest
from fastapi import FastAPI

from shared.clock import FixedClock
from shared.security.clients import DevelopmentClient
from shared.security.issuer import DevelopmentIssuer, create_issuer_app
from shared.security.key_cache import KeyCache
from shared.security.tokens import TokenVerifier

ISSUER = "http://issuer.test"
CLIENTS = {
    "visits": DevelopmentClient(
        client_id="visits", client_secret="v" * 24, scopes=frozenset({"compliance.read-windows", "intake.snapshot"})
    ),
    "demo-driver": DevelopmentClient(
        client_id="demo-driver", client_secret="d" * 24, scopes=frozenset({"visits.check-in"}), acts_for_others=True
    ),
}


class Monotonic:
    """A stopwatch turned by hand."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


class Counting(httpx.AsyncBaseTransport):
    """Passes requests to the issuer, counts them by path, and can cut the line."""

    def __init__(self, app: FastAPI) -> None:
        self._inner = httpx.ASGITransport(app)
        self.paths: list[str] = []
        self.cut = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.paths.append(request.url.path)
        if self.cut:
            raise httpx.ConnectError("cut")
        return await self._inner.handle_async_request(request)


@pytest.fixture
def clock() -> FixedClock:
    """Business time lies years from real time, so that mixing them up is seen."""
    return FixedClock(datetime(2031, 5, 5, tzinfo=UTC), datetime(2026, 11, 23, 12, tzinfo=UTC))


@pytest.fixture
def monotonic() -> Monotonic:
    return Monotonic()


@pytest.fixture
def issuer(clock: FixedClock) -> DevelopmentIssuer:
    return DevelopmentIssuer(
        issuer=ISSUER, audience="doorstep", tenant="bank", clients=CLIENTS, real_now=clock.real_now
    )


@pytest.fixture
def line(issuer: DevelopmentIssuer) -> Counting:
    return Counting(create_issuer_app(issuer))


@pytest.fixture
async def keys(line: Counting, monotonic: Monotonic) -> AsyncIterator[KeyCache]:
    cache = KeyCache.of_issuer(ISSUER, allow_development=True, transport=line, monotonic=monotonic)
    yield cache
    await cache.close()


@pytest.fixture
def make_verifier(keys: KeyCache, clock: FixedClock) -> Callable[..., TokenVerifier]:
    def make(*, allow_development_issuer: bool = True) -> TokenVerifier:
        return TokenVerifier(
            issuer=ISSUER,
            audience="doorstep",
            tenant="bank",
            keys=keys,
            clock=clock,
            allow_development_issuer=allow_development_issuer,
        )

    return make


@pytest.fixture
def verifier(make_verifier: Callable[..., TokenVerifier]) -> TokenVerifier:
    return make_verifier()
