"""Event types to domain functions: what the case owes, what was paid, and when it cured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, Literal
from uuid import UUID

from services.plans import same_persons
from services.plans.domain import case as cases
from services.plans.domain import plan as plans
from services.plans.domain.case import KnownCase
from services.plans.domain.payments import Payment
from services.plans.domain.plan import Change, Plan
from services.plans.store import follow_ups as follow_up_store
from services.plans.store.follow_ups import HeardHold
from services.plans.store.plans import PlanStore, load_cases, save_cases
from shared.database import UnitOfWork
from shared.events import Event, Received
from shared.events.base import EventData
from shared.events.case import CaseIdentity, CasePartyMerged
from shared.events.compliance import HoldEnded, HoldPlaced
from shared.messaging import InboxKey, Outcome, Subscription
from shared.messaging.erasing import with_erasure
from shared.messaging.subscription import inbox_key

_STATES: Final = frozenset({"case.opened", "case.updated"})
_ENDS: Final = frozenset({"case.cured", "case.closed"})
_HOLDS: Final = frozenset({"compliance.hold_placed", "compliance.hold_ended"})
# On which a plan can be served at all: a hold on visits or calls alone is none of it.
_SERVED: Final = frozenset({"sms", "email", "letter"})
_IDENTITY: Final = frozenset({"case.party_merged", "case.party_unmerged"})
_SUSPENSIONS: Final = frozenset({"case.suspended", "case.released"})
_TYPES: Final = _STATES | _ENDS | _IDENTITY | _SUSPENSIONS | {"case.payment_posted", "case.payment_reversed"}


def subscriptions(store: PlanStore) -> list[Subscription]:
    """What plans reads."""

    async def handle(uow: UnitOfWork, batch: Sequence[Received[EventData]]) -> Mapping[InboxKey, Outcome]:
        for received in batch:
            if isinstance(received.event.data, CaseIdentity):
                await same_persons.keep(uow, received.event.data)
        folding = await _Folding.open(uow, store, [received.event for received in batch])
        outcomes: dict[InboxKey, Outcome] = {}
        for received in batch:
            if isinstance(received.event.data, CaseIdentity):
                folding.identify(received.event.data)
            elif not folding.fold(received.event):
                outcomes[inbox_key(received.event)] = Outcome.IGNORED
        await folding.save()
        return outcomes

    async def erase(uow: UnitOfWork, party_ids: Sequence[UUID]) -> None:
        await same_persons.forget(uow, party_ids)
        await follow_up_store.forget(uow, party_ids)
        await store.erase(uow, party_ids)

    async def hold(uow: UnitOfWork, batch: Sequence[Received[EventData]]) -> Mapping[InboxKey, Outcome]:
        for received in batch:
            if isinstance(received.event.data, HoldPlaced):
                await _hear_hold(uow, received.event, received.event.data)
        return {}

    return [
        Subscription(topic="case", types=frozenset(_TYPES), handle=handle),
        with_erasure(Subscription(topic="compliance", types=_HOLDS, handle=hold), erase),
    ]


async def _hear_hold(uow: UnitOfWork, event: Event[EventData], data: HoldPlaced) -> None:
    """A hold as it stands after the event. One on a number, or on channels on which no plan is served, pauses none."""
    if data.scope == "contact_point" or (data.channels is not None and not set(data.channels) & _SERVED):
        return
    ends = data.valid_to
    if isinstance(data, HoldEnded) and (ends is None or ends <= event.time):
        ends = event.time
    heard = HeardHold(party_id=data.party_id, kind=data.kind, valid_from=data.valid_from, valid_to=ends)
    await follow_up_store.set_hold(uow, data.hold_id, heard)


class _Folding:
    """Cases and plans of one batch; written once, at the end."""

    def __init__(
        self, uow: UnitOfWork, store: PlanStore, known: dict[tuple[UUID, UUID], KnownCase], agreed: Sequence[Plan],
        merged: Mapping[UUID, frozenset[UUID]],
    ) -> None:  # fmt: skip
        self._uow = uow
        self._store = store
        self._cases = known
        self._merged = merged
        self._plans = {plan.plan_id: plan for plan in agreed}
        self._changed_cases: set[tuple[UUID, UUID]] = set()
        self._changed_plans: set[UUID] = set()

    @classmethod
    async def open(cls, uow: UnitOfWork, store: PlanStore, events: Sequence[Event[EventData]]) -> _Folding:
        parties = [event.party_id for event in events if event.party_id is not None]
        merged = await same_persons.merged_into(uow, parties)
        await uow.lock_parties(merged.keys() - uow.locked)
        plans_known = await store.of_parties(uow, [*parties, *merged])
        return cls(uow, store, await load_cases(uow, parties), plans_known, merged)

    def identify(self, data: CaseIdentity) -> None:
        """The case of somebody who is another person now is over; their plans go on, kept by who remains."""
        before = self._cases.get((data.party_id, data.merged_case_id)) if data.merged_case_id is not None else None
        if isinstance(data, CasePartyMerged) and data.party_id == data.merged_id and before is not None:
            self._keep_case((before.party_id, before.case_id), replace(before, is_open=False))

    def fold(self, event: Event[Any]) -> bool:
        """Take one event over; false when it changes nothing."""
        data = event.data
        key = (data.party_id, data.case_id)
        before = self._cases.get(key)
        if event.type in _STATES:
            state = cases.known(before, data)
            return state is not None and self._keep_case(key, state)
        if before is not None and before.version < data.version:
            suspended = event.type == "case.suspended" if event.type in _SUSPENSIONS else None
            is_open = before.is_open and event.type not in _ENDS  # only a state opens one again
            self._keep_case(key, cases.moved_on(before, data.version, is_open=is_open, suspended=suspended))
            if event.type in _SUSPENSIONS:
                return True
        if event.type in _SUSPENSIONS:
            return False
        applied = [self._fold_plan(plan, event) for plan in self._of_case(key)]
        return any(applied) or (before is not None and before.version < data.version)

    def _fold_plan(self, plan: Plan, event: Event[Any]) -> bool:
        now, real_now, data = self._uow.now, self._uow.real_now, event.data
        if event.type in _ENDS:
            cause: Literal["cured", "closed"] = "cured" if event.type == "case.cured" else "closed"
            change = plans.case_ended(plan, cause=cause, now=now, real_now=real_now)
        elif event.type == "case.payment_reversed":
            change = plans.payment_reversed(plan, data.transaction_ref, now=now)
        elif plan.takes(data.value_date):
            payment = Payment(
                transaction_ref=data.transaction_ref,
                loan_id=data.loan_id,
                amount_minor=data.amount.amount_minor,
                position=len(plan.payments) + 1,
            )
            same_currency = data.amount.currency == plan.currency and data.amount.amount_minor > 0
            change = (
                plans.payment_posted(plan, payment, now=now, real_now=real_now) if same_currency else Change(plan=plan)
            )
        else:
            change = Change(plan=plan)
        return self._keep_plan(change, cause_id=event.id)

    def _of_case(self, key: tuple[UUID, UUID]) -> list[Plan]:
        """The plans that a payment to this case keeps: its person's, and those of whoever was merged into them.

        A person has one case for life, so the person names it: a plan that was imported while its person was somebody
        else names the other's case.
        """
        return [
            plan
            for plan in self._plans.values()
            if plan.party_id == key[0] or key[0] in self._merged.get(plan.party_id, ())
        ]

    def _keep_case(self, key: tuple[UUID, UUID], state: KnownCase) -> bool:
        self._cases[key] = state
        self._changed_cases.add(key)
        return True

    def _keep_plan(self, change: Change, *, cause_id: str) -> bool:
        plan = change.plan
        if plan == self._plans[plan.plan_id]:
            return False
        self._plans[plan.plan_id] = plan
        self._changed_plans.add(plan.plan_id)
        for event in change.events:
            self._uow.emit(event.caused_by(cause_id))
        for intent in change.intents:
            self._uow.intend(intent)
        return True

    async def save(self) -> None:
        """Write what changed."""
        await save_cases(self._uow, [self._cases[key] for key in self._changed_cases])
        await self._store.save(self._uow, [self._plans[plan_id] for plan_id in self._changed_plans])
