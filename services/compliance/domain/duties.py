"""Duties with a time: what recurs, and what answers a cause that a machine sees. What is overdue is a finding.

A recurring duty is done when a person records it, with a reference. Nobody knows when it was last done before the
register began to look; until then it is due a month after the register's first look, so that it can be recorded.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final
from uuid import UUID

from services.compliance.domain.audit import Finding
from services.compliance.domain.erasures import REQUESTS_ELSEWHERE
from services.compliance.domain.findings import FindingVersion
from services.compliance.domain.packs import RuleBook
from services.compliance.domain.rule_parts import DutyOwner, Tracked
from services.compliance.domain.rule_records import DutyRule
from services.compliance.domain.rules.records import due_at, overdue
from shared.ids import derived_id
from shared.web.problems import KnownProblem

# Of the institution as a whole; other subjects are what the recorder names, such as an agency.
INSTITUTION: Final = "institution"
FIRST_RECORD: Final = timedelta(days=30)


class DutyNotRecorded(KnownProblem):
    """Nobody records this duty: no rule in force has the id, it does not recur, or its cause and end are seen."""

    kind, status, title = "duty-not-recorded", 404, "Nobody records this duty"


class DutyDoneTooLate(KnownProblem):
    """A duty is recorded when it was done, not before."""

    kind, status, title = "duty-not-done-yet", 422, "The day lies in the future"


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """What the register knows of a recurring duty of a subject: since when it looks, when it was last done."""

    rule: str
    subject: str
    since: date
    last_done: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """Something that a duty answers and that nobody has answered. `place`: of the person; None: not known."""

    tracks: Tracked
    caused_at: datetime
    place: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OwedToCauses:
    """What one rule asks for because of recorded causes that nobody has answered: how much, since when, how late."""

    rule: str
    waiting: int
    late: int
    due_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Duty:
    """Where one duty of one subject stands. `due_on`: of what waits the earliest; None: nothing waits. `due_at`: from
    when on that is late, where its time runs from a cause.

    `waiting`: how much waits for it, `late`: how much of that should have been done by today.
    """

    rule: DutyRule
    subject: str
    due_on: date | None
    due_at: datetime | None = None
    last_done: date | None = None
    waiting: int = 0
    late: int = 0

    @property
    def owner(self) -> DutyOwner:
        """Who does it."""
        return self.rule.owner

    @property
    def finding_id(self) -> UUID:
        """One duty of one subject has one finding, opened again whenever it is overdue again."""
        return derived_id("finding", "duty", self.rule.id, self.subject)

    def found(self) -> FindingVersion | None:
        """The first version of the finding that it is overdue; None when it is not. Names nobody."""
        if not self.late:
            return None
        detail = f"{self.rule.duty}: {self.late} overdue, the first due on {self.due_on}; owed by {self.owner}"
        return FindingVersion(
            finding_id=self.finding_id,
            version=1,
            finding=Finding(self.rule.id, self.rule.citation, self.rule.severity, detail),
            subject=f"duty:{self.subject}",
        )


def recurring(book: RuleBook, day: date) -> dict[str, DutyRule]:
    """The rules in force that day whose duty recurs, by id; drafts only where the bank judges by them."""
    return {rule.id: rule for rule in _in_force(book, day) if rule.every_days is not None and rule.tracks is None}


def standing(
    book: RuleBook, *, now: datetime, watched: Sequence[Watched], waiting: Sequence[Waiting],
    causes: Sequence[OwedToCauses] = (),
) -> list[Duty]:  # fmt: skip
    """Every duty with a time, the one due first first. What a rule no longer in force asked for is not owed, unless
    because of a recorded cause.
    """
    today = now.date()
    rules = recurring(book, today)
    kept = {(one.rule, one.subject): one for one in watched}
    begun = [one for one in kept.values() if one.rule in rules]
    named = {one.rule for one in begun if one.subject != INSTITUTION}
    unseen = [
        Watched(rule=rule_id, subject=INSTITUTION, since=today)
        for rule_id in rules
        if rule_id not in {one.rule for one in begun}
    ]
    found = [
        *(_recurring(rules[one.rule], one, named=one.rule in named, now=now) for one in (*begun, *unseen)),
        *_answering(book, waiting, causes, now=now),
    ]
    return sorted(found, key=lambda duty: (duty.due_on or date.max, duty.rule.id, duty.subject))


def _recurring(rule: DutyRule, one: Watched, *, named: bool, now: datetime) -> Duty:
    """`named`: somebody recorded it for subjects by name; then nothing is owed for an institution never recorded."""
    if named and one.subject == INSTITUTION and one.last_done is None:
        return Duty(rule=rule, subject=one.subject, due_on=None)
    every = timedelta(days=rule.every_days or 0)
    reckoned = one.last_done if one.last_done is not None else one.since + min(every, FIRST_RECORD) - every
    late = overdue(rule, now=now, last_done=reckoned)
    return Duty(
        rule=rule, subject=one.subject, due_on=reckoned + every, last_done=one.last_done, waiting=1, late=int(late)
    )


def _answering(
    book: RuleBook, waiting: Sequence[Waiting], causes: Sequence[OwedToCauses], *, now: datetime
) -> Iterator[Duty]:
    """The duties that answer what waits: of each place, by the strictest rule that was in force on the day of cause."""
    seen: dict[str, list[datetime]] = defaultdict(list)
    rules: dict[str, DutyRule] = {rule.id: rule for rule in _in_force(book, now.date()) if rule.tracks is not None}
    owed = {one.rule: one for one in causes}
    for one in waiting:
        bound = _bound(book, one)
        if bound:
            due, rule = min(((due_at(each, one.caused_at), each) for each in bound), key=lambda it: (it[0], it[1].id))
            rules.setdefault(rule.id, rule)
            seen[rule.id].append(due)
    for rule_id in owed:
        of_cause = duty_rule(book, rule_id)
        if of_cause is not None:
            rules[rule_id] = of_cause
    for rule_id, rule in rules.items():
        dues, because = seen.get(rule_id, []), owed.get(rule_id)
        first = min([*dues, *([because.due_at] if because is not None else [])], default=None)
        yield Duty(
            rule=rule, subject=INSTITUTION, due_on=None if first is None else last_day(first), due_at=first,
            waiting=len(dues) + (because.waiting if because is not None else 0),
            late=sum(due <= now for due in dues) + (because.late if because is not None else 0),
        )  # fmt: skip


def last_day(due: datetime) -> date:
    """The last date (UTC) on which it is in time."""
    return (due - timedelta.resolution).date()


def duty_rule(book: RuleBook, rule_id: str) -> DutyRule | None:
    """The duty of that id, of the newest version of its pack; None: no loaded pack has it any more."""
    rule = REQUESTS_ELSEWHERE if rule_id == REQUESTS_ELSEWHERE.id else book.rule(rule_id)
    return rule if isinstance(rule, DutyRule) else None


def _bound(book: RuleBook, one: Waiting) -> list[DutyRule]:
    """The rules that say by when it is answered; of a person whose place is not known, those of all places."""
    day = one.caused_at.date()
    of_place = book.rules(jurisdiction=one.place, day=day) if one.place is not None else _in_force(book, day)
    return [rule for rule in of_place if isinstance(rule, DutyRule) and rule.tracks == one.tracks]


def _in_force(book: RuleBook, day: date) -> Iterator[DutyRule]:
    return (rule for rule in book.rules_of_all_places(day) if isinstance(rule, DutyRule))


def late_by_owner(duties: Iterable[Duty], owners: Iterable[DutyOwner]) -> Mapping[DutyOwner, int]:
    """How much is overdue, of every owner: zero is said, too."""
    counted: dict[DutyOwner, int] = dict.fromkeys(owners, 0)
    for duty in duties:
        counted[duty.owner] += duty.late
    return counted
