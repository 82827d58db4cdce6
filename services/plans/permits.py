"""Compliance's permits, as plans uses them: no message about a plan leaves without one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.plans.domain.ladder import USE_PERMIT
from shared.database import UnitOfWork
from shared.ids import derived_id
from shared.messaging import Answer, Intent
from shared.moments import Moment
from shared.web.client import RemoteProblem, RemoteUnavailable, ServiceClient

RELEASE_PERMIT: Final = "plan.permit_release"
_ASK_AGAIN: Final = frozenset({401, 403, 409, 425, 429})


class _Reason(BaseModel):
    model_config = ConfigDict(extra="ignore")

    rule: str


class PermitDecision(BaseModel):
    """One answer to a permit request."""

    model_config = ConfigDict(extra="ignore")

    request_id: UUID
    decision: Literal["allow", "deny", "needs-fact"]
    reasons: list[_Reason] = Field(default_factory=list)
    permit_id: UUID | None = None
    earliest_lawful: Moment | None = None


class _Decisions(BaseModel):
    items: list[PermitDecision]


class _Requests(BaseModel):
    items: list[dict[str, Any]]


class _Use(BaseModel):
    used_at: datetime
    contact_id: UUID


class _Release(BaseModel):
    cause: str


class Permits:
    """Asks, uses and gives back."""

    def __init__(self, compliance: ServiceClient) -> None:
        self._compliance = compliance

    async def ask(self, requests: Sequence[dict[str, Any]], *, key: UUID) -> dict[UUID, PermitDecision]:
        """The decisions by request; empty when nobody answered. Raises RemoteProblem for a refused question."""
        if not requests:
            return {}
        try:
            answer = await self._compliance.command(
                "/v1/permits", _Decisions, body=_Requests(items=list(requests)), idempotency_key=str(key)
            )
        except RemoteUnavailable:
            return {}
        except RemoteProblem as problem:
            if problem.status in _ASK_AGAIN:
                return {}
            raise
        return {one.request_id: one for one in answer.items}

    async def use(self, intent: Intent) -> Answer | None:
        """Report a use; a refusal is final, the audit finds the contact either way."""
        payload = intent.payload
        body = _Use(used_at=datetime.fromisoformat(payload["used_at"]), contact_id=UUID(payload["contact_id"]))
        return await self._told(f"/v1/permits/{payload['permit_id']}/use", body, intent)

    async def release(self, intent: Intent) -> Answer | None:
        """Give a permit back that is not needed any more."""
        body = _Release(cause=intent.payload["cause"])
        return await self._told(f"/v1/permits/{intent.payload['permit_id']}/release", body, intent)

    async def _told(self, path: str, body: BaseModel, intent: Intent) -> Answer | None:
        try:
            await self._compliance.command(path, object, body=body, idempotency_key=str(intent.id))
        except RemoteUnavailable:
            return None
        except RemoteProblem as problem:
            return None if problem.status in {401, 403, 429} else Answer(status=problem.status)
        return Answer()


def batch_key(intents: Sequence[Intent]) -> UUID:
    """The key of a question. The attempts are part of it: a refusal for missing facts is not replayed."""
    return derived_id("plan-permits", *(f"{intent.id}:{intent.attempts}" for intent in intents))


class _Telling:
    batch_size = 50

    def __init__(self, permits: Permits) -> None:
        self._permits = permits

    async def commit(self, uow: UnitOfWork, answered: Sequence[tuple[Intent, Answer]]) -> None:
        """Nothing of ours changes: it was committed with the step."""


class PermitUses(_Telling):
    """Intent handler: tells compliance of each use."""

    kind = USE_PERMIT

    async def call(self, intents: Sequence[Intent]) -> Sequence[Answer | None]:
        """One call per permit."""
        return [await self._permits.use(intent) for intent in intents]


class PermitReleases(_Telling):
    """Intent handler: gives permits back."""

    kind = RELEASE_PERMIT

    async def call(self, intents: Sequence[Intent]) -> Sequence[Answer | None]:
        """One call per permit."""
        return [await self._permits.release(intent) for intent in intents]
