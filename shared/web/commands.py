"""Idempotent commands: one transaction holds the claim of the key, the effect and the stored response."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from shared.database import UnitOfWork
from shared.telemetry.metrics import count
from shared.web.claims import Claim, Result, carry_out
from shared.web.problems import KnownProblem
from shared.web.state import database_of

RESPONSES_KEPT: Final = timedelta(days=14)

_TRIM = """
DELETE FROM idempotency_key WHERE (tenant, caller, route, key) IN (
    SELECT tenant, caller, route, key FROM idempotency_key WHERE recorded_at < $1 LIMIT $2
)
"""

Handler = Callable[[UnitOfWork], Awaitable[Result]]


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

    The route is the method with the actual path and query, so one key used on two resources is two commands. A handler
    that *returns* a `Problem` commits its effects and the refusal is replayed; a *raised* one rolls back and is not
    remembered. Raises IdempotencyKeyMissing (400), CommandRunning (409), IdempotencyKeyReused (422).
    """

    async def alone(uow: UnitOfWork, _: Sequence[int]) -> list[Result]:
        return [await handler(uow)]

    database = database_of(request)
    claims = [await Claim.of(request, body)]
    [answer] = await carry_out(database, claims, parties=[frozenset(parties)], handler=alone, status=status)
    if isinstance(answer, KnownProblem):
        raise answer
    count("doorstep.commands", outcome=answer.outcome)
    return answer.response()


async def trim(uow: UnitOfWork, *, before: datetime, limit: int) -> int:
    """Forget up to `limit` responses stored before `before` (real time): their commands would be carried out again."""
    status: str = await uow.sql.execute(_TRIM, before, limit)
    return int(status.rsplit(" ", 1)[1])
