"""The past under another strategy: what it would have done, what that costs, and whom it would have burdened.

Pure: one person's past in, tallies out. What people said (difficulties, promises, complaints, plans), what holds stood
and how late they were is replayed as it was; what the bank did is replaced by what the strategy chooses, from the first
day on which the person's lateness is known. How people would have answered other steps is unknown and not guessed.

From the first choice that was kept on, lateness, pauses, suspensions, holds, score and ways to reach somebody are those
that the live choices saw; before it, they come from the loans' changes of state. `Compared` replaces nothing: it asks
what a strategy chooses in each state in which a live choice was made, deeds of the bank included.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Final, NamedTuple
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from services.intake.domain.policy import BUCKETS, DelinquencyPolicy
from services.intake.strategy.decision import CaseState, Choice, choose
from services.intake.strategy.history import KIND_STEPS, PastFact, PastHold
from services.intake.strategy.policy import Policy
from services.intake.strategy.release import NO_STRATEGY, Strategy
from services.intake.strategy.seen import MadeChoice
from shared.events.case import NextAction, StrategyArm

VULNERABLE: Final = frozenset({"vulnerability", "mental_health_crisis", "hardship", "breathing_space"})
CONTACTS: Final[frozenset[NextAction]] = frozenset({"remind", "call", "letter", "offer_help", "field_visit"})
LEAST_IN_GROUP: Final = 30
"""Smaller groups are counted, but no ratio is drawn from them."""
_REPLAYED: Final = frozenset({"promise", "plan_signed", "plan_completed", "plan_broken", "complaint"})
_LATE: Final = BUCKETS[1:]
_MOST_CHOICES: Final = 5_000


class LoanChange(NamedTuple):
    """From a business date on a loan is in a state, with that much overdue."""

    as_of: date
    state: str
    currency: str
    overdue_minor: int


class Past(Struct, frozen=True):
    """One person: each loan's changes in order, what happened, holds, and labels by attribute for the groups.

    `until`: the last business date that is known of the case. `late_since`: due date of its oldest unpaid item then;
    None when nothing is past due. `made`: the choices that were kept, in order; `known`: the history that each knew.
    """

    party_id: UUID
    loans: tuple[tuple[LoanChange, ...], ...]
    facts: tuple[PastFact, ...]
    holds: tuple[PastHold, ...]
    has_phone: bool
    has_home: bool
    labels: Mapping[str, str]
    until: date
    late_since: date | None = None
    made: tuple[MadeChoice, ...] = ()
    known: tuple[tuple[PastFact, ...], ...] = ()


class Lateness(NamedTuple):
    """How late a person was on a day."""

    days: int
    overdue_minor: tuple[tuple[str, int], ...]


class Taken(NamedTuple):
    """A step that the strategy would have taken, and the state in which it chose it."""

    on: date
    choice: Choice
    arm: StrategyArm
    state: CaseState


@dataclass
class Cell:
    """Sums over the people of a group; money in minor units."""

    people: int = 0
    challenger: int = 0
    actions: dict[str, int] = field(default_factory=dict)
    cost_minor: int = 0
    contacts: int = 0
    most_contacts: int = 0
    visits: int = 0
    visited: int = 0
    visits_before_softer_steps: int = 0
    visits_under_hold: int = 0
    visited_and_vulnerable: int = 0
    in_difficulty: int = 0
    in_difficulty_helped: int = 0
    complaints: int = 0

    def as_document(self) -> dict[str, object]:
        """With the figures that follow from the sums."""
        per_person = 0.0 if not self.people else round(self.contacts / self.people, 3)
        relief = None if not self.in_difficulty else round(self.in_difficulty_helped / self.in_difficulty, 4)
        return {
            "people": self.people, "challenger": self.challenger, "actions": dict(sorted(self.actions.items())),
            "cost_minor": self.cost_minor, "contacts": self.contacts, "contacts_per_person": per_person,
            "most_contacts_of_one_person": self.most_contacts, "visits": self.visits, "people_visited": self.visited,
            "visits_before_softer_steps": self.visits_before_softer_steps,
            "visits_under_vulnerability_hold": self.visits_under_hold,
            "people_visited_known_now_as_vulnerable": self.visited_and_vulnerable,
            "people_in_difficulty": self.in_difficulty, "of_them_offered_help": self.in_difficulty_helped,
            "relief_share": relief, "complaints": self.complaints,
        }  # fmt: skip


@dataclass
class Compared:
    """The live choices that were kept, beside what a strategy chooses in the same states.

    `own`: those that the strategy itself made, and of them `own_different`, which are 0 as long as the rules that read
    strategies stay what they were.
    """

    choices: int = 0
    different: int = 0
    own: int = 0
    own_different: int = 0
    became: Counter[str] = field(default_factory=Counter)

    def add(self, strategy: Strategy, past: Past) -> None:
        """Choose anew in each state in which a choice was made. A wait because nothing may be used is no choice."""
        own = {one.sha256 for one in (strategy.champion, strategy.challenger) if one is not None}
        for made, known in zip(past.made, past.known, strict=True):
            if made.choice.rule == NO_STRATEGY:
                continue
            state = made.seen.state(known, made.on)
            arm = strategy.arm_of(past.party_id, state)
            chosen = choose(strategy.of_arm(arm).policy, state)
            is_own = made.strategy_sha256 in own
            differs = chosen != made.choice or (is_own and arm != made.arm)
            self.choices += 1
            self.own += is_own
            self.different += differs
            self.own_different += is_own and differs
            if chosen.action != made.choice.action:
                self.became[f"{made.choice.action} -> {chosen.action}"] += 1

    def as_document(self) -> dict[str, object]:
        """Counts, and which actions became which."""
        return {
            "choices": self.choices, "different": self.different, "made_by_it": self.own,
            "of_them_different": self.own_different, "actions_that_became_others": dict(sorted(self.became.items())),
        }  # fmt: skip


@dataclass
class Tally:
    """What a strategy would have done, in all and by group. Grows with the groups, not with the people."""

    strategy: Strategy
    total: Cell = field(default_factory=Cell)
    groups: dict[str, dict[str, Cell]] = field(default_factory=dict)
    compared: Compared = field(default_factory=Compared)

    def add(self, past: Past, buckets: DelinquencyPolicy) -> None:
        """Replay a person."""
        self.compared.add(self.strategy, past)
        taken = list(replay(self.strategy, past, buckets))
        cells = [self.total]
        for attribute, label in past.labels.items():
            cells.append(self.groups.setdefault(attribute, {}).setdefault(label, Cell()))
        for cell in cells:
            _count(cell, self.strategy.champion.policy, past, taken)

    def relief_parity(self) -> dict[str, float]:
        """Per attribute, the smallest share of people in difficulty who are offered help over the largest."""
        found: dict[str, float] = {}
        for attribute, cells in sorted(self.groups.items()):
            shares = [
                cell.in_difficulty_helped / cell.in_difficulty
                for cell in cells.values()
                if cell.in_difficulty >= LEAST_IN_GROUP
            ]
            if len(shares) > 1 and max(shares) > 0:
                found[attribute] = round(min(shares) / max(shares), 4)
        return found

    def as_document(self) -> dict[str, object]:
        """Totals and groups."""
        groups = {
            attribute: {label: cell.as_document() for label, cell in sorted(cells.items())}
            for attribute, cells in sorted(self.groups.items())
        }
        return {"total": self.total.as_document(), "groups": groups, "relief_parity": self.relief_parity(),
                "live_choices": self.compared.as_document()}  # fmt: skip


def replay(strategy: Strategy, past: Past, buckets: DelinquencyPolicy) -> Iterator[Taken]:
    """The steps that a strategy takes with a person, each done on the day it is chosen, to the last known day."""
    days = _turning_points(past)
    last = max(past.until, past.made[-1].on) if past.made else past.until
    if not days:
        return
    history = list(_known_before(past.facts, days[0]))
    coming = [fact for one in sorted(past.facts) if (fact := _replayed(one)) is not None and one.on >= days[0]]
    day, reviewed = days[0], None
    exact = _exactly_late_since(past, days, buckets)
    for number in range(_MOST_CHOICES):
        while coming and coming[0].on <= day:
            history.append(coming.pop(0))
        state = _seen_then(past, history, day, buckets)
        if state is None:
            state = _state(past, tuple(history), day, _late_on(past, day, buckets, exact), buckets)
        arm = strategy.arm_of(past.party_id, state)
        choice = choose(strategy.of_arm(arm).policy, state)
        acted = choice.action not in ("wait", "never") and not (
            choice.action == "legal_review" and reviewed == state.late_since
        )
        if acted:
            yield Taken(day, choice, arm, state)
            if choice.action == "legal_review":
                reviewed = state.late_since
            kind = "visit" if choice.action == "field_visit" else choice.action
            history.append(PastFact(day, kind, f"simulated-{number}"))  # type: ignore[arg-type]
        following = _next(day, choice, days, acted=acted)
        if following is None or following > last:
            return
        day = following


def _next(day: date, choice: Choice, days: Sequence[date], *, acted: bool) -> date | None:
    """The next day on which something can be different."""
    candidates = [one for one in days if one > day]
    if acted:
        candidates.append(day + timedelta(days=1))
    if choice.next_on is not None and choice.next_on > day:
        candidates.append(choice.next_on)
    return min(candidates, default=None)


def lateness(loans: Sequence[Sequence[LoanChange]], day: date, buckets: DelinquencyPolicy) -> Lateness:
    """How late somebody was on a day. Within a bucket a loan ages from its first day to its last."""
    last_days = buckets.last_days(day)
    first = (1, *(last + 1 for last in last_days))
    worst, owed = 0, dict[str, int]()
    for changes in loans:
        present = next((change for change in reversed(changes) if change.as_of <= day), None)
        if present is None or present.state not in _LATE:
            continue
        # Limits may have been others then: the worst bucket of today stands for a worse one.
        place = min(_LATE.index(present.state), len(last_days))
        days = first[place] + (day - present.as_of).days
        if place < len(last_days):
            days = min(days, last_days[place])
        worst = max(worst, days)
        owed[present.currency] = owed.get(present.currency, 0) + present.overdue_minor
    return Lateness(worst, tuple(sorted(owed.items())))


def _exactly_late_since(past: Past, days: Sequence[date], buckets: DelinquencyPolicy) -> tuple[date, date] | None:
    """The due date of today's oldest unpaid item, and the day from which the person was late without a break: on these
    days they were at least that late. None: nothing is past due now.
    """
    if past.late_since is None:
        return None
    breaks = [day for day in days if lateness(past.loans, day, buckets).days == 0]
    return past.late_since, max(breaks) + timedelta(days=1) if breaks else days[0]


def _late_on(past: Past, day: date, buckets: DelinquencyPolicy, exact: tuple[date, date] | None) -> Lateness:
    late = lateness(past.loans, day, buckets)
    if exact is None or day < exact[1] or not late.days:
        return late
    return Lateness(max(late.days, (day - exact[0]).days), late.overdue_minor)


def _turning_points(past: Past) -> list[date]:
    """The days on which what is known changes, from the first known day of lateness on."""
    changes = sorted({change.as_of for loan in past.loans for change in loan})
    late = [change.as_of for loan in past.loans for change in loan if change.state in _LATE]
    late += [one.on for one in past.made if one.seen.status == "open"]
    if not late:
        return []
    days = {*changes, *(fact.on for fact in past.facts), *(one.on for one in past.made)}
    for hold in past.holds:
        days.update(day for day in (hold.starts_on, hold.ends_on) if day is not None)
    last = max([past.until, *(one.on for one in past.made)])
    return sorted(day for day in days if min(late) <= day <= last)


def _known_before(facts: Sequence[PastFact], start: date) -> Iterator[PastFact]:
    """What was done before the replay begins was done; the strategy finds it there."""
    return (fact for fact in sorted(facts) if fact.on < start)


def _replayed(fact: PastFact) -> PastFact | None:
    """What people said and did stays; what the bank did is the strategy's to do."""
    if fact.kind in _REPLAYED:
        return fact
    if fact.kind in ("visit", "told") and fact.codes:
        return replace(fact, kind="told")
    return None


def _seen_then(
    past: Past, history: Sequence[PastFact], day: date, buckets: DelinquencyPolicy
) -> CaseState | None:  # fmt: skip
    """The case as the last live choice up to the evening of `day` saw it, aged since; None: none was kept by then."""
    made = next((one for one in reversed(past.made) if one.on <= day), None)
    if made is None:
        return None
    seen = made.seen if made.on == day else made.seen.later(day, buckets.bucket)
    return seen.state(history, day)


def _state(
    past: Past, history: tuple[PastFact, ...], day: date, late: Lateness, buckets: DelinquencyPolicy
) -> CaseState:
    late_since = day - timedelta(days=late.days)
    holds = tuple(hold for one in past.holds if (hold := one.on(day)) is not None)
    return CaseState(
        status="open" if late.days else "cured",
        held=False,
        suspended=(),
        bucket=buckets.bucket(late.days, day),
        days=late.days,
        as_of=day,
        late_since=late_since,
        overdue_minor=late.overdue_minor,
        has_phone=past.has_phone,
        has_home=past.has_home,
        today=day,
        holds=holds,
        was_under=tuple(sorted({one.kind for one in past.holds if one.meets(late_since, day)})),
        history=history,
    )


def _count(cell: Cell, policy: Policy, past: Past, taken: Sequence[Taken]) -> None:
    told = {code for fact in past.facts for code in fact.codes}
    vulnerable = "vulnerability_signal" in told or any(hold.kind in VULNERABLE for hold in past.holds)
    in_difficulty = vulnerable or bool(told.intersection(policy.help.told))
    actions = [one.choice.action for one in taken]
    contacts = sum(action in CONTACTS for action in actions)
    visits = [one for one in taken if one.choice.action == "field_visit"]
    cell.people += 1
    cell.challenger += any(one.arm == "challenger" for one in taken)
    for action in actions:
        cell.actions[action] = cell.actions.get(action, 0) + 1
        cell.cost_minor += policy.cost.of(action)
    cell.contacts += contacts
    cell.most_contacts = max(cell.most_contacts, contacts)
    cell.visits += len(visits)
    cell.visited += bool(visits)
    cell.visits_before_softer_steps += sum(not _softer_first(policy, one.state) for one in visits)
    cell.visits_under_hold += sum(any(hold.kind in VULNERABLE for hold in one.state.holds) for one in visits)
    cell.visited_and_vulnerable += bool(visits) and vulnerable
    cell.in_difficulty += in_difficulty
    cell.in_difficulty_helped += in_difficulty and "offer_help" in actions
    cell.complaints += sum(fact.kind == "complaint" for fact in past.facts)


def _softer_first(policy: Policy, state: CaseState) -> bool:
    """Counted by itself, not by the rule that chose: as many softer contacts in this arrears as there are steps, help
    among them.
    """
    done = [fact.kind for fact in state.history if fact.on >= state.late_since and fact.kind in KIND_STEPS]
    return "offer_help" in done and len(done) >= len(policy.step)
