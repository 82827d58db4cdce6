"""Complaints and what becomes of them. None is ever edited: each step makes a version that supersedes the last.

`received` → `acknowledged` → `answered` → `closed`; it may be `escalated` (ombudsman, regulator, court) before it is
closed, and reopened after. Whoever is complained about never touches it, and whoever answered it does not close it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Literal
from uuid import UUID

from services.compliance.domain.holds import COMPLAINT_SOURCE
from services.compliance.domain.packs import RuleBook
from services.compliance.domain.rule_records import DutyRule
from shared.ids import derived_id
from shared.web.problems import KnownProblem

ComplaintChannel = Literal["visit", "call", "letter", "email", "web", "branch", "regulator", "ombudsman"]
ComplaintState = Literal["received", "acknowledged", "answered", "escalated", "closed"]
Step = Literal["take", "acknowledge", "answer", "escalate", "close", "reopen"]
ANSWER: Final = "answer the complaint"

_LEADS_TO: Final[Mapping[Step, ComplaintState]] = {
    "acknowledge": "acknowledged",
    "answer": "answered",
    "escalate": "escalated",
    "close": "closed",
    "reopen": "acknowledged",
}
_TAKEN_FROM: Final[Mapping[Step, frozenset[ComplaintState]]] = {
    "take": frozenset({"received", "acknowledged", "answered", "escalated"}),
    "acknowledge": frozenset({"received"}),
    "answer": frozenset({"received", "acknowledged", "escalated"}),
    "escalate": frozenset({"received", "acknowledged", "answered"}),
    "close": frozenset({"answered"}),
    "reopen": frozenset({"answered", "closed"}),
}


class ComplaintStepRefused(KnownProblem):
    """The complaint's state does not allow this step: acknowledge, answer, then let a second person close."""

    kind, status, title = "complaint-step-refused", 409, "The complaint's state does not allow this step"


class ComplainedAbout(KnownProblem):
    """Whoever is complained about neither owns, answers nor closes the complaint."""

    kind, status, title = "complained-about", 403, "The complaint is about you"


class SecondPersonNeeded(KnownProblem):
    """Whoever answered a complaint does not close it: a second person does."""

    kind, status, title = "second-person-needed", 403, "Whoever answered a complaint does not close it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """Until when a complaint must be answered, by which rule. `answer_by` is business time."""

    rule: str
    citation: str
    answer_by: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Complaint:
    """One version of a complaint. `about` are the collectors complained about; `owner` the person who looks after it.

    `by_whom` and `words` are of the version's step; `answered_by` everybody who answered so far.
    """

    complaint_id: UUID
    version: int
    party_id: UUID
    channel: ComplaintChannel
    about: frozenset[str]
    received_at: datetime
    clock: Clock
    state: ComplaintState = "received"
    step: Literal["receive"] | Step = "receive"
    owner: str | None = None
    by_whom: str
    words: str | None = None
    reference: str | None = None
    answered_by: frozenset[str] = frozenset()

    @property
    def hold_source(self) -> str:
        """The source of the hold that keeps contact away while it is open."""
        return hold_source(self.complaint_id)

    def is_late(self, now: datetime) -> bool:
        """Whether it should have been answered by now."""
        return self.state not in ("answered", "closed") and self.clock.answer_by <= now


def hold_source(complaint_id: UUID) -> str:
    """How the hold of a complaint names it."""
    return f"{COMPLAINT_SOURCE}{complaint_id}"


def complaint_name(party_id: UUID, reference: str) -> str:
    """The same complaint, told twice under one reference, is one. Its id is this name under our key, so that it leads
    nobody to the person.
    """
    return f"{party_id}|{reference}"


def unkeyed_complaint_id(party_id: UUID, reference: str) -> UUID:
    """The id of a complaint made before ids were keyed."""
    return derived_id("complaint", str(party_id), reference)


def clock_of(book: RuleBook, *, jurisdiction: str | None, received_at: datetime) -> Clock:
    """The clock of the person's place on the day of receipt; where there is none, the strictest of all places.

    Days are of 24 hours from receipt. Raises LookupError when no loaded pack has a clock at all.
    """
    day = received_at.date()
    own = [rule for rule in book.rules(jurisdiction=jurisdiction, day=day) if _is_clock(rule)] if jurisdiction else []
    clocks = own or [
        rule
        for pack in book.packs
        if pack.in_force(day)
        for rule in pack.rule
        if _is_clock(rule) and rule.in_force(day)
    ]
    found = [(rule.within_days, rule) for rule in clocks if isinstance(rule, DutyRule) and rule.within_days is not None]
    if not found:
        raise LookupError("no loaded pack has a complaint clock")
    days, rule = min(found, key=lambda one: (one[0], one[1].id))
    return Clock(rule=rule.id, citation=rule.citation, answer_by=received_at + timedelta(days=days))


def take_step(current: Complaint, step: Step, *, by_whom: str, words: str | None, reference: str | None) -> Complaint:
    """The version after a person's step. Raises ComplaintStepRefused, ComplainedAbout, SecondPersonNeeded."""
    if by_whom in current.about:
        raise ComplainedAbout()
    if current.state not in _TAKEN_FROM[step]:
        raise ComplaintStepRefused(f"the complaint is {current.state}", state=current.state)
    if step == "close" and by_whom in current.answered_by:
        raise SecondPersonNeeded()
    return replace(
        current,
        version=current.version + 1,
        state=_LEADS_TO.get(step, current.state),
        step=step,
        owner=by_whom if step == "take" or current.owner is None else current.owner,
        by_whom=by_whom,
        words=words,
        reference=reference,
        answered_by=current.answered_by | {by_whom} if step == "answer" else current.answered_by,
    )


def _is_clock(rule: object) -> bool:
    return isinstance(rule, DutyRule) and rule.duty == ANSWER and rule.within_days is not None
