"""The hold that stops collection while a plan stands: placed before the signature, ended by intents."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from services.plans.domain import plan as plans
from services.plans.domain.plan import Plan
from services.plans.store.plans import PlanStore
from shared.database import UnitOfWork
from shared.messaging import Answer, Intent, TimerHandler
from shared.moments import Moment
from shared.web.client import RemoteProblem, RemoteUnavailable, ServiceClient

_ALREADY_ENDED: Final = frozenset({404, 409, 410})


class HoldBody(BaseModel):
    """Body of POST /v1/holds."""

    party_id: UUID
    kind: Literal["plan_active"] = "plan_active"
    scope: Literal["collection"] = "collection"
    valid_from: Moment
    valid_to: Moment | None = None
    source_ref: str
    reason: str = "a repayment plan is being signed"


class _Ended(BaseModel):
    model_config = ConfigDict(extra="ignore")


class HoldPlaced(BaseModel):
    """Answer of POST /v1/holds."""

    model_config = ConfigDict(extra="ignore")

    hold_id: UUID


class EndBody(BaseModel):
    """Body of POST /v1/holds/{id}/end."""

    cause: str


class Holds:
    """Compliance's holds, as plans uses them."""

    def __init__(self, compliance: ServiceClient) -> None:
        self._compliance = compliance

    async def place(self, *, party_id: UUID, plan_id: UUID, attempt: int, valid_from: datetime) -> UUID:
        """Place the hold of an attempt; repeated, it is the same hold. Raises RemoteUnavailable, RemoteProblem."""
        body = HoldBody(party_id=party_id, valid_from=valid_from, source_ref=plans.hold_source(plan_id, attempt))
        placed = await self._compliance.command(
            "/v1/holds", HoldPlaced, body=body, idempotency_key=plans.hold_key(plan_id, attempt)
        )
        return placed.hold_id

    async def end(self, hold_id: UUID, *, cause: str, key: str) -> None:
        """End a hold; one that is not there any more is ended. Raises RemoteUnavailable, RemoteProblem."""
        try:
            await self._compliance.command(
                f"/v1/holds/{hold_id}/end", _Ended, body=EndBody(cause=cause), idempotency_key=key
            )
        except RemoteProblem as error:
            if error.status not in _ALREADY_ENDED:
                raise


class SigningTimeout(TimerHandler):
    """The timer of a signing attempt: closes it, unless it led to a signature."""

    kind = plans.ATTEMPT_TIMER
    batch_size = 100

    def __init__(self, store: PlanStore) -> None:
        self._store = store

    async def commit(self, uow: UnitOfWork, answered: Sequence[tuple[Intent, Answer]]) -> None:
        """Close the attempts that are still open; their holds are ended by intents."""
        parties = {intent.party_id for intent, _ in answered if intent.party_id is not None}
        known: dict[UUID, Plan] = {plan.plan_id: plan for plan in await self._store.of_parties(uow, parties)}
        changed: list[Plan] = []
        for intent, _ in answered:
            plan = known[UUID(intent.payload["plan_id"])]
            change = plans.close_attempt(plan, attempt=intent.payload["attempt"], real_now=uow.real_now)
            if change.plan is plan:
                continue
            known[plan.plan_id] = change.plan
            changed.append(change.plan)
            for following in change.intents:
                uow.intend(following)
        await self._store.save(uow, changed)


class HoldEndings:
    """Ends holds: of completed plans, and of attempts that never led to a signature (the compensation)."""

    kind = plans.END_HOLD
    batch_size = 20

    def __init__(self, holds: Holds) -> None:
        self._holds = holds

    async def call(self, intents: Sequence[Intent]) -> Sequence[Answer | None]:
        """End each; compliance being away leaves the intent open."""
        return await asyncio.gather(*(self._end(intent) for intent in intents))

    async def _end(self, intent: Intent) -> Answer | None:
        try:
            hold_id = await self._hold_of(intent)
            await self._holds.end(hold_id, cause=intent.payload["cause"], key=str(intent.id))
        except RemoteUnavailable:
            return None
        return Answer()

    async def _hold_of(self, intent: Intent) -> UUID:
        """The hold's id. We may have died before learning it: asking again under the same key tells it."""
        if "hold_id" in intent.payload:
            return UUID(intent.payload["hold_id"])
        if intent.party_id is None:
            raise ValueError(f"intent {intent.kind} without a party")
        return await self._holds.place(
            party_id=intent.party_id,
            plan_id=UUID(intent.payload["plan_id"]),
            attempt=intent.payload["attempt"],
            valid_from=datetime.fromisoformat(intent.payload["valid_from"]),
        )

    async def commit(self, uow: UnitOfWork, answered: Sequence[tuple[Intent, Answer]]) -> None:
        """Nothing of ours changes: compliance tells everybody."""
