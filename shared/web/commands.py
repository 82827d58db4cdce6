"""Idempotent commands: one transaction holds the claim of the key, the effect and the stored response.

Follows draft-ietf-httpapi-idempotency-key-header-07. The claim is a transaction advisory lock that is only *tried*: a
second request with the same key learns at once that the first is running (409) instead of waiting on its row. The
response is built after the commit, from the very bytes that were stored, so nobody sees a 201 that was not committed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, cast
from uuid import UUID

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from shared.database import Database, UnitOfWork
from shared.security.callers import caller_of
from shared.telemetry.metrics import count
from shared.web.idempotency_key import idempotency_key_of
from shared.web.problem_responses import problem_bytes
from shared.web.problems import MEDIA_TYPE, CommandRunning, IdempotencyKeyReused, Problem

REPLAYED_HEADER: Final = "Idempotency-Replayed"
RESPONSES_KEPT: Final = timedelta(days=14)

# The database's one-number key space of advisory locks belongs to parties; 2 is this module's in the two-number one.
_CLAIM = "SELECT pg_try_advisory_xact_lock(2, hashtext($1))"
_STORED = """
SELECT body_sha256, status, response_body, response_headers FROM idempotency_key
WHERE tenant = $1 AND caller = $2 AND route = $3 AND key = $4
"""
_STORE = """
INSERT INTO idempotency_key
  (tenant, caller, route, key, body_sha256, status, response_body, response_headers, recorded_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
"""
_TRIM = """
DELETE FROM idempotency_key WHERE (tenant, caller, route, key) IN (
    SELECT tenant, caller, route, key FROM idempotency_key WHERE recorded_at < $1 LIMIT $2
)
"""


@dataclass(frozen=True)
class Answer:
    """A handler's answer when it needs its own status or headers (for instance `Location`)."""

    body: BaseModel | None
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


Handler = Callable[[UnitOfWork], Awaitable[BaseModel | Answer | Problem | None]]


@dataclass(frozen=True)
class _Claim:
    tenant: str
    caller: str
    route: str
    key: str
    body_sha256: bytes

    def lock_name(self) -> str:
        return "\x1f".join((self.tenant, self.caller, self.route, self.key))


@dataclass(frozen=True)
class _StoredResponse:
    status: int
    body: bytes
    headers: Mapping[str, str]

    def response(self, *, replayed: bool) -> Response:
        response = Response(content=self.body, status_code=self.status, headers=dict(self.headers))
        if replayed:
            response.headers[REPLAYED_HEADER] = "true"
        return response


async def command(
    request: Request,
    *,
    body: BaseModel | None,
    parties: Iterable[UUID],
    handler: Handler,
    status: int = 200,
) -> Response:
    """Carry out a command exactly once per (caller, route, Idempotency-Key): claim → lock parties → handler → store →
    commit.

    The route is the method with the actual path and query, so one key used on two resources is two commands. Bodies are
    compared by SHA-256 of the validated model's set fields, so layout does not matter; without a model, of the raw
    bytes. A handler that *returns* a `Problem` commits its effects and the refusal is replayed; a *raised* one rolls
    back and is not remembered. Raises IdempotencyKeyMissing (400), CommandRunning (409), IdempotencyKeyReused (422).
    """
    claim = await _claim_of(request, body)
    database = cast(Database, request.app.state.database)
    async with database.unit_of_work() as uow:
        stored = await _claim(uow, claim)
        replayed = stored is not None
        if stored is None:
            await uow.lock_parties(parties)
            stored = _as_stored(await handler(uow), status)
            await _store(uow, claim, stored)
    count("doorstep.commands", outcome="replayed" if replayed else "refused" if stored.status >= 400 else "done")
    return stored.response(replayed=replayed)


async def trim(uow: UnitOfWork, *, before: datetime, limit: int) -> int:
    """Forget up to `limit` responses stored before `before` (real time): their commands would be carried out again."""
    status: str = await uow.sql.execute(_TRIM, before, limit)
    return int(status.rsplit(" ", 1)[1])


async def _claim_of(request: Request, body: BaseModel | None) -> _Claim:
    caller = caller_of(request)
    query = f"?{request.url.query}" if request.url.query else ""
    raw = await request.body() if body is None else body.model_dump_json(by_alias=True, exclude_unset=True).encode()
    return _Claim(
        tenant=caller.tenant,
        caller=caller.identity,
        route=f"{request.method} {request.url.path}{query}",
        key=idempotency_key_of(request.headers),
        body_sha256=hashlib.sha256(raw).digest(),
    )


async def _claim(uow: UnitOfWork, claim: _Claim) -> _StoredResponse | None:
    if not await uow.sql.fetchval(_CLAIM, claim.lock_name()):
        raise CommandRunning(retry_after_seconds=1)
    row = await uow.sql.fetchrow(_STORED, claim.tenant, claim.caller, claim.route, claim.key)
    if row is None:
        return None
    if bytes(row["body_sha256"]) != claim.body_sha256:
        raise IdempotencyKeyReused()
    headers: dict[str, Any] = json.loads(row["response_headers"])
    return _StoredResponse(status=row["status"], body=bytes(row["response_body"]), headers=headers)


async def _store(uow: UnitOfWork, claim: _Claim, stored: _StoredResponse) -> None:
    await uow.sql.execute(
        _STORE,
        claim.tenant,
        claim.caller,
        claim.route,
        claim.key,
        claim.body_sha256,
        stored.status,
        stored.body,
        json.dumps(dict(stored.headers)),
        uow.real_now,
    )


def _as_stored(result: BaseModel | Answer | Problem | None, status: int) -> _StoredResponse:
    if isinstance(result, Problem):
        return _StoredResponse(result.status, problem_bytes(result), {**result.headers, "Content-Type": MEDIA_TYPE})
    answer = result if isinstance(result, Answer) else Answer(result)
    if answer.body is None:
        return _StoredResponse(answer.status or (204 if status == 200 else status), b"", dict(answer.headers))
    return _StoredResponse(
        answer.status or status,
        answer.body.model_dump_json(by_alias=True).encode(),
        {**answer.headers, "Content-Type": "application/json"},
    )
