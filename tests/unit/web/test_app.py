"""What every app has: scopes, documentation, health, headers."""

import re
from collections.abc import Callable

import httpx
import pytest
from fastapi import APIRouter, Depends, FastAPI

from shared.security.callers import scope
from shared.web.app import RouteWithoutScopeError


def test_route_without_scope_stops_the_start(make_app: Callable[..., FastAPI]) -> None:
    router = APIRouter()
    router.add_api_route("/v1/open", lambda: None, methods=["GET"])
    with pytest.raises(RouteWithoutScopeError, match="/v1/open"):
        make_app(router)


def test_route_with_two_scopes_stops_the_start(make_app: Callable[..., FastAPI]) -> None:
    router = APIRouter(dependencies=[Depends(scope("visits.read"))])
    router.add_api_route("/v1/two", lambda: None, dependencies=[Depends(scope("visits.check-in"))])
    with pytest.raises(RouteWithoutScopeError, match="exactly one"):
        make_app(router)


def test_included_router_without_scope_stops_the_start(make_app: Callable[..., FastAPI]) -> None:
    inner, outer = APIRouter(), APIRouter(prefix="/v1")
    inner.add_api_route("/deep", lambda: None)
    outer.include_router(inner)
    with pytest.raises(RouteWithoutScopeError, match="/v1/deep"):
        make_app(outer)


def test_mounted_app_without_scope_stops_the_start(make_app: Callable[..., FastAPI]) -> None:
    router = APIRouter()
    router.mount("/v1/inner", FastAPI())
    with pytest.raises(RouteWithoutScopeError):
        make_app(router)


def test_scope_of_a_router_counts(make_app: Callable[..., FastAPI]) -> None:
    router = APIRouter(dependencies=[Depends(scope("visits.read"))])
    router.add_api_route("/v1/covered", lambda: None)
    make_app(router)


def test_unknown_scope_is_refused_at_import() -> None:
    with pytest.raises(ValueError, match="not in"):
        scope("visits.fly")


async def test_openapi_lists_every_error(api: httpx.AsyncClient) -> None:
    document = (await api.get("/openapi.json")).json()
    pay = document["paths"]["/v1/pay"]["post"]
    assert set(pay["responses"]) == {"200", "400", "401", "403", "408", "409", "413", "422", "500", "503"}
    examples = pay["responses"]["422"]["content"]["application/problem+json"]["examples"]
    assert set(examples) == {"invalid-request", "idempotency-key-reused"}
    assert pay["security"] == [{"oidc": ["visits.check-in"]}]
    assert [p["name"] for p in pay["parameters"]] == ["Idempotency-Key"]


async def test_openapi_lists_the_problems_of_a_route(api: httpx.AsyncClient) -> None:
    document = (await api.get("/openapi.json")).json()
    responses = document["paths"]["/v1/things/{number}"]["get"]["responses"]
    assert "teapot" in responses["418"]["content"]["application/problem+json"]["examples"]
    assert "not-found" in responses["404"]["content"]["application/problem+json"]["examples"]


async def test_question_needs_no_key(api: httpx.AsyncClient) -> None:
    document = (await api.get("/openapi.json")).json()
    assert "parameters" not in document["paths"]["/v1/echo"]["post"]


async def test_framework_error_model_is_gone(api: httpx.AsyncClient) -> None:
    assert "HTTPValidationError" not in (await api.get("/openapi.json")).text


async def test_openapi_is_the_same_each_time(api: httpx.AsyncClient) -> None:
    assert (await api.get("/openapi.json")).content == (await api.get("/openapi.json")).content


async def test_docs_need_no_other_host(api: httpx.AsyncClient) -> None:
    response = await api.get("/docs")
    assert "Visits &lt;test&gt;" in response.text
    assert not re.search(r"(src|href)\s*=\s*[\"']?(https?:)?//", response.text)
    policy = response.headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "script-src 'sha256-" in policy


async def test_live_without_database(api: httpx.AsyncClient) -> None:
    assert (await api.get("/health/live")).json() == {"status": "live", "service": "visits"}


async def test_not_ready_without_database(api: httpx.AsyncClient) -> None:
    response = await api.get("/health/ready")
    assert response.status_code == 503
    assert response.json()["part"] == "database"


async def test_security_headers(api: httpx.AsyncClient) -> None:
    headers = (await api.get("/v1/things")).headers
    assert headers["cache-control"] == "no-store"
    assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert "strict-transport-security" not in headers  # development has no TLS


async def test_pages_follow_each_other(api: httpx.AsyncClient) -> None:
    seen: list[int] = []
    cursor: str | None = None
    for _ in range(3):
        params = {"limit": "3"} | ({"cursor": cursor} if cursor else {})
        page = (await api.get("/v1/things", params=params)).json()
        seen += page["items"]
        cursor = page["next"]
    assert seen == list(range(7))
    assert cursor is None


async def test_changed_cursor_is_refused(api: httpx.AsyncClient) -> None:
    page = (await api.get("/v1/things", params={"limit": "3"})).json()
    changed = page["next"][:-2] + ("A" if page["next"][-2] != "A" else "B") + page["next"][-1]
    response = await api.get("/v1/things", params={"cursor": changed})
    assert response.status_code == 422
    assert response.json()["errors"][0]["pointer"] == "/cursor"


async def test_head_answers_what_get_would_without_its_content(api: httpx.AsyncClient) -> None:
    asked, told = await api.get("/openapi.json"), await api.head("/openapi.json")
    assert (told.status_code, told.content) == (200, b"")
    assert {name: told.headers[name] for name in asked.headers} == dict(asked.headers)
    assert (await api.head("/v1/things")).status_code == 200
    assert (await api.head("/v1/pay")).status_code == 405
