"""Group commit: commands of one route that wait at the same time are carried out together, in one transaction.

Under load most of a small command's cost is round trips to the database, the same for one as for fifty. Nobody waits
for company: what arrives while a group is under way is the next group, so an idle service answers as fast as before.
Each command keeps its own idempotency key, answer and refusal, as in `commands`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Generic, TypeVar
from uuid import UUID

from opentelemetry import trace
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from shared.database import Database, UnitOfWork
from shared.telemetry.metrics import count
from shared.web.claims import Claim, KeptAnswer, Result, carry_out
from shared.web.problems import KnownProblem

BodyT = TypeVar("BodyT", bound=BaseModel)
PreparedT = TypeVar("PreparedT")
TOGETHER: Final = 64
COMPANY_SECONDS: Final = 0.005
"""Longest wait for as many as came last time: their next commands are on their way (PostgreSQL: commit_delay)."""
PATIENCE_SECONDS: Final = 1.0
"""A group that takes longer, for instance for a party's lock, no longer holds up the next."""

_tracer = trace.get_tracer("doorstep.web")


@dataclass(frozen=True)
class _Waiting(Generic[BodyT]):
    claim: Claim
    body: BodyT
    parties: frozenset[UUID]
    answer: asyncio.Future[KeptAnswer]
    link: trace.Link

    def settle(self, outcome: KeptAnswer | Exception) -> None:
        if self.answer.done():
            return  # the caller has gone
        if isinstance(outcome, Exception):
            self.answer.set_exception(outcome)
        else:
            self.answer.set_result(outcome)


class GroupCommit(Generic[BodyT, PreparedT]):
    """The commands of one route.

    `prepare` is called before the transaction, for what needs the network; `carry_out` gets the transaction with all
    parties locked, the bodies in the order of their arrival, and gives one result for each.
    """

    def __init__(
        self,
        name: str,
        database: Database,
        *,
        prepare: Callable[[Sequence[BodyT]], Awaitable[PreparedT]],
        carry_out: Callable[[UnitOfWork, Sequence[BodyT], PreparedT], Awaitable[Sequence[Result]]],
    ) -> None:
        self._name = name
        self._database = database
        self._prepare = prepare
        self._carry_out = carry_out
        self._waiting: deque[_Waiting[BodyT]] = deque()
        self._lane: asyncio.Task[None] | None = None
        self._under_way: set[asyncio.Task[None]] = set()
        self._company = asyncio.Event()
        self._expected = 1

    async def command(self, request: Request, *, body: BodyT, parties: Iterable[UUID]) -> Response:
        """Carry out one command exactly once per (caller, route, Idempotency-Key).

        Raises what `commands.command` raises, and what `prepare` and `carry_out` raise about this body alone: a group
        that fails is rolled back, and each of its commands is carried out by itself.
        """
        waiting = _Waiting(
            await Claim.of(request, body), body, frozenset(parties), asyncio.get_running_loop().create_future(),
            trace.Link(trace.get_current_span().get_span_context()),
        )  # fmt: skip
        self._waiting.append(waiting)
        if len(self._waiting) >= self._expected:
            self._company.set()
        if self._lane is None or self._lane.done():
            self._lane = asyncio.create_task(self._run(), name=f"group commit of {self._name}")
        answer = await waiting.answer
        count("doorstep.commands", outcome=answer.outcome)
        return answer.response()

    async def _run(self) -> None:
        while self._waiting:
            await self._gather()
            group = [self._waiting.popleft() for _ in range(min(TOGETHER, len(self._waiting)))]
            group = [one for one in group if not one.answer.done()]
            if not group:
                continue
            task = asyncio.create_task(self._traced(group))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)
            await asyncio.wait({task}, timeout=PATIENCE_SECONDS)

    async def _gather(self) -> None:
        if len(self._waiting) < self._expected:
            self._company.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(COMPANY_SECONDS):
                    await self._company.wait()
        self._expected = min(TOGETHER, len(self._waiting))

    async def _traced(self, group: Sequence[_Waiting[BodyT]]) -> None:
        # A trace of its own, joined to each of the requests: the group belongs to none of them.
        with _tracer.start_as_current_span(
            self._name, context=trace.set_span_in_context(trace.INVALID_SPAN), links=[one.link for one in group]
        ):
            await self._together(group)

    async def _together(self, group: Sequence[_Waiting[BodyT]]) -> None:
        try:
            outcomes = await self._transaction(group)
        except Exception as error:  # whatever it is, it is the answer of whoever asked
            if len(group) == 1:
                group[0].settle(error)
                return
            for one in group:
                await self._together([one])
            return
        for one, outcome in zip(group, outcomes, strict=True):
            one.settle(outcome)

    async def _transaction(self, group: Sequence[_Waiting[BodyT]]) -> list[KeptAnswer | KnownProblem]:
        prepared = await self._prepare([one.body for one in group])
        return await carry_out(
            self._database,
            [one.claim for one in group],
            parties=[one.parties for one in group],
            handler=lambda uow, ours: self._carry_out(uow, [group[place].body for place in ours], prepared),
        )
