"""An API with one route of each sort, its issuer in the same process, and a database that nobody listens for."""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import httpx
import pytest
from fastapi import APIRouter, Depends, FastAPI, Request
from pydantic import BaseModel, ConfigDict, Field, SecretStr
from starlette.responses import Response

from shared.clock import SystemClock
from shared.database import Database
from shared.security.callers import Caller, scope
from shared.security.clients import DevelopmentClient
from shared.security.issuer import DevelopmentIssuer, create_issuer_app
from shared.security.tokens import TokenVerifier
from shared.settings import ServiceSettings
from shared.web.app import ApiDefinition, create_app
from shared.web.commands import command
from shared.web.openapi import QUESTION, problem_responses
from shared.web.pages import Page, PageRequest, page_request
from shared.web.problems import KnownProblem, NotFound

ISSUER = "http://issuer.test"
CLIENT = DevelopmentClient(
    client_id="collector-app", client_secret="s" * 24, scopes=frozenset({"visits.read", "visits.check-in"})
)


class Amount(BaseModel):
    """An amount of money."""

    model_config = ConfigDict(extra="forbid")

    amount_minor: int = Field(ge=0, description="Minor units.")


class Payment(BaseModel):
    """A payment."""

    model_config = ConfigDict(extra="forbid")

    amount: Amount = Field(description="How much.")
    phone: str = Field(pattern=r"^\+\d{4,15}$", description="Payer's phone.")
    paid_at: datetime = Field(datetime(2026, 1, 1, tzinfo=UTC), description="When.")


class Teapot(KnownProblem):
    """The pot is a teapot."""

    kind, status, title = "teapot", 418, "Teapot"


def routes() -> APIRouter:
    router = APIRouter()

    @router.get("/v1/things", summary="List")
    async def things(
        caller: Annotated[Caller, Depends(scope("visits.read"))], page: Annotated[PageRequest, Depends(page_request)]
    ) -> Page[int]:
        """All things."""
        after = page.after("things", int)
        first = after[0] + 1 if after else 0
        rows = list(range(first, min(7, first + page.limit + 1)))
        return page.page(rows, list_name="things", key=lambda row: (row,), item=lambda row: row)

    @router.get("/v1/things/{number}", summary="One", responses=problem_responses(NotFound, Teapot))
    async def thing(number: int, caller: Annotated[Caller, Depends(scope("visits.read"))]) -> Payment:
        """One thing."""
        if number == 418:
            raise Teapot("short and stout", spout=1)
        if number == 500:
            raise RuntimeError("Zhang Wei, +8613800000000")
        if number == 503:
            raise ConnectionRefusedError
        raise NotFound()

    @router.post("/v1/echo", summary="Echo", openapi_extra=QUESTION)
    async def echo(body: Payment, caller: Annotated[Caller, Depends(scope("visits.read"))]) -> Payment:
        """The same."""
        return body

    @router.post("/v1/pay", summary="Pay", response_model=Payment)
    async def pay(
        body: Payment, request: Request, caller: Annotated[Caller, Depends(scope("visits.check-in"))]
    ) -> Response:
        """Pay."""

        async def handle(_: object) -> Payment:
            return body

        return await command(request, body=body, parties=[], handler=handle)

    return router


def settings(**overrides: object) -> ServiceSettings:
    values: dict[str, object] = {
        "environment": "development",
        "database_url": SecretStr("postgresql://nobody@127.0.0.1:9/none"),
        "kafka_bootstrap": "127.0.0.1:9",
        "oidc_issuer": ISSUER,
    }
    return ServiceSettings(**(values | overrides))  # type: ignore[arg-type]


@pytest.fixture
def issuer() -> DevelopmentIssuer:
    return DevelopmentIssuer(issuer=ISSUER, audience="doorstep", tenant="bank", clients={CLIENT.client_id: CLIENT})


@pytest.fixture
def token(issuer: DevelopmentIssuer) -> str:
    return str(issuer.issue(CLIENT, {"grant_type": "client_credentials"})["access_token"])


@pytest.fixture
async def make_app(issuer: DevelopmentIssuer, tmp_path: Path) -> AsyncIterator[Callable[..., FastAPI]]:
    """`make_app(router, …)` makes an app; further arguments are ApiDefinition's."""
    own = settings(key_folder=tmp_path)
    opened = await Database.open(own, SystemClock(), service="visits")
    transport = httpx.ASGITransport(create_issuer_app(issuer))

    def make(*routers: APIRouter, **overrides: object) -> FastAPI:
        verifier = TokenVerifier.from_settings(own, SystemClock(), transport=transport)
        definition = ApiDefinition(
            service="visits",
            title="Visits <test>",
            description="For tests.",
            routers=routers or (routes(),),
            settings=own,
            database=opened,
            verifier=verifier,
            **overrides,  # type: ignore[arg-type]
        )
        return create_app(definition)

    yield make
    await opened.close()


@pytest.fixture
async def api(make_app: Callable[..., FastAPI], token: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the app with a valid token."""
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(make_app()),
        base_url="http://visits.test",
        headers={"Authorization": f"Bearer {token}"},
    ) as client:
        yield client
