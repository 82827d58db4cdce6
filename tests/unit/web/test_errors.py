"""Every error is a problem document, and none repeats what was sent."""

from collections.abc import Callable

import httpx
import pytest
from fastapi import FastAPI

BODY = {"amount": {"amount_minor": 5}, "phone": "+8613800000000"}


def problem(response: httpx.Response, status: int, kind: str) -> dict[str, object]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    document: dict[str, object] = response.json()
    assert document["type"] == f"https://doorstep.example/problems/{kind}"
    assert document["status"] == status
    return document


async def test_unknown_path(api: httpx.AsyncClient) -> None:
    problem(await api.get("/nowhere"), 404, "not-found")


async def test_wrong_method(api: httpx.AsyncClient) -> None:
    response = await api.delete("/v1/echo")
    problem(response, 405, "method-not-allowed")
    assert response.headers["allow"] == "POST"


async def test_own_problem_keeps_its_members(api: httpx.AsyncClient) -> None:
    document = problem(await api.get("/v1/things/418"), 418, "teapot")
    assert document["spout"] == 1
    assert document["detail"] == "short and stout"


async def test_fault_is_500_and_says_nothing(api: httpx.AsyncClient) -> None:
    response = await api.get("/v1/things/500")
    problem(response, 500, "internal-error")
    assert "Zhang" not in response.text
    assert response.headers["x-content-type-options"] == "nosniff"


async def test_lost_connection_is_503(api: httpx.AsyncClient) -> None:
    response = await api.get("/v1/things/503")
    problem(response, 503, "temporarily-unavailable")
    assert response.headers["retry-after"] == "1"


async def test_validation_names_each_field(api: httpx.AsyncClient) -> None:
    response = await api.post("/v1/echo", json={"amount": {"amount_minor": -3}, "phone": "secret-zhang"})
    errors = problem(response, 422, "invalid-request")["errors"]
    assert isinstance(errors, list)
    assert {(error["in"], error["pointer"]) for error in errors} == {
        ("body", "/amount/amount_minor"),
        ("body", "/phone"),
    }
    assert "zhang" not in response.text


async def test_validation_does_not_echo_a_key_that_may_be_data(api: httpx.AsyncClient) -> None:
    response = await api.post("/v1/echo", json={**BODY, "张伟 +8613800000000": 1})
    errors = problem(response, 422, "invalid-request")["errors"]
    assert isinstance(errors, list)
    assert errors[0]["pointer"] == "/*"
    assert "138" not in response.text


async def test_path_parameter_is_named(api: httpx.AsyncClient) -> None:
    errors = problem(await api.get("/v1/things/abc"), 422, "invalid-request")["errors"]
    assert errors == [
        {
            "in": "path",
            "pointer": "/number",
            "kind": "int_parsing",
            "detail": "Input should be a valid integer, unable to parse string as an integer",
        }
    ]


@pytest.mark.parametrize("body", [b"{", b"\xff\xfe{}", b"[" * 100_000, b'{"a": 1} trailing'])
async def test_malformed_json(api: httpx.AsyncClient, body: bytes) -> None:
    response = await api.post("/v1/echo", content=body, headers={"Content-Type": "application/json"})
    problem(response, 400, "malformed-body")


async def test_other_media_type_is_refused(api: httpx.AsyncClient) -> None:
    response = await api.post("/v1/echo", content=b"x=1", headers={"Content-Type": "text/plain"})
    assert response.status_code == 422


async def test_without_token(api: httpx.AsyncClient) -> None:
    response = await api.get("/v1/things", headers={"Authorization": ""})
    problem(response, 401, "not-authenticated")
    assert response.headers["www-authenticate"] == "Bearer"


async def test_without_scope(api: httpx.AsyncClient, issuer: object, make_app: Callable[..., FastAPI]) -> None:
    token = issuer.sign({"sub": "x", "scope": "visits.check-in"})  # type: ignore[attr-defined]
    response = await api.get("/v1/things", headers={"Authorization": f"Bearer {token}"})
    problem(response, 403, "not-allowed")
    assert 'scope="visits.read"' in response.headers["www-authenticate"]


async def test_command_without_key(api: httpx.AsyncClient) -> None:
    problem(await api.post("/v1/pay", json=BODY), 400, "idempotency-key-missing")


@pytest.mark.parametrize("key", ["", '""', "a b", "x" * 256, 'a"b'])
async def test_command_with_unusable_key(api: httpx.AsyncClient, key: str) -> None:
    response = await api.post("/v1/pay", json=BODY, headers={"Idempotency-Key": key})
    problem(response, 400, "idempotency-key-missing")


async def test_database_away_is_503(api: httpx.AsyncClient) -> None:
    response = await api.post("/v1/pay", json=BODY, headers={"Idempotency-Key": "k"})
    problem(response, 503, "temporarily-unavailable")
