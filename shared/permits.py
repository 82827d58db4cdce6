"""Compliance's permits, as those who need them use them: asked for in batches, told as used, given back.

What may be asked, and what a refusal means, is for the asker to decide; how it is said is the same for all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from shared.messaging.intents import Answer, Intent
from shared.moments import Moment
from shared.web.client import RemoteProblem, RemoteUnavailable, ServiceClient

if TYPE_CHECKING:
    from shared.database import UnitOfWork

_AT_ONCE: Final = 20
_ASK_AGAIN: Final = frozenset({401, 403, 425, 429})
# What comes without anybody's doing once whoever was away is back: a feeder is heard, compliance or its log has caught
# up, the core confirms. Such an answer says nothing about the contact, however long it takes.
_COMES_BY_ITSELF: Final = frozenset({"facts.fresh", "facts.caught_up", "log.current", "balance.confirmed"})
# Any other fact usually comes within seconds; one that never does must not be waited for.
_TRIES_FOR_A_FACT: Final = 10
# Whoever waits has a timer that ends it long before; this only ends the asking: a try every 5 s, for a day.
_TRIES_AT_ALL: Final = 17_280


class _Answer(BaseModel):
    """Answers of others are read tolerantly: members that we do not know are left out."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class PermitReason(_Answer):
    """One rule that spoke against a contact. `lawful_after`: the event or fact after which it would not."""

    rule: str
    lawful_after: str | None = None


class PermitDecision(_Answer):
    """One answer to a permit request. `permit`: the signed permit itself."""

    request_id: UUID
    decision: Literal["allow", "deny", "needs-fact"]
    reasons: list[PermitReason] = Field(default_factory=list)
    permit_id: UUID | None = None
    permit: str | None = None
    earliest_lawful: Moment | None = None

    def stands(self, *, tries: int) -> bool:
        """Whether the asker acts on it; else the same is asked again. `tries`: how often it was asked before.

        The first answers of a compliance that was away say only that it must catch up first: taken for refusals they
        would cost every appointment that was waiting.
        """
        if self.decision != "needs-fact":
            return True
        comes = any(reason.lawful_after in _COMES_BY_ITSELF for reason in self.reasons)
        return tries >= (_TRIES_AT_ALL if comes else _TRIES_FOR_A_FACT)


class _Decisions(_Answer):
    items: list[PermitDecision]


class _Requests(BaseModel):
    items: list[dict[str, Any]]


class _Use(BaseModel):
    used_at: datetime
    contact_id: UUID


class _Release(BaseModel):
    cause: str


async def ask_for_permits(
    compliance: ServiceClient, requests: Sequence[Mapping[str, Any]], *, key: str
) -> dict[UUID, PermitDecision]:
    """The decisions by `request_id`; compliance recognises a request that it has answered by its id.

    Raises RemoteProblem, RemoteUnavailable.
    """
    body = _Requests(items=[dict(one) for one in requests])
    answer = await compliance.command("/v1/permits", _Decisions, body=body, idempotency_key=key)
    return {one.request_id: one for one in answer.items}


class _Telling:
    """Intent handler: tells compliance of one permit each. A refusal is final, silence is not."""

    batch_size: ClassVar[int] = _AT_ONCE

    def __init__(self, kind: str, compliance: Callable[[], ServiceClient]) -> None:
        self.kind = kind
        self._compliance = compliance

    async def call(self, intents: Sequence[Intent]) -> Sequence[Answer | None]:
        """One call per permit."""
        return await asyncio.gather(*(self._tell(intent) for intent in intents))

    async def commit(self, uow: UnitOfWork, answered: Sequence[tuple[Intent, Answer]]) -> None:
        """Nothing of ours changes: it was committed with the step that decided it."""

    async def _tell(self, intent: Intent) -> Answer | None:
        step, body = self._said(intent.payload)
        path = f"/v1/permits/{intent.payload['permit_id']}/{step}"
        try:
            await self._compliance().command(path, object, body=body, idempotency_key=str(intent.id))
        except RemoteUnavailable:
            return None
        except RemoteProblem as problem:
            again = problem.status in _ASK_AGAIN or problem.kind == "command-running"
            return None if again else Answer(status=problem.status, body={"kind": problem.kind})
        return Answer()

    def _said(self, payload: Mapping[str, Any]) -> tuple[str, BaseModel]:
        raise NotImplementedError


class PermitUses(_Telling):
    """Reports each use (`permit_id`, `used_at`, `contact_id`); refused or not, the audit finds the contact."""

    def _said(self, payload: Mapping[str, Any]) -> tuple[str, BaseModel]:
        used_at, contact_id = datetime.fromisoformat(payload["used_at"]), UUID(payload["contact_id"])
        return "use", _Use(used_at=used_at, contact_id=contact_id)


class PermitReleases(_Telling):
    """Gives permits back that nobody will use (`permit_id`, `cause`); one that is used or gone has nothing to give."""

    def _said(self, payload: Mapping[str, Any]) -> tuple[str, BaseModel]:
        return "release", _Release(cause=str(payload["cause"]))
