"""The visit: its state, the steps that are possible, and what one step brings with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Final, Literal, Self
from uuid import UUID

from shared.events import NewEvent
from shared.events.base import TimeWindow
from shared.events.contact import ConductFlag
from shared.events.visit import Outcome, Reason
from shared.messaging import NewIntent
from shared.money import Money
from shared.web.problems import KnownProblem


class State(StrEnum):
    """Where a visit stands (product vocabulary). `WITHDRAWN` and `RESCHEDULED` are exits that assignment carries on
    from.
    """

    PROPOSED = "proposed"
    OFFERED = "offered"
    AGREED = "agreed"
    ASSIGNED = "assigned"
    EN_ROUTE = "en_route"
    CHECKED_IN = "checked_in"
    CHECKED_OUT = "checked_out"
    RECORDED = "recorded"
    DECLINED = "declined"
    WITHDRAWN = "withdrawn"
    RESCHEDULED = "rescheduled"
    RECALLED = "recalled"
    ABORTED_SAFETY = "aborted_safety"
    CUSTOMER_ABSENT = "customer_absent"
    EXPIRED = "expired"


_S = State
TRANSITIONS: Final[dict[State, frozenset[State]]] = {
    _S.PROPOSED: frozenset({_S.OFFERED, _S.DECLINED, _S.WITHDRAWN, _S.RECALLED, _S.ABORTED_SAFETY}),
    _S.OFFERED: frozenset({_S.AGREED, _S.DECLINED, _S.RESCHEDULED, _S.WITHDRAWN, _S.RECALLED, _S.ABORTED_SAFETY}),
    _S.AGREED: frozenset({_S.ASSIGNED, _S.DECLINED, _S.WITHDRAWN, _S.RECALLED, _S.EXPIRED, _S.ABORTED_SAFETY}),
    _S.ASSIGNED: frozenset({_S.EN_ROUTE, _S.CHECKED_IN, _S.CHECKED_OUT, _S.RECALLED, _S.EXPIRED, _S.ABORTED_SAFETY}),
    _S.EN_ROUTE: frozenset({_S.CHECKED_IN, _S.CHECKED_OUT, _S.RECALLED, _S.EXPIRED, _S.ABORTED_SAFETY}),
    _S.CHECKED_IN: frozenset({_S.CHECKED_OUT, _S.CUSTOMER_ABSENT, _S.ABORTED_SAFETY}),
    _S.CHECKED_OUT: frozenset({_S.RECORDED}),
    _S.RECORDED: frozenset(),
    _S.DECLINED: frozenset(),
    _S.WITHDRAWN: frozenset(),
    _S.RESCHEDULED: frozenset(),
    _S.RECALLED: frozenset(),
    _S.ABORTED_SAFETY: frozenset(),
    _S.CUSTOMER_ABSENT: frozenset(),
    _S.EXPIRED: frozenset(),
}
PLANNED_BY_ASSIGNMENT: Final = frozenset({_S.PROPOSED, _S.OFFERED, _S.AGREED})
READY: Final = frozenset({_S.ASSIGNED, _S.EN_ROUTE})
BEFORE_THE_DOOR: Final = PLANNED_BY_ASSIGNMENT | READY


class IllegalTransitionError(RuntimeError):
    """Our own mistake: code tried a step that the table does not know."""


class WrongVisitState(KnownProblem):
    """The visit is not in a state in which this can be done; `state` tells which it is in."""

    kind, status, title = "visit-state", 409, "The visit's state does not allow this"


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitRecord:
    """What happened at the door, in closed codes: there is no field into which something about a third person would
    fit.
    """

    outcome: Outcome
    reason: Reason | None
    right_party: bool
    household_contacted: bool
    debtor_met: bool
    identity_shown: bool
    recording_complete: bool
    promise: Money | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AtTheDoor:
    """What the crew says of how it behaved, for compliance's audit; nothing of it is kept here. None: not said."""

    entered_home: bool | None = None
    entry_consented: bool | None = None
    asked_to_leave: bool | None = None
    left_when_asked: bool | None = None
    debt_disclosed_to_third: bool = False
    conduct_flags: tuple[ConductFlag, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One visit. Windows and `*_at` are business time, `*_real` is real time."""

    tenant: str
    party_id: UUID
    visit_id: UUID
    case_id: UUID
    state: State
    version: int
    partition: int
    """Kafka partition of the party: the same on every topic, so a watermark of that partition speaks about this
    visit.
    """
    field_day: date
    window_start: datetime
    window_end: datetime
    duration_minutes: int
    pair_id: UUID
    crew: tuple[UUID, ...]
    device_id: str
    cell: str
    jurisdiction: str
    case_version: int
    answer_by: datetime
    proposed_real: datetime
    correlation_id: str
    """The saga's thread: every event of the visit carries the proposal's correlation id."""
    offer_permit_id: UUID | None = None
    offered_at: datetime | None = None
    answered_at: datetime | None = None
    permit_id: UUID | None = None
    permit: str | None = None
    """The permit's token, for the device it is bound to."""
    stop_number: int | None = None
    door_code: str | None = None
    checked_in_at: datetime | None = None
    checked_in_real: datetime | None = None
    crew_present: tuple[UUID, ...] = ()
    distance_m: int | None = None
    notice_cause: str | None = None
    """A fact that came while the crew was at the door: notice to end, not a recall."""
    checked_out_at: datetime | None = None
    record: VisitRecord | None = None
    contact_id: UUID | None = None
    leaf_index: int | None = None
    end_cause: str | None = None
    address_key: str | None = None
    """Opaque key of the address, on which compliance counts visits; the address itself is never here."""

    @property
    def window(self) -> TimeWindow:
        """The window, business time."""
        return TimeWindow(start=self.window_start, end=self.window_end)

    def held_permit(self, cause: str) -> HeldPermit | None:
        """The permit that its device holds; None while it has none."""
        if self.permit_id is None:
            return None
        return HeldPermit(
            party_id=self.party_id, permit_id=self.permit_id, visit_id=self.visit_id, device_id=self.device_id,
            valid_to=self.window_end, cause=cause,
        )  # fmt: skip

    def to(self, state: State, **changes: Any) -> Self:
        """The visit one version later, in `state`. Raises IllegalTransitionError."""
        if state is not self.state and state not in TRANSITIONS[self.state]:
            raise IllegalTransitionError(f"{self.state} to {state}")
        return replace(self, state=state, version=self.version + 1, **changes)

    def fact(self) -> dict[str, Any]:
        """The members that every visit event carries."""
        return {
            "visit_id": self.visit_id,
            "case_id": self.case_id,
            "party_id": self.party_id,
            "version": self.version,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """An offer to the customer, to be handed to the message gateway. Holds no debt, no name and no address."""

    message_id: UUID
    party_id: UUID
    visit_id: UUID
    handed_at: datetime
    handed_real: datetime


RecallKind = Literal["recalled", "notice"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recall:
    """A fact met a visit: before the door it was recalled, at the door the crew got notice to end. All real time."""

    party_id: UUID
    visit_id: UUID
    kind: RecallKind
    cause: str
    fact_arrived_at: datetime
    recalled_at: datetime
    state_before: State
    checked_in_real: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """Somebody must look now: an SOS, or a crew that did not check out."""

    alarm_id: UUID
    kind: Literal["sos", "check_out_overdue"]
    party_id: UUID | None
    visit_id: UUID | None
    collector_id: UUID | None
    silent: bool
    raised_at: datetime
    raised_real: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PermitUse:
    """The one use of a permit, unique per permit."""

    party_id: UUID
    permit_id: UUID
    visit_id: UUID
    used_at: datetime
    used_real: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldPermit:
    """An unused permit of a visit that is over, as far as its device has told: it may have been used unheard.

    It counts as used until the device has synced past `valid_to` (business time). `cause`: why the visit is over.
    """

    party_id: UUID
    permit_id: UUID
    visit_id: UUID
    device_id: str
    valid_to: datetime
    cause: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One step of one visit and everything that must be committed with it."""

    visit: Visit
    events: Sequence[NewEvent[Any]] = ()
    intents: Sequence[NewIntent] = ()
    message: Message | None = None
    recall: Recall | None = None
    alarm: Alarm | None = None
    permit_use: PermitUse | None = None
    held: HeldPermit | None = None
