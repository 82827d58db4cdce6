"""Holds: facts that keep contact away, each with its own source. Contact resumes when the last one ends."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, Literal
from uuid import UUID

from services.compliance.domain.local_time import Span
from shared.events.contact import Purpose
from shared.events.loan import HeldFor
from shared.events.stop import StopCause
from shared.web.problems import KnownProblem

HoldKind = Literal[
    "plan_active", "stop_request", "deceased", "dispute", "hardship", "facts_incomplete", "represented", "complaint",
    "safety", "insolvency", "breathing_space", "mental_health_crisis", "ombudsman", "cease_contact", "channel_opt_out",
    "debt_advice", "vulnerability", "minor", "disaster",
]  # fmt: skip
HoldScope = Literal["party", "visit_channel", "collection", "loan", "contact_point"]
PointKind = Literal["phone", "email", "postal", "address"]
# What somebody needs from us. Never why: a diagnosis is not ours to keep.
Need = Literal[
    "more_time", "short_contact", "large_print", "interpreter", "written_only", "no_visits", "no_calls",
    "supporter_present", "debt_advice", "other_contact",
]  # fmt: skip
# The source of a complaint's hold begins so.
COMPLAINT_SOURCE: Final = "complaint:"
# Their end is one person's word against the other's: two people see it.
FOUR_EYES: Final[frozenset[HoldKind]] = frozenset({"deceased", "cease_contact", "complaint", "vulnerability"})
# Debt Respite Scheme Regulations 2020 (SI 2020/1311): a moratorium lasts 60 days; a mental-health crisis moratorium as
# long as the treatment and 30 days more.
BREATHING_SPACE: Final = timedelta(days=60)
AFTER_TREATMENT: Final = timedelta(days=30)
LONGEST_REVIEW: Final = timedelta(days=366)
COLLECTING: Final[frozenset[Purpose]] = frozenset({"collection", "appointment_admin"})

_LESS_OWED: Final[tuple[StopCause, ...]] = (
    "credit", "due_changed", "waiver", "charge_reversed", "restructure", "reage", "correction", "paid", "settled",
    "refinanced", "cancelled", "written_off", "sold", "servicing",
)  # fmt: skip
# Causes that stop what is under way but leave no hold behind: a payment changes the balance, a cure closes the case,
# and the hold of a plan is placed by plans itself before it signs.
HOLD_OF_STOP: Final[dict[StopCause, HoldKind | None]] = {
    "payment": None,
    "cured": None,
    "plan_signed": None,
    "deceased": "deceased",
    "stop_request": "stop_request",
    "dispute": "dispute",
    "hardship": "hardship",
    "represented": "represented",
    "complaint": "complaint",
    "sos": "safety",
    "insolvency": "insolvency",
    # `case.hold_seen` says which hold it is and how long it lasts.
    "hold": None,
    # `case.party_merged` says who is who, and the case is suspended meanwhile.
    "identity": None,
    # The heartbeats say how long the core is not believed.
    "feed_suspended": None,
    **dict.fromkeys(_LESS_OWED),
}
# What the core calls a hold, as ours.
HOLD_OF_CORE: Final[dict[HeldFor, HoldKind]] = {
    "dispute": "dispute",
    "insolvency": "insolvency",
    "breathing_space": "breathing_space",
    "mental_health_crisis": "mental_health_crisis",
    "hardship": "hardship",
    "represented": "represented",
    "deceased": "deceased",
    "ombudsman": "ombudsman",
    "cease_contact": "cease_contact",
    "debt_advice": "debt_advice",
    "minor": "minor",
    "disaster": "disaster",
    "payment_holiday": "plan_active",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """One version of a hold. `valid_*`, `ended_at` and `review_by` are business time, `recorded_real` is real time.

    `scope_key`: of a loan the id of its debt; of a contact point `kind:commitment` (HMAC), never the number itself.
    `end_asked_by`: the first of the two people who end it. `need`: of a vulnerability hold, what the person needs.
    """

    hold_id: UUID
    party_id: UUID
    kind: HoldKind
    scope: HoldScope
    valid_from: datetime
    valid_to: datetime | None
    source_ref: str
    recorded_real: datetime
    scope_key: str = ""
    ended_at: datetime | None = None
    end_asked_by: str | None = None
    need: Need | None = None
    review_by: datetime | None = None

    @property
    def until(self) -> datetime | None:
        """Business time at which it stops holding; None while open."""
        moments = [moment for moment in (self.valid_to, self.ended_at) if moment is not None]
        return min(moments) if moments else None

    def touches(self, span: Span) -> bool:
        """Whether it stands at any moment of `span`."""
        until = self.until
        return self.valid_from < span.end and (until is None or span.start < until)


class HoldOfComplaint(KnownProblem):  # reads as a fact at the call site
    """The hold belongs to a complaint: only closing the complaint, outside collections, ends it."""

    kind, status, title = "hold-of-complaint", 403, "Only closing the complaint ends this hold"


class HoldEndNeedsEvidence(KnownProblem):
    """A hold ends on evidence: name the document that shows that its cause is gone."""

    kind, status, title = "hold-end-needs-evidence", 422, "Ending a hold needs evidence"


class SecondPersonEndsHold(KnownProblem):
    """Whoever asked for the end of this hold does not decide on it: a second person does."""

    kind, status, title = "second-person-ends-hold", 403, "A second person ends this hold"


def days_anywhere(first: date, last: date | None) -> tuple[datetime, datetime | None]:
    """The span of whole days that are days of some place on earth: from UTC+14 to UTC-12. `last` None: open."""
    start = datetime.combine(first, time(), UTC) - timedelta(hours=14)
    return start, None if last is None else datetime.combine(last, time(), UTC) + timedelta(days=1, hours=12)


def lawful_end(kind: HoldKind, *, valid_from: datetime, valid_to: datetime | None) -> datetime | None:
    """The end that the law gives a hold; None: open. `valid_to` of a mental-health crisis is the end of treatment.

    A breathing space lasts 60 days whatever was said: it ends earlier only by its recorded end. What two people end has
    no end that one of them says beforehand; only of a vulnerability it is when the need passes.
    """
    if kind in FOUR_EYES and kind != "vulnerability":
        return None
    if kind == "breathing_space":
        return valid_from + BREATHING_SPACE
    if kind == "mental_health_crisis" and valid_to is not None:
        return valid_to + AFTER_TREATMENT
    return valid_to


def covers(hold: Hold, *, until: datetime | None, now: datetime) -> bool:
    """Whether a hold that stands already keeps contact away as long as one of its source that is told now.

    One that is over by itself covers nothing. A breathing space is not made longer by being told again.
    """
    if hold.until is None:
        return True
    if hold.until <= now:
        return False
    return hold.kind == "breathing_space" or (until is not None and until <= hold.until)


def ended(hold: Hold, *, at: datetime) -> Hold:
    """The hold after its end was recorded: ending acts from `at`, never earlier.

    A hold that had ended keeps its end; of a mental-health crisis the treatment ends, and the law adds 30 days.
    """
    if hold.ended_at is not None:
        return hold
    end = max(at, hold.valid_from)
    return replace(hold, ended_at=end + AFTER_TREATMENT if hold.kind == "mental_health_crisis" else end)


def end_by(hold: Hold, person: str, *, evidence: str | None, at: datetime) -> Hold:
    """The hold after a person's word that it ends. Of some kinds two people must say so; the first changes nothing yet.

    Raises HoldOfComplaint, HoldEndNeedsEvidence, SecondPersonEndsHold.
    """
    if hold.ended_at is not None:
        return hold
    if hold.source_ref.startswith(COMPLAINT_SOURCE):
        raise HoldOfComplaint()
    if hold.kind != "plan_active" and evidence is None:
        raise HoldEndNeedsEvidence()
    if hold.kind in FOUR_EYES:
        if hold.end_asked_by is None:
            return replace(hold, end_asked_by=person)
        if hold.end_asked_by == person:
            raise SecondPersonEndsHold()
    return ended(hold, at=at)


def same_source(holds: list[Hold], *, kind: HoldKind, scope: HoldScope, scope_key: str, source_ref: str) -> Hold | None:
    """The open hold of this kind, scope and source, if there is one: told twice, it is still one hold."""
    wanted = (kind, scope, scope_key, source_ref)
    for hold in holds:
        if (hold.kind, hold.scope, hold.scope_key, hold.source_ref) == wanted and hold.ended_at is None:
            return hold
    return None
