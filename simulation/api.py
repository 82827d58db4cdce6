"""How the simulated people talk to the services: their public APIs, with tokens of the development issuer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Self
from uuid import uuid4

import httpx

from shared.security.token_source import ClientCredentials
from simulation.platform import DRIVER_CLIENT, ISSUER, Platform

AUDIENCE = "doorstep"
_CONCURRENCY = 24
_ATTEMPTS = 6
_PAGE = 200
_TRANSIENT = frozenset({502, 503, 504})


class UnexpectedAnswer(RuntimeError):  # noqa: N818  # reads as a fact at the call site
    """A service answered what the story does not allow."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(f"{answer.call} answered {answer.status}: {str(answer.body)[:600]}")
        self.answer = answer


@dataclass(frozen=True, slots=True)
class Answer:
    """Status and parsed JSON (or text) of one answer."""

    call: str
    status: int
    body: Any

    @property
    def ok(self) -> bool:
        """2xx."""
        return 200 <= self.status < 300

    def expected(self) -> Any:
        """The body of a 2xx answer. Raises UnexpectedAnswer."""
        if not self.ok:
            raise UnexpectedAnswer(self)
        return self.body


class Api:
    """All five services. At most 24 requests at a time; answers that say "later" are asked again with the same key."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        client = platform.clients[DRIVER_CLIENT]
        self._tokens = ClientCredentials(
            issuer=platform.url(ISSUER),
            client_id=client.client_id,
            client_secret=client.client_secret,
            audience=AUDIENCE,
        )
        self._http = httpx.AsyncClient(timeout=30, limits=httpx.Limits(max_connections=_CONCURRENCY))
        self._gate = asyncio.Semaphore(_CONCURRENCY)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()
        await self._tokens.close()

    async def get(self, service: str, path: str, **params: str | int) -> Answer:
        """GET."""
        return await self._call(service, "GET", path, params=params)

    async def post(self, service: str, path: str, body: Any = None, *, key: str | None = None) -> Answer:
        """POST under an Idempotency-Key (a new one when none is given)."""
        return await self._call(service, "POST", path, body=body, key=key or str(uuid4()))

    async def try_once(self, service: str, path: str, body: Any) -> Answer | None:
        """POST without a second attempt; None when nobody answers."""
        try:
            return await self._send(service, "POST", path, body=body, key=str(uuid4()))
        except httpx.TransportError:
            return None

    async def pages(self, service: str, path: str, **params: str | int) -> AsyncIterator[Any]:
        """Every item of a paged list. Raises UnexpectedAnswer."""
        cursor: str | None = None
        while True:
            extra: dict[str, str | int] = {"limit": _PAGE, **({"cursor": cursor} if cursor else {})}
            page = (await self.get(service, path, **params, **extra)).expected()
            for item in page["items"]:
                yield item
            cursor = page.get("next")
            if not cursor:
                return

    async def download(self, service: str, path: str) -> bytes:
        """The bytes of an answer. Raises UnexpectedAnswer."""
        headers = {"Authorization": f"Bearer {await self._tokens.token()}"}
        response = await self._http.get(self._platform.url(service) + path, headers=headers)
        if response.status_code != httpx.codes.OK:
            raise UnexpectedAnswer(Answer(f"GET {service}{path}", response.status_code, response.text))
        return response.content

    async def _call(self, service: str, method: str, path: str, **request: Any) -> Answer:
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                answer = await self._send(service, method, path, **request)
                if answer.status not in _TRANSIENT or attempt == _ATTEMPTS:
                    return answer
            except httpx.TransportError:
                if attempt == _ATTEMPTS:
                    raise
            await asyncio.sleep(0.05 * 2**attempt)
        raise AssertionError("the loop returns or raises")

    async def _send(
        self,
        service: str,
        method: str,
        path: str,
        *,
        body: Any = None,
        params: Mapping[str, str | int] | None = None,
        key: str | None = None,
    ) -> Answer:
        headers = {"Authorization": f"Bearer {await self._tokens.token()}"}
        if key is not None:
            headers["Idempotency-Key"] = f'"{key}"'
        async with self._gate:
            response = await self._http.request(
                method, self._platform.url(service) + path, json=body, params=params, headers=headers
            )
        is_json = "json" in response.headers.get("content-type", "")
        return Answer(f"{method} {service}{path}", response.status_code, response.json() if is_json else response.text)
