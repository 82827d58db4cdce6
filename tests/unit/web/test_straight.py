"""A route answers the same whether it goes straight or through the framework."""

from collections.abc import AsyncIterator, Callable
from datetime import datetime

import httpx
import pytest
from fastapi import APIRouter, Depends, FastAPI, Request
from starlette.responses import Response

from shared.security.callers import caller_of, scope
from shared.web.problems import NotFound

from .conftest import Payment

JSON = {"content-type": "application/json"}
GOOD = b'{"amount": {"amount_minor": 5}, "phone": "+8613800000000", "paid_at": "2026-03-01T08:00:00+08:00"}'
router = APIRouter()


@router.post("/v1/pay", dependencies=[Depends(scope("visits.read"))], response_model=Payment)
async def pay(request: Request, body: Payment) -> Payment | Response:
    """Pay."""
    match body.amount.amount_minor:
        case 404:
            raise NotFound("there is no such payment")
        case 500:
            raise RuntimeError("Zhang Wei")
        case 7:
            return Response(f"{body.paid_at}|{caller_of(request).client_id}", 200, {"x-kept": "yes"})
    return body


@router.post("/v1/forbidden", dependencies=[Depends(scope("visits.carry-messages"))], response_model=Payment)
async def forbidden(request: Request, body: Payment) -> Payment:
    """Refused to the tests' client."""
    raise AssertionError(request, body)


@pytest.fixture
async def both(make_app: Callable[..., FastAPI], token: str) -> AsyncIterator[list[httpx.AsyncClient]]:
    """Clients of the app whose routes go straight, and of the one whose do not."""
    apps = [make_app(router, straight=(pay, forbidden)), make_app(router)]
    clients = [
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://v.test", headers={"Authorization": f"Bearer {token}"}
        )
        for app in apps
    ]
    yield clients
    for client in clients:
        await client.aclose()


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (GOOD, 200),
        (GOOD.replace(b"5", b"7"), 200),
        (GOOD.replace(b"5", b'"5"'), 200),
        (GOOD.replace(b"5", b"5.0"), 200),
        (GOOD.replace(b"5", b"404"), 404),
        (GOOD.replace(b"5", b"500"), 500),
        (GOOD.replace(b"5", b"-5"), 422),
        (GOOD.replace(b"5", b"5.5"), 422),
        (GOOD.replace(b"5", b"NaN"), 422),
        (GOOD.replace(b"+8613800000000", b"Zhang"), 422),
        (GOOD.replace(b"phone", b"phon"), 422),
        (GOOD[:-1], 400),
        (GOOD + b"}", 400),
        (b"", 422),
        (b"[]", 422),
        (b"null", 422),
        (b"\xff", 400),
    ],
)
async def test_same_answer(both: list[httpx.AsyncClient], body: bytes, status: int) -> None:
    straight, usual = [await one.post("/v1/pay", content=body, headers=JSON) for one in both]
    assert straight.status_code == usual.status_code == status
    assert (straight.content, straight.headers) == (usual.content, usual.headers)
    assert "Zhang" not in straight.text


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "application/merge+json", "text/plain", ""])
async def test_same_answer_to_what_is_said_to_be_sent(both: list[httpx.AsyncClient], kind: str) -> None:
    straight, usual = [await one.post("/v1/pay", content=GOOD, headers={"content-type": kind}) for one in both]
    assert (straight.status_code, straight.content) == (usual.status_code, usual.content)


@pytest.mark.parametrize("body", [GOOD, GOOD[:-1], b"{}"])
@pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer x.y.z"])
async def test_same_answer_to_nobody(both: list[httpx.AsyncClient], body: bytes, authorization: str) -> None:
    headers = {**JSON, "authorization": authorization}
    straight, usual = [await one.post("/v1/pay", content=body, headers=headers) for one in both]
    assert (straight.status_code, straight.content, straight.headers) == (
        usual.status_code, usual.content, usual.headers,
    )  # fmt: skip
    assert straight.status_code in (400, 401)


async def test_scope_is_demanded(both: list[httpx.AsyncClient]) -> None:
    answers = [await one.post("/v1/forbidden", content=GOOD, headers=JSON) for one in both]
    assert [one.status_code for one in answers] == [403, 403]
    assert answers[0].headers["www-authenticate"] == answers[1].headers["www-authenticate"]


async def test_document_is_the_same(both: list[httpx.AsyncClient]) -> None:
    straight, usual = [(await one.get("/openapi.json")).json() for one in both]
    assert straight == usual


def test_route_that_needs_more_is_refused(make_app: Callable[..., FastAPI]) -> None:
    other = APIRouter()

    @other.post("/v1/other", dependencies=[Depends(scope("visits.read"))])
    async def more(request: Request, body: Payment, day: datetime) -> Response:
        """Needs a day."""
        return Response(f"{request}{body}{day}")

    with pytest.raises(TypeError, match="more than the request and one body"):
        make_app(other, straight=(more,))
