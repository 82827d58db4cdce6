"""Event types to domain functions. Whole batches: load once, fold in offset order, save once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from services.assignment.domain import candidacy as parties
from services.assignment.domain import saga
from services.assignment.domain.candidacy import HOLD_CAUSES, Block, Candidacy, Step
from services.assignment.domain.policy import SelectionPolicy
from services.assignment.domain.visits import VisitState
from services.assignment.ledger import Ledger
from services.assignment.store.erasing import erase
from shared.database import UnitOfWork
from shared.events import Event, Received
from shared.events.base import EventData
from shared.messaging import InboxKey, Outcome, Subscription
from shared.messaging.erasing import with_erasure
from shared.messaging.subscription import inbox_key

Fold = Callable[[Candidacy, Event[Any], SelectionPolicy, datetime], Step]
_PARKED: Final = "parked"
# What has lowered a debt speaks of a moment; a hold of the core is followed by the one that compliance places.
_PASSING: Final = frozenset(
    {"payment", "credit", "due_changed", "waiver", "charge_reversed", "restructure", "reage", "correction", "hold"}
)
# A complaint becomes a hold of compliance under a reference of its own, which ends with the complaint. While it settles
# who a person is the case is suspended.
_HELD_SOON: Final = frozenset({"complaint", "identity"})
_UNTIL_HELD: Final = timedelta(days=1)


def subscriptions(policy: SelectionPolicy) -> list[Subscription]:
    """What assignment reads."""
    return [
        Subscription(
            topic="stop",
            types=frozenset(_STOP),
            handle=_handler(_STOP, policy),
            monotone_types=frozenset({"party.stopped"}),
        ),
        *(
            Subscription(topic=topic, types=frozenset(folds), handle=_handler(folds, policy))
            for topic, folds in (("case", _CASE), ("visit", _VISIT), ("plan", _PLAN))
        ),
        with_erasure(
            Subscription(topic="compliance", types=frozenset(_COMPLIANCE), handle=_handler(_COMPLIANCE, policy)), erase
        ),
    ]


def _handler(folds: Mapping[str, Fold], policy: SelectionPolicy) -> Any:
    async def handle(uow: UnitOfWork, batch: Sequence[Received[EventData]]) -> Mapping[InboxKey, Outcome]:
        events = [received.event for received in batch if received.event.party_id is not None]
        ledger = await Ledger.open(uow, [event.party_id for event in events if event.party_id is not None])
        outcomes: dict[InboxKey, Outcome] = {}
        for event in events:
            assert event.party_id is not None
            step = folds[event.type](ledger[event.party_id], event, policy, uow.now)
            if not ledger.fold(step, cause_id=event.id):
                outcomes[inbox_key(event)] = Outcome.IGNORED
        await ledger.save()
        return outcomes

    return handle


def _case_known(candidacy: Candidacy, event: Event[Any], policy: SelectionPolicy, now: datetime) -> Step:
    return parties.case_known(candidacy, event.data, at=event.time, policy=policy, now=now)


def _case_cured(candidacy: Candidacy, event: Event[Any], policy: SelectionPolicy, now: datetime) -> Step:
    return parties.case_cured(candidacy, event.data.case_id, event.data.version, policy=policy, now=now)


def _case_suspension(candidacy: Candidacy, event: Event[Any], policy: SelectionPolicy, now: datetime) -> Step:
    data, suspended = event.data, event.type == "case.suspended"
    return parties.case_suspension(candidacy, data.case_id, data.version, suspended=suspended, policy=policy, now=now)


def _action_chosen(candidacy: Candidacy, event: Event[Any], policy: SelectionPolicy, now: datetime) -> Step:
    return parties.action_chosen(candidacy, event.data, policy=policy, now=now)


def _identity(candidacy: Candidacy, event: Event[Any], policy: SelectionPolicy, now: datetime) -> Step:
    """Who is another person now is visited no more; for who remains, and for two again, the cases follow."""
    if event.type == "case.party_merged" and event.data.party_id == event.data.merged_id:
        return parties.given_up(candidacy, policy=policy, now=now)
    return parties.ignored(candidacy)


def _case_version(candidacy: Candidacy, event: Event[Any], _policy: SelectionPolicy, _now: datetime) -> Step:
    return parties.case_version_seen(candidacy, event.data.case_id, event.data.version)


def _stopped(candidacy: Candidacy, event: Event[Any], policy: SelectionPolicy, now: datetime) -> Step:
    data = event.data
    if data.cause == parties.FEED_SUSPENDED:  # the heartbeats say how long it lasts, so nothing must end with it
        return parties.recalled(candidacy, cause=data.cause, policy=policy, now=now)
    until = data.since + timedelta(days=policy.cooling_days["payment"]) if data.cause in _PASSING else None
    if data.cause in _HELD_SOON:
        until = data.since + _UNTIL_HELD
    fact = Block(cause=data.cause, reference=data.reference, since=data.since, until=until)
    return parties.block(candidacy, fact, policy=policy, now=now)


def _parked(candidacy: Candidacy, event: Event[Any], policy: SelectionPolicy, now: datetime) -> Step:
    fact = Block(cause=_PARKED, reference=event.data.service, since=event.recorded_time)
    return parties.block(candidacy, fact, policy=policy, now=now)


def _unparked(candidacy: Candidacy, event: Event[Any], _policy: SelectionPolicy, _now: datetime) -> Step:
    return parties.unblock(candidacy, cause=_PARKED, reference=event.data.service, at=event.recorded_time)


def _held(candidacy: Candidacy, event: Event[Any], policy: SelectionPolicy, now: datetime) -> Step:
    """A hold on other channels, such as one telephone number, keeps no visit away."""
    data = event.data
    if data.channels is not None and "visit" not in data.channels:
        return parties.ignored(candidacy)
    cause = HOLD_CAUSES.get(data.kind, data.kind)
    fact = Block(cause=cause, reference=data.source_ref, since=data.valid_from, until=data.valid_to)
    return parties.block(candidacy, fact, policy=policy, now=now)


def _released(candidacy: Candidacy, event: Event[Any], _policy: SelectionPolicy, _now: datetime) -> Step:
    data = event.data
    cause = HOLD_CAUSES.get(data.kind, data.kind)
    if data.valid_to is not None and data.valid_to > event.time:
        fact = Block(cause=cause, reference=data.source_ref, since=data.valid_from, until=data.valid_to)
        return parties.block_until(candidacy, fact, at=event.time)
    return parties.unblock(candidacy, cause=cause, reference=data.source_ref, at=event.time)


def _plan_signed(candidacy: Candidacy, event: Event[Any], policy: SelectionPolicy, now: datetime) -> Step:
    fact = Block(cause="plan_signed", reference=str(event.data.plan_id), since=event.data.signed_at)
    return parties.block(candidacy, fact, policy=policy, now=now)


def _plan_over(candidacy: Candidacy, event: Event[Any], _policy: SelectionPolicy, _now: datetime) -> Step:
    return parties.unblock(candidacy, cause="plan_signed", reference=str(event.data.plan_id), at=event.time)


def _offered(candidacy: Candidacy, event: Event[Any], _policy: SelectionPolicy, now: datetime) -> Step:
    return saga.offered(candidacy, event.data.visit_id, event.data.version, now=now)


def _agreed(candidacy: Candidacy, event: Event[Any], _policy: SelectionPolicy, now: datetime) -> Step:
    return saga.agreed(candidacy, event.data.visit_id, event.data.version, event.data.window, now=now)


def _declined(candidacy: Candidacy, event: Event[Any], policy: SelectionPolicy, now: datetime) -> Step:
    data = event.data
    return saga.declined(candidacy, data.visit_id, data.version, data.cause, policy=policy, now=now)


def _moved(candidacy: Candidacy, event: Event[Any], _policy: SelectionPolicy, now: datetime) -> Step:
    return saga.moved(candidacy, event.data.visit_id, event.data.version, event.data.wished, now=now)


def _over(state: VisitState) -> Fold:
    def fold(candidacy: Candidacy, event: Event[Any], policy: SelectionPolicy, now: datetime) -> Step:
        data = event.data
        cause = data.outcome if state is VisitState.COMPLETED else data.cause
        return saga.over(candidacy, data.visit_id, data.version, state, cause, policy=policy, now=now)

    return fold


_CASE: Final[dict[str, Fold]] = {
    "case.opened": _case_known,
    "case.updated": _case_known,
    "case.cured": _case_cured,
    "case.closed": _case_cured,
    "case.loan_cured": _case_version,
    "case.hold_seen": _case_version,
    "case.party_merged": _identity,
    "case.party_unmerged": _identity,
    "case.suspended": _case_suspension,
    "case.released": _case_suspension,
    "case.bucket_changed": _case_version,
    "case.payment_posted": _case_version,
    "case.payment_reversed": _case_version,
    "case.action_chosen": _action_chosen,
}
_STOP: Final[dict[str, Fold]] = {
    "party.stopped": _stopped,
    "party.parked": _parked,
    "party.unparked": _unparked,
}
_COMPLIANCE: Final[dict[str, Fold]] = {
    "compliance.hold_placed": _held,
    "compliance.hold_ended": _released,
}
_PLAN: Final[dict[str, Fold]] = {
    "plan.signed": _plan_signed,
    "plan.broken": _plan_over,
    "plan.completed": _plan_over,
}
_VISIT: Final[dict[str, Fold]] = {
    "visit.offered": _offered,
    "visit.agreed": _agreed,
    "visit.declined": _declined,
    "visit.moved": _moved,
    "visit.recalled": _over(VisitState.RECALLED),
    "visit.aborted": _over(VisitState.ABORTED),
    "visit.completed": _over(VisitState.COMPLETED),
}
