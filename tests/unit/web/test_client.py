"""The client between services: what it repeats, what it never repeats, what it says."""

from collections.abc import Callable

import httpx
import pytest
from opentelemetry.sdk.trace import TracerProvider
from pydantic import BaseModel

from shared.security.token_source import TokenUnavailableError
from shared.web import client as client_module
from shared.web.client import RemoteAnswerInvalid, RemoteProblem, RemoteUnavailable, ServiceClient


class Answer(BaseModel):
    number: int


class Question(BaseModel):
    text: str = "q"


class Tokens:
    def __init__(self) -> None:
        self.forgotten = 0

    async def token(self) -> str:
        return f"t{self.forgotten}"

    def forget(self) -> None:
        self.forgotten += 1


Reply = httpx.Response | Exception


class Remote:
    """Answers in order, and keeps what it was asked."""

    def __init__(self, *replies: Reply) -> None:
        self.replies = list(replies)
        self.requests: list[httpx.Request] = []

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        if isinstance(reply, Exception):
            raise reply
        return reply


def client(remote: Remote, *, tokens: Tokens | None = None, deadline_seconds: float = 2) -> ServiceClient:
    return ServiceClient(
        service="compliance",
        base_url="http://compliance.test",
        token_source=tokens or Tokens(),
        deadline_seconds=deadline_seconds,
        transport=httpx.MockTransport(remote),
        jitter=lambda low, high: 0.0,
    )


OK = httpx.Response(200, json={"number": 7})
AWAY = httpx.Response(503, headers={"Retry-After": "0"})


async def test_answer_is_typed() -> None:
    assert (await client(Remote(OK)).get("/x", Answer)).number == 7


async def test_client_that_never_called_is_closed() -> None:
    async with client(Remote(OK)):
        pass


async def test_command_is_repeated_with_the_same_key() -> None:
    remote = Remote(httpx.ConnectError("down"), AWAY, httpx.ReadError("cut"), OK)
    await client(remote).command("/x", Answer, body=Question(), idempotency_key="k1")
    assert [r.headers["Idempotency-Key"] for r in remote.requests] == ['"k1"'] * 4
    assert len({r.content for r in remote.requests}) == 1


async def test_attempts_are_bounded() -> None:
    remote = Remote(AWAY)
    with pytest.raises(RemoteUnavailable, match="503"):
        await client(remote).get("/x", Answer)
    assert len(remote.requests) == 4


async def test_post_without_key_is_not_repeated() -> None:
    remote = Remote(httpx.ReadError("cut"), OK)
    with pytest.raises(RemoteUnavailable):
        await client(remote).post_once("/x", Answer, body=Question())
    assert len(remote.requests) == 1


async def test_post_without_key_is_not_repeated_after_503() -> None:
    remote = Remote(AWAY, OK)
    with pytest.raises(RemoteUnavailable, match="503"):
        await client(remote).post_once("/x", Answer, body=Question())
    assert len(remote.requests) == 1


async def test_post_without_key_is_repeated_when_nothing_was_sent() -> None:
    remote = Remote(httpx.ConnectError("down"), OK)
    await client(remote).post_once("/x", Answer, body=Question())
    assert len(remote.requests) == 2


async def test_refusal_is_a_typed_problem() -> None:
    body = {"type": "https://doorstep.example/problems/facts-behind", "status": 409, "seen": 3}
    remote = Remote(httpx.Response(409, json=body, headers={"Retry-After": "2"}))
    with pytest.raises(RemoteProblem) as caught:
        await client(remote).ask("/x", Answer, body=Question())
    assert (caught.value.kind, caught.value.status, caught.value.retry_after_seconds) == ("facts-behind", 409, 2)
    assert caught.value.document["seen"] == 3
    assert len(remote.requests) == 1


async def test_deadline_is_total() -> None:
    remote = Remote(httpx.Response(503, headers={"Retry-After": "30"}))
    with pytest.raises(RemoteUnavailable):
        await client(remote, deadline_seconds=0.2).get("/x", Answer)
    assert len(remote.requests) == 1


async def test_refused_token_is_renewed_once() -> None:
    tokens = Tokens()
    remote = Remote(httpx.Response(401), OK)
    await client(remote, tokens=tokens).get("/x", Answer)
    assert [r.headers["Authorization"] for r in remote.requests] == ["Bearer t0", "Bearer t1"]


async def test_token_refused_twice_is_a_problem() -> None:
    with pytest.raises(RemoteProblem):
        await client(Remote(httpx.Response(401))).get("/x", Answer)


async def test_no_token() -> None:
    class None_(Tokens):  # noqa: N801
        async def token(self) -> str:
            raise TokenUnavailableError

    with pytest.raises(RemoteUnavailable, match="token"):
        await client(Remote(OK), tokens=None_()).get("/x", Answer)


async def test_answer_of_another_form_is_not_quoted() -> None:
    with pytest.raises(RemoteAnswerInvalid) as caught:
        await client(Remote(httpx.Response(200, json={"number": "Zhang"}))).get("/x", Answer)
    assert "Zhang" not in str(caught.value)
    assert "number" in str(caught.value)


async def test_redirect_is_not_followed() -> None:
    with pytest.raises(RemoteProblem):
        await client(Remote(httpx.Response(302, headers={"Location": "http://evil.test"}))).get("/x", Answer)


async def test_trace_is_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    tracer: Callable[..., object] = TracerProvider().get_tracer("test")  # type: ignore[assignment]
    monkeypatch.setattr(client_module, "_tracer", tracer)
    remote = Remote(OK)
    await client(remote).get("/x", Answer)
    assert remote.requests[0].headers["traceparent"].startswith("00-")
