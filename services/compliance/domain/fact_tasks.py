"""What is not known becomes a task: who must find it out, and until when. Nobody is blocked for ever unnoticed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final, Literal, Protocol
from uuid import UUID

from services.compliance.domain.decisions import Decision
from services.compliance.domain.local_time import known_zones
from services.compliance.domain.rulings import Answer

Owner = Literal["intake", "assignment", "visits", "compliance", "operations", "bank"]
# Bank policy: a person waits for a missing fact no longer than this before somebody is called to account.
DUE_AFTER: Final = timedelta(days=3)
BLOCKED_AFTER: Final = timedelta(days=14)
# Not tasks: they pass by themselves, have an alarm of their own, or are the asker's to give. And nobody chases a person
# for a request of their own.
_NO_TASK: Final = frozenset(
    {
        "facts.fresh", "facts.caught_up", "log.current", "feed.heard", "balance.confirmed", "visit.place",
        "customer.requested",
    }
)  # fmt: skip
_ALWAYS_ASKED: Final = ("case.", "party.", "pack.", "facts.")
_OWNERS: Final[tuple[tuple[str, Owner], ...]] = (
    ("case.", "intake"),
    ("party.", "intake"),
    ("pack.", "compliance"),
    ("calendar.", "compliance"),
    ("third_person.", "compliance"),
    ("facts.completed", "operations"),
    ("collector", "assignment"),
    ("device_", "assignment"),
    ("place", "visits"),
    ("product", "intake"),
    ("visit_", "visits"),
    ("work_visit_", "visits"),
    ("stays_outside", "visits"),
    ("leaves_when_asked", "visits"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FactTask:
    """One fact about one party that a rule asked for and nobody told. Business times.

    `needed_day`: of a calendar, the local date that it must cover.
    """

    task_id: UUID
    party_id: UUID
    fact: str
    rule: str
    owner: Owner
    opened_at: datetime
    due_at: datetime
    closed_at: datetime | None = None
    needed_day: date | None = None

    def is_overdue(self, now: datetime) -> bool:
        """Whether it should have been done by now."""
        return self.closed_at is None and self.due_at <= now


def owner_of(fact: str) -> Owner:
    """Who can find the fact out; what no service of ours knows, a desk of the bank must."""
    return next((owner for prefix, owner in _OWNERS if fact.startswith(prefix)), "bank")


def missing_facts(decision: Decision) -> dict[str, str]:
    """The facts that the decision lacked and somebody must find out, each with the first rule that asked for it."""
    found: dict[str, str] = {}
    for ruling in decision.rulings:
        if ruling.answer is Answer.NEEDS_FACT:
            listed = ruling.values.get("missing")
            names: Iterable[object] = listed if isinstance(listed, list) else [ruling.earliest.after]
            for name in names:
                if isinstance(name, str) and name not in _NO_TASK:
                    found.setdefault(name, ruling.rule.id)
    return found


def needed_day(decision: Decision, rule: str) -> date | None:
    """The local date that the rule's calendar does not cover; None: it lacks no such date."""
    for ruling in decision.rulings:
        day = ruling.values.get("day") if ruling.rule.id == rule and ruling.answer is Answer.NEEDS_FACT else None
        if isinstance(day, str):
            return date.fromisoformat(day)
    return None


class DescribedCase(Protocol):
    """What a case says of its person."""

    @property
    def case_id(self) -> UUID: ...
    @property
    def held(self) -> bool: ...
    @property
    def jurisdiction(self) -> str: ...
    @property
    def zones(self) -> tuple[str, ...]: ...
    @property
    def history_known_from(self) -> date | None: ...
    @property
    def household(self) -> str | None: ...
    @property
    def debts_known(self) -> bool: ...


def told_by_case(before: DescribedCase | None, after: DescribedCase) -> list[str]:
    """The facts that a new description of the case brings, under the names by which rules miss them.

    What it only says again brings nothing: whoever asked about another case or place is still waiting.
    """
    known = {} if before is None else _said_by(before)
    return [fact for fact, value in _said_by(after).items() if value and value != known.get(fact)]


def _said_by(case: DescribedCase) -> dict[str, object]:
    return {
        "case.opened": case.case_id,
        "case.updated": case.jurisdiction,
        "party.updated": not case.held,
        "party.time_zone": known_zones(case.zones),
        "party.history_known_from": case.history_known_from,
        "party.household": case.household,
        "party.debts": case.debts_known,
    }


def is_answered(task: FactTask, decision: Decision) -> bool:
    """Whether the fact was asked for again and is known now.

    What is asked of every person is; any other fact when the rule that had missed it was asked.
    """
    if task.fact in missing_facts(decision):
        return False
    return task.fact.startswith(_ALWAYS_ASKED) or any(ruling.rule.id == task.rule for ruling in decision.rulings)
