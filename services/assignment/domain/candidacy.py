"""All that assignment knows of one party: the case, what blocks it, and at most one live visit.

Facts arrive on several topics in no common order, so every fact is kept as it is (a case state, a block) and the answer
"may this person be planned?" is computed from all of them. That is what makes the handlers commute.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from typing import Final, get_args
from uuid import UUID
from zoneinfo import ZoneInfo

from services.assignment.domain.policy import CoolingCause, SelectionPolicy
from services.assignment.domain.visits import OURS, PlannedVisit, VisitState
from shared.events import NewEvent
from shared.events.base import EventData
from shared.events.case import CaseActionChosen, CaseLoan, CaseOpened, EndingKind, NextAction
from shared.events.visit import VisitWithdrawn
from shared.messaging.disbelieved import is_disbelieved
from shared.messaging.intents import NewIntent
from shared.money import Money

HOLD_CAUSES: Final = {"plan_active": "plan_signed", "safety": "sos"}
"""Compliance's kinds of hold that the `stop` topic knows under another name; all others have the same name on both."""
FEED_SUSPENDED: Final = "feed_suspended"
"""Cause and reason while intake does not believe the core that the case comes from."""
_HOME: Final = "household:"
_ENDS: Final = frozenset({"cured", *get_args(EndingKind)})


@dataclass(frozen=True, kw_only=True)
class CaseFacts:
    """The newest known state of the party's case."""

    case_id: UUID
    version: int
    bucket: str
    dpd_effective: int
    overdue_totals: tuple[Money, ...]
    jurisdiction: str
    time_zones: tuple[str, ...]
    language: str
    cell: str | None
    held: bool
    facts_at: datetime
    is_open: bool = True
    suspended: bool = False
    shared: tuple[str, ...] = ()
    """What one visit is about for several people: the home, and each debt that binds somebody else, too."""
    leads: bool = True
    """Whether this is the lead case of all its debts: whoever borrowed them, not who is bound beside them."""
    core: str | None = None
    """The core that tells of it; none: it was never said."""

    @property
    def home(self) -> str | None:
        """Opaque key of the home, where it is known."""
        return next((one.removeprefix(_HOME) for one in self.shared if one.startswith(_HOME)), None)


@dataclass(frozen=True, kw_only=True)
class ChosenAction:
    """What the bank's strategy chose last; `number` grows with each choice of a case."""

    case_id: UUID
    number: int
    action: NextAction


@dataclass(frozen=True, kw_only=True)
class Block:
    """A fact that forbids planning, from `since`, until `until` (none: open) unless it was `ended_at`."""

    cause: str
    reference: str
    since: datetime
    until: datetime | None = None
    ended_at: datetime | None = None

    def active(self, now: datetime, case: CaseFacts | None) -> bool:
        """Whether it blocks now. The end of a case speaks of it as it was: newer facts of the case outlive it."""
        if self.ended_at is not None or (self.until is not None and self.until <= now):
            return False
        return not (self.cause in _ENDS and case is not None and case.facts_at > self.since)


@dataclass(frozen=True, kw_only=True)
class Candidacy:
    """One party. `not_before` is the first local date on which it may be planned again."""

    party_id: UUID
    case: CaseFacts | None = None
    chosen: ChosenAction | None = None
    blocks: tuple[Block, ...] = ()
    not_before: date | None = None
    visit: PlannedVisit | None = None
    disbelieved: frozenset[str] = frozenset()
    """The cores that intake does not believe at the moment, whosever they are."""

    @property
    def feed_suspended(self) -> bool:
        """Whether the case's core is not believed; of a case that nobody said the core of, whether any is not."""
        return is_disbelieved(None if self.case is None else self.case.core, self.disbelieved)

    def today(self, now: datetime) -> date:
        """The party's local date (UTC while no zone is known)."""
        zones = self.case.time_zones if self.case is not None else ()
        return now.astimezone(ZoneInfo(zones[0]) if zones else UTC).date()

    def blocking(self, now: datetime) -> Block | None:
        """The first active block, if any."""
        return next((block for block in self.blocks if block.active(now, self.case)), None)


@dataclass(frozen=True, kw_only=True)
class Step:
    """What one fact changed. `applied` is false for stale, repeated or foreign facts."""

    candidacy: Candidacy
    events: tuple[NewEvent[EventData], ...] = ()
    intents: tuple[NewIntent, ...] = ()
    applied: bool = True
    finished: tuple[PlannedVisit, ...] = field(default=())
    """Visits that are no longer live after this step; they are saved and leave the candidacy."""


def ignored(candidacy: Candidacy) -> Step:
    """Nothing to do, and that is right."""
    return Step(candidacy=candidacy, applied=False)


def case_known(candidacy: Candidacy, data: CaseOpened, *, at: datetime, policy: SelectionPolicy, now: datetime) -> Step:
    """`case.opened` and `case.updated`: complete state; older versions of the same case are ignored."""
    known = candidacy.case
    same = known is not None and known.case_id == data.case_id
    if known is not None and same and known.version >= data.version:
        return ignored(candidacy)
    case = CaseFacts(
        case_id=data.case_id,
        version=data.version,
        bucket=data.bucket,
        dpd_effective=data.dpd_effective,
        overdue_totals=tuple(data.overdue_totals),
        jurisdiction=data.jurisdiction,
        time_zones=tuple(data.time_zones),
        language=data.language,
        cell=data.cell,
        held=data.held,
        facts_at=at,
        shared=_shared(data),
        leads=all(_leads(loan, data.party_id) for loan in data.loans),
        suspended=known.suspended if known is not None and same else False,
        core=data.core,
    )
    changed = replace(candidacy, case=case)
    if case.held or (candidacy.visit is not None and candidacy.visit.case_id != case.case_id):
        return _withdraw(changed, cause="case_changed", policy=policy, now=now)
    return Step(candidacy=changed)


def _shared(data: CaseOpened) -> tuple[str, ...]:
    debts = [f"debt:{loan.debt_id}" for loan in data.loans if len(loan.obligors) > 1 and loan.debt_id is not None]
    homes = [] if data.household is None else [f"{_HOME}{data.household}"]
    return tuple(sorted({*debts, *homes}))


def _leads(loan: CaseLoan, party_id: UUID) -> bool:
    """Whether the party's case leads for the loan: the borrower's does, of several the one with the lowest id."""
    borrowers = [one.party_id for one in loan.obligors if one.role == "borrower"]
    return not borrowers or min(borrowers) == party_id or all(one.party_id != party_id for one in loan.obligors)


def case_cured(candidacy: Candidacy, case_id: UUID, version: int, *, policy: SelectionPolicy, now: datetime) -> Step:
    """`case.cured`: nothing is overdue, nobody is visited."""
    case = candidacy.case
    if case is None or case.case_id != case_id or case.version >= version:
        return ignored(candidacy)
    changed = replace(candidacy, case=replace(case, version=version, is_open=False))
    return _withdraw(changed, cause="cured", policy=policy, now=now)


def given_up(candidacy: Candidacy, *, policy: SelectionPolicy, now: datetime) -> Step:
    """`case.party_merged`: the party is another person, whose case goes on. A later `case.opened` brings it back."""
    if candidacy.case is None:
        return ignored(candidacy)
    changed = replace(candidacy, case=replace(candidacy.case, is_open=False))
    return _withdraw(changed, cause="merged", policy=policy, now=now)


def case_suspension(
    candidacy: Candidacy, case_id: UUID, version: int, *, suspended: bool, policy: SelectionPolicy, now: datetime
) -> Step:
    """`case.suspended` and `case.released`."""
    case = candidacy.case
    if case is None or case.case_id != case_id or case.version >= version:
        return ignored(candidacy)
    changed = replace(candidacy, case=replace(case, version=version, suspended=suspended))
    return _withdraw(changed, cause="suspended", policy=policy, now=now) if suspended else Step(candidacy=changed)


def case_version_seen(candidacy: Candidacy, case_id: UUID, version: int) -> Step:
    """A fact of the case that changes nothing here but its version (payments, bucket moves)."""
    case = candidacy.case
    if case is None or case.case_id != case_id or case.version >= version:
        return ignored(candidacy)
    return Step(candidacy=replace(candidacy, case=replace(case, version=version)))


def action_chosen(candidacy: Candidacy, data: CaseActionChosen, *, policy: SelectionPolicy, now: datetime) -> Step:
    """`case.action_chosen`: a visit that the strategy no longer chooses is given up. It may come before its case."""
    known = candidacy.chosen
    if known is not None and known.case_id == data.case_id and known.number >= data.number:
        return ignored(candidacy)
    chosen = ChosenAction(case_id=data.case_id, number=data.number, action=data.action)
    changed = replace(candidacy, chosen=chosen)
    if chosen.action == "field_visit":
        return Step(candidacy=changed)
    return _withdraw(changed, cause="action_changed", policy=policy, now=now)


def block(candidacy: Candidacy, fact: Block, *, policy: SelectionPolicy, now: datetime) -> Step:
    """A stop, hold or parked record: the candidate disappears at once and an open proposal is withdrawn."""
    kept = next((b for b in candidacy.blocks if (b.cause, b.reference) == (fact.cause, fact.reference)), None)
    if kept is not None and (kept.ended_at is None or kept.ended_at >= fact.since):
        return ignored(candidacy)
    others = tuple(b for b in candidacy.blocks if b is not kept)
    changed = replace(candidacy, blocks=(*others, fact))
    if not fact.active(now, changed.case):
        return Step(candidacy=changed)
    return _withdraw(changed, cause=fact.cause, policy=policy, now=now)


def recalled(candidacy: Candidacy, *, cause: str, policy: SelectionPolicy, now: datetime) -> Step:
    """A fact that recalls what is planned and of itself keeps nothing away: an open proposal is withdrawn."""
    step = _withdraw(candidacy, cause=cause, policy=policy, now=now)
    return step if step.finished else ignored(candidacy)


def unblock(candidacy: Candidacy, *, cause: str, reference: str, at: datetime) -> Step:
    """A block ended. Kept even when the block itself has not arrived yet, so that order does not matter."""
    kept = next((b for b in candidacy.blocks if (b.cause, b.reference) == (cause, reference)), None)
    if kept is not None and kept.ended_at is not None and kept.ended_at >= at:
        return ignored(candidacy)
    ended = replace(kept, ended_at=at) if kept else Block(cause=cause, reference=reference, since=at, ended_at=at)
    others = tuple(b for b in candidacy.blocks if b is not kept)
    return Step(candidacy=replace(candidacy, blocks=(*others, ended)))


def block_until(candidacy: Candidacy, fact: Block, *, at: datetime) -> Step:
    """The end of a block is known and lies ahead, as that of a moratorium after a treatment. Order does not matter."""
    kept = next((b for b in candidacy.blocks if (b.cause, b.reference) == (fact.cause, fact.reference)), None)
    if kept is not None and (kept.until == fact.until or (kept.ended_at is not None and kept.ended_at >= at)):
        return ignored(candidacy)
    others = tuple(b for b in candidacy.blocks if b is not kept)
    return Step(candidacy=replace(candidacy, blocks=(*others, fact)))


def refusal(candidacy: Candidacy, field_day: date, *, policy: SelectionPolicy, now: datetime) -> str | None:
    """Why this party is not planned for `field_day`: a reason code, or None when a visit may be asked."""
    case = candidacy.case
    if case is None or not case.is_open:
        return "no_open_case"
    if case.held or case.suspended:
        return "held" if case.held else "suspended"
    if candidacy.feed_suspended:
        return FEED_SUSPENDED
    blocking = candidacy.blocking(now)
    if blocking is not None:
        return f"stopped:{blocking.cause}"
    chosen = candidacy.chosen
    if chosen is None or chosen.case_id != case.case_id:
        return "no_action_chosen"
    if chosen.action != "field_visit":
        return f"strategy:{chosen.action}"
    if candidacy.visit is not None:
        return "already_planned"
    if candidacy.not_before is not None and candidacy.not_before > field_day:
        return "cooling"
    if case.cell is None or not case.time_zones:
        return "place_unknown"
    if case.bucket not in policy.buckets or case.dpd_effective < policy.minimum_days_past_due:
        return "softer_channels_first"
    if not any(_worth(total, policy) for total in case.overdue_totals):
        return "amount_too_small"
    return None


def cooled(candidacy: Candidacy, cause: CoolingCause, *, policy: SelectionPolicy, now: datetime) -> Candidacy:
    """The candidacy with a waiting time after `cause`; never shortens a longer one."""
    until = policy.cool_until(cause, candidacy.today(now))
    return replace(candidacy, not_before=max(until, candidacy.not_before or until))


def withdraw_visit(
    candidacy: Candidacy,
    *,
    cause: str,
    cooling: CoolingCause,
    policy: SelectionPolicy,
    now: datetime,
    rules: tuple[str, ...] = (),
) -> Step:
    """Give up a visit that is still ours: `visit.withdrawn`. Does nothing once the visit belongs to visits."""
    visit = candidacy.visit
    if visit is None or visit.state not in OURS:
        return Step(candidacy=candidacy)
    ended = replace(
        visit, state=VisitState.WITHDRAWN, cause=cause, rules=rules, version=visit.version + 1, changed_at=now
    )
    event: NewEvent[EventData] = NewEvent(
        type="visit.withdrawn",
        party_id=visit.party_id,
        aggregate_id=visit.visit_id,
        time=now,
        data=VisitWithdrawn(
            visit_id=visit.visit_id,
            case_id=visit.case_id,
            party_id=visit.party_id,
            version=ended.version,
            cause=cause,
            rules=list(rules),
        ),
    )
    changed = cooled(replace(candidacy, visit=None), cooling, policy=policy, now=now)
    return Step(candidacy=changed, events=(event,), finished=(ended,))


def _withdraw(candidacy: Candidacy, *, cause: str, policy: SelectionPolicy, now: datetime) -> Step:
    return withdraw_visit(candidacy, cause=cause, cooling="withdrawn", policy=policy, now=now)


def _worth(total: Money, policy: SelectionPolicy) -> bool:
    least = policy.minimum_overdue_minor.get(total.currency)
    return least is not None and total.amount_minor >= least
