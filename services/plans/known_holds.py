"""Holds that stood before plans listened, asked of compliance once: no plan is followed up until they are known.

Events are heard all the while; what an event has told of a hold stands.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from services.plans import same_persons
from services.plans.store import follow_ups as follow_up_store
from services.plans.store.follow_ups import HeardHold
from shared.database import Database, UnitOfWork
from shared.messaging import Answer, Intent, NewIntent
from shared.moments import Moment
from shared.web.client import RemoteUnavailable, ServiceClient

LEARN_HOLDS: Final = "plan.learn_holds"
_AT_ONCE: Final = 20
# Not about whether a plan may be served at all.
_NARROW: Final = frozenset({"contact_point", "visit_channel"})


class _Hold(BaseModel):
    model_config = ConfigDict(extra="ignore")

    hold_id: UUID
    kind: str
    scope: str
    valid_from: Moment
    valid_to: Moment | None = None


class _Holds(BaseModel):
    model_config = ConfigDict(extra="ignore")

    items: list[_Hold]


@dataclass(frozen=True, slots=True)
class Told(Answer):
    """What compliance says of some people, and who was asked about last; none: nobody is left."""

    holds: tuple[tuple[UUID, HeardHold], ...] = ()
    last: UUID | None = None


def learn_holds(uow: UnitOfWork, *, after: UUID | None = None) -> NewIntent:
    """The intent that asks about people whose id lies after `after`. From the beginning it is one for ever."""
    payload = {"after": None if after is None else str(after)}
    return NewIntent(kind=LEARN_HOLDS, key=str(after or "all"), due_at=uow.real_now, payload=payload)


class LearnHolds:
    """Intent handler: the holds of people with a running plan, some people at a time."""

    kind: ClassVar[str] = LEARN_HOLDS
    batch_size: ClassVar[int] = 1

    def __init__(self, compliance: ServiceClient, database: Callable[[], Database]) -> None:
        self._compliance = compliance
        self._database = database

    async def call(self, intents: Sequence[Intent]) -> Sequence[Answer | None]:
        """Ask about each person. Raises RemoteProblem."""
        return [await self._page(intent) for intent in intents]

    async def _page(self, intent: Intent) -> Answer | None:
        after = intent.payload["after"]
        async with self._database().read_only() as uow:
            owners = await follow_up_store.parties_with_plans(uow, after=after and UUID(after), limit=_AT_ONCE)
            persons = {*owners, *(await same_persons.stand_for(uow, owners)).values()}
        try:
            told = await asyncio.gather(*(self._of(one) for one in sorted(persons)))
        except RemoteUnavailable:
            return None
        last = owners[-1] if len(owners) == _AT_ONCE else None
        return Told(holds=tuple(hold for holds in told for hold in holds), last=last)

    async def _of(self, party_id: UUID) -> list[tuple[UUID, HeardHold]]:
        answer = await self._compliance.get("/v1/holds", _Holds, params={"party_id": str(party_id), "limit": 200})
        return [
            (
                one.hold_id,
                HeardHold(party_id=party_id, kind=one.kind, valid_from=one.valid_from, valid_to=one.valid_to),
            )
            for one in answer.items
            if one.scope not in _NARROW
        ]

    async def commit(self, uow: UnitOfWork, answered: Sequence[tuple[Intent, Answer]]) -> None:
        """Keep what no event has told; the next people are an intent of the same transaction."""
        for _, answer in answered:
            assert isinstance(answer, Told)
            for hold_id, hold in answer.holds:
                await follow_up_store.learn_hold(uow, hold_id, hold)
            if answer.last is not None:
                uow.intend(learn_holds(uow, after=answer.last))
            else:
                await follow_up_store.mark_learned(uow)
