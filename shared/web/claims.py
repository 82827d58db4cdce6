"""Claims of idempotency keys, and the answers kept under them: set-wise, in the transaction of the effect.

Follows draft-ietf-httpapi-idempotency-key-header-07. A claim is a transaction advisory lock that is only *tried*: a
second request with the same key learns at once that the first is running (409) instead of waiting on its row.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, cast
from uuid import UUID

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from shared.database import Database, UnitOfWork
from shared.security.callers import caller_of
from shared.security.sealing import RecordSealer
from shared.web.idempotency_key import idempotency_key_of
from shared.web.problem_responses import problem_bytes
from shared.web.problems import MEDIA_TYPE, CommandRunning, IdempotencyKeyReused, KnownProblem, PartyErased, Problem
from shared.web.sealed_answers import UNREADABLE_HEADERS, UNREADABLE_STATUS, joined, name_of, people_of, seal, unseal

REPLAYED_HEADER: Final = "Idempotency-Replayed"

# The database's one-number key space of advisory locks belongs to parties; 2 is this module's in the two-number one.
_TRY = """
SELECT pg_try_advisory_xact_lock(2, hashtext(c.name)) AS ours
FROM unnest($1::text[]) WITH ORDINALITY AS c(name, place) ORDER BY c.place
"""
# OFFSET keeps the planner from joining the other way round: a plan made while the table was new reads it whole.
_KEPT = """
SELECT c.place, k.body_sha256, k.status, k.response_body, k.response_headers, k.sealed_answer
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) WITH ORDINALITY AS c(tenant, caller, route, key, place),
LATERAL (
    SELECT * FROM idempotency_key i
    WHERE i.tenant = c.tenant AND i.caller = c.caller AND i.route = c.route AND i.key = c.key OFFSET 0
) AS k
"""
_KEEP = """
INSERT INTO idempotency_key
  (tenant, caller, route, key, body_sha256, sealed_answer, people, status, response_body, response_headers, recorded_at)
SELECT c.tenant, c.caller, c.route, c.key, c.body_sha256, c.sealed, string_to_array(c.people, ',')::uuid[], $7, '', $8,
       $9
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bytea[], $6::bytea[], $10::text[])
  AS c(tenant, caller, route, key, body_sha256, sealed, people)
"""


@dataclass(frozen=True)
class Answer:
    """A handler's answer when it needs its own status or headers (for instance `Location`)."""

    body: BaseModel | None
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


Result = BaseModel | Answer | Problem | None
"""What a handler returns. A returned `Problem` commits its effects, and the refusal is replayed."""


@dataclass(frozen=True)
class KeptAnswer:
    """An answer as it is stored: the very bytes that are sent."""

    status: int
    body: bytes
    headers: Mapping[str, str]
    replayed: bool = False

    @classmethod
    def of(cls, result: Result, status: int) -> KeptAnswer:
        """The answer that `result` means; `status` unless it says otherwise."""
        if isinstance(result, Problem):
            return cls(result.status, problem_bytes(result), {**result.headers, "Content-Type": MEDIA_TYPE})
        answer = result if isinstance(result, Answer) else Answer(result)
        if answer.body is None:
            return cls(answer.status or (204 if status == 200 else status), b"", dict(answer.headers))
        return cls(
            answer.status or status,
            answer.body.model_dump_json(by_alias=True).encode(),
            {**answer.headers, "Content-Type": "application/json"},
        )

    @property
    def outcome(self) -> str:
        """What the metric of commands calls it."""
        return "replayed" if self.replayed else "refused" if self.status >= 400 else "done"

    def response(self) -> Response:
        """To be built after the commit, so that nobody sees a 201 that was not committed."""
        response = Response(content=self.body, status_code=self.status, headers=dict(self.headers))
        if self.replayed:
            response.headers[REPLAYED_HEADER] = "true"
        return response


@dataclass(frozen=True)
class Claim:
    """One command of one caller. The route is the method with the actual path and query."""

    tenant: str
    caller: str
    route: str
    key: str
    body_sha256: bytes
    sealer: RecordSealer = field(repr=False, compare=False)

    @classmethod
    async def of(cls, request: Request, body: BaseModel | None) -> Claim:
        """The request's claim.

        Bodies are compared by SHA-256 of the validated model's set fields, so layout does not matter; without a model,
        of the raw bytes. Raises IdempotencyKeyMissing (400).
        """
        caller = caller_of(request)
        scope = request.scope
        query = f"?{scope['query_string'].decode('latin-1')}" if scope.get("query_string") else ""
        raw = await request.body() if body is None else body.model_dump_json(by_alias=True, exclude_unset=True).encode()
        return cls(
            tenant=caller.tenant,
            caller=caller.identity,
            route=f"{request.method} {scope['path']}{query}",
            key=idempotency_key_of(request.headers),
            body_sha256=hashlib.sha256(raw).digest(),
            sealer=cast(RecordSealer, request.app.state.sealer()),
        )

    @property
    def name(self) -> str:
        """What two claims of the same command have in common."""
        return name_of(self.tenant, self.caller, self.route, self.key)

    def answer(self, kept: Mapping[str, Any]) -> KeptAnswer | KnownProblem:
        """The answer kept under this key, unless it was given to another body, or named somebody who was erased."""
        if not kept["body_sha256"]:
            return PartyErased()
        if bytes(kept["body_sha256"]) != self.body_sha256:
            return IdempotencyKeyReused()
        if kept["sealed_answer"] is None:  # kept by the release before
            headers: dict[str, str] = json.loads(kept["response_headers"])
            return KeptAnswer(kept["status"], bytes(kept["response_body"]), headers, replayed=True)
        status, headers, body = unseal(self.sealer, self.name, bytes(kept["sealed_answer"]))
        return KeptAnswer(status, body, headers, replayed=True)


async def carry_out(
    database: Database,
    claims: Sequence[Claim],
    *,
    parties: Sequence[Collection[UUID]],
    handler: Callable[[UnitOfWork, Sequence[int]], Awaitable[Sequence[Result]]],
    status: int = 200,
) -> list[KeptAnswer | KnownProblem]:
    """Each claim's answer, in one transaction: claim → lock the parties → handler → store → commit.

    `parties` are those of each claim. The handler gets the positions of the claims that are ours to carry out, and
    gives a result for each. What it raises rolls back all of them.
    """
    async with database.unit_of_work() as uow:
        known = await _take(uow, claims)
        ours = [place for place, answer in enumerate(known) if answer is None]
        if ours:
            await uow.lock_parties(party_id for place in ours for party_id in parties[place])
            answers = [KeptAnswer.of(result, status) for result in await handler(uow, ours)]
            made = dict(zip(ours, answers, strict=True))
            # Whom a handler locked by itself is nobody's in particular.
            others = uow.locked.difference(*(parties[place] for place in ours))
            await _keep(uow, [(claims[place], answer, {*parties[place], *others}) for place, answer in made.items()])
    return [made[place] if answer is None else answer for place, answer in enumerate(known)]


async def _take(uow: UnitOfWork, claims: Sequence[Claim]) -> list[KeptAnswer | KnownProblem | None]:
    """For each claim: None when it is ours to carry out, the answer given before, CommandRunning (409), or
    IdempotencyKeyReused (422). Of equal claims in one call the first is ours: a session holds its own locks.
    """
    tried = await uow.sql.fetch(_TRY, [claim.name for claim in claims])
    rows = await uow.sql.fetch(_KEPT, *_columns(claims))
    kept = {row["place"] - 1: row for row in rows}
    found: list[KeptAnswer | KnownProblem | None] = []
    names: set[str] = set()
    for place, (claim, lock) in enumerate(zip(claims, tried, strict=True)):
        if not lock["ours"] or claim.name in names:
            found.append(CommandRunning(retry_after_seconds=1))
        else:
            found.append(claim.answer(kept[place]) if place in kept else None)
        names.add(claim.name)
    return found


async def _keep(uow: UnitOfWork, answers: Sequence[tuple[Claim, KeptAnswer, Iterable[UUID]]]) -> None:
    """Store the answers of claims that were ours, sealed, each with whom it may name."""
    uow.sql.later(
        _KEEP,
        *_columns([claim for claim, _, _ in answers]),
        [claim.body_sha256 for claim, _, _ in answers],
        [
            seal(claim.sealer, claim.name, status=answer.status, headers=answer.headers, body=answer.body)
            for claim, answer, _ in answers
        ],
        UNREADABLE_STATUS,
        UNREADABLE_HEADERS,
        uow.real_now,
        [joined(people_of(claim.route, answer.body, named)) for claim, answer, named in answers],
    )


def _columns(claims: Sequence[Claim]) -> tuple[list[str], list[str], list[str], list[str]]:
    return (
        [claim.tenant for claim in claims],
        [claim.caller for claim in claims],
        [claim.route for claim in claims],
        [claim.key for claim in claims],
    )
