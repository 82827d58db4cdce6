"""Intents about permits, and the guard timer of every visit that is still ours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from services.assignment import remote
from services.assignment.domain import saga
from services.assignment.domain.policy import SelectionPolicy
from services.assignment.ledger import Ledger
from services.assignment.remote import NotAnsweredError
from shared.database import UnitOfWork
from shared.ids import derived_id
from shared.messaging import Answer, Intent, TimerHandler
from shared.permits import PermitDecision
from shared.web.client import ServiceClient


@dataclass(frozen=True, slots=True)
class Decided(Answer):
    """Compliance has decided."""

    decision: PermitDecision | None = None


class VisitPermits:
    """Asks for the permits of agreed visits, in batches. A repeated request has the same `request_id`: one permit."""

    kind = saga.PERMIT_INTENT
    batch_size = 100

    def __init__(self, compliance: ServiceClient, policy: SelectionPolicy) -> None:
        self._compliance = compliance
        self._policy = policy

    async def call(self, intents: Sequence[Intent]) -> Sequence[Answer | None]:
        """Ask compliance. 'Needs a fact', 'facts behind' and silence are no answers: the intent is tried again."""
        requests: list[dict[str, Any]] = [{"request_id": intent.id, **intent.payload["request"]} for intent in intents]
        # The attempts are part of the key: a refusal for missing facts must not be replayed once they are known.
        key = derived_id("permit-batch", *(f"{intent.id}:{intent.attempts}" for intent in intents))
        try:
            decisions = await remote.permits(self._compliance, requests, key=str(key))
        except NotAnsweredError:
            return [None] * len(intents)
        return [self._answer(intent, decisions.get(intent.id)) for intent in intents]

    def _answer(self, intent: Intent, decision: PermitDecision | None) -> Answer | None:
        if decision is None or not decision.stands(tries=intent.attempts):
            return None
        return Decided(decision=decision)

    async def commit(self, uow: UnitOfWork, answered: Sequence[tuple[Intent, Answer]]) -> None:
        """`visit.assigned`, or `visit.withdrawn` with the rules that refused."""
        ledger = await Ledger.open(uow, [_party(intent) for intent, _ in answered])
        for intent, answer in answered:
            assert isinstance(answer, Decided)
            assert answer.decision is not None
            decision, visit_id = answer.decision, UUID(intent.payload["visit_id"])
            candidacy = ledger[_party(intent)]
            if decision.decision == "allow" and decision.permit_id is not None and decision.permit is not None:
                step = saga.permit_granted(
                    candidacy,
                    visit_id,
                    permit_id=decision.permit_id,
                    permit=decision.permit,
                    policy=self._policy,
                    now=uow.now,
                )
            else:
                rules = tuple(reason.rule for reason in decision.reasons)
                step = saga.permit_refused(candidacy, visit_id, rules, policy=self._policy, now=uow.now)
            ledger.fold(step, cause_id=str(intent.id))
        await ledger.save()


class VisitGuard(TimerHandler):
    """The durable timeout of a visit that is still ours when its window opens."""

    kind = saga.GUARD_TIMER
    batch_size = 200

    def __init__(self, policy: SelectionPolicy) -> None:
        self._policy = policy

    async def commit(self, uow: UnitOfWork, answered: Sequence[tuple[Intent, Answer]]) -> None:
        """Withdraw what was not assigned in time."""
        ledger = await Ledger.open(uow, [_party(intent) for intent, _ in answered])
        for intent, _ in answered:
            visit_id = UUID(intent.payload["visit_id"])
            step = saga.guard_due(ledger[_party(intent)], visit_id, policy=self._policy, now=uow.now)
            ledger.fold(step, cause_id=str(intent.id))
        await ledger.save()


def _party(intent: Intent) -> UUID:
    if intent.party_id is None:
        raise ValueError(f"intent {intent.kind} without a party")
    return intent.party_id
