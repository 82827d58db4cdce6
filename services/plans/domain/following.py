"""What follows an agreement: a reminder before the due date, help once an instalment is missed, a warning, a wait, and
a person who looks at the reason. Only then can a plan be broken.

Nothing is stored of where a plan stands: it follows from the schedule, the payments, the steps that were taken, the
days on which a hold paused it, and the date. So a payment that came late, or bounced, or a hold that nobody knew of
is no special case. Time makes the next step possible; a step is done only when it was taken (product.md, 11).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final, Literal

from services.plans.domain.follow_up_policy import FollowUpPolicy
from services.plans.domain.payments import open_minor
from services.plans.domain.plan import Plan

ContactKind = Literal["reminder", "help", "warning"]
RecordKind = Literal["missed", "restored", "review"]
StepKind = Literal["reminder", "help", "warning", "missed", "restored", "review", "more_time"]
Stage = Literal["kept", "missed", "warned", "in_review", "more_time"]
CONTACTS: Final[frozenset[StepKind]] = frozenset({"reminder", "help", "warning"})
_REVIEWED_KINDS: Final = frozenset({"token", "pause"})


@dataclass(frozen=True, kw_only=True)
class Step:
    """A step that was taken, on a local date of the tenant. `until`: the last day of `more_time`."""

    kind: StepKind
    day: date
    instalment: int | None = None
    until: date | None = None


@dataclass(frozen=True, kw_only=True)
class Paused:
    """Days that count nowhere, the first and the last included (none: open), and the kind of hold behind them."""

    first: date
    last: date | None
    cause: str

    def covers(self, day: date) -> bool:
        """Whether the day is one of them."""
        return self.first <= day and (self.last is None or day <= self.last)


@dataclass(frozen=True, kw_only=True)
class NextContact:
    """The contact that may be asked a permit for today."""

    kind: ContactKind
    instalment: int


@dataclass(frozen=True, kw_only=True)
class Standing:
    """Where a plan stands on a day."""

    stage: Stage
    missed: tuple[int, ...] = ()
    days_missed: int = 0
    cure_days_left: int | None = None
    paused_by: tuple[str, ...] = ()
    records: tuple[Step, ...] = ()
    """What is to be noted today; nobody is contacted for it."""
    contact: NextContact | None = None

    @property
    def may_be_judged(self) -> bool:
        """Whether a person may decide on it today."""
        return self.stage == "in_review" and not self.paused_by


def counted_days(after: date, until: date, pauses: Sequence[Paused]) -> int:
    """Days after `after` up to `until` on which nothing paused."""
    taken: set[date] = set()
    for pause in pauses:
        first = max(pause.first, after + timedelta(days=1))
        last = until if pause.last is None else min(pause.last, until)
        taken.update(first + timedelta(days=n) for n in range((last - first).days + 1))
    return max(0, (until - after).days - len(taken))


def standing(
    plan: Plan, steps: Sequence[Step], pauses: Sequence[Paused], *, today: date, policy: FollowUpPolicy,
    withheld: Iterable[str] = (),
) -> Standing:  # fmt: skip
    """Where a running plan stands.

    `withheld`: other reasons for which nothing is done today, such as that we and the core disagree on a loan.
    """
    stopped = tuple(sorted({*withheld, *(pause.cause for pause in pauses if pause.covers(today))}))
    found = _Look(plan, steps, pauses, today, policy).standing()
    if not stopped:
        return found
    return Standing(
        stage=found.stage, missed=found.missed, days_missed=found.days_missed, cure_days_left=found.cure_days_left,
        paused_by=stopped,
    )  # fmt: skip


class _Look:
    """One look at a plan."""

    def __init__(
        self, plan: Plan, steps: Sequence[Step], pauses: Sequence[Paused], today: date, policy: FollowUpPolicy
    ) -> None:
        self._plan, self._pauses, self._today, self._policy = plan, pauses, today, policy
        self._steps = steps
        least = policy.materiality_minor.get(plan.currency, 0)
        rests = open_minor(plan.instalments, plan.payments)
        self._open = [each for each in plan.instalments if rests[each.number] > least]
        self._missed = [each for each in self._open if self._days(each.due_date) > policy.grace_days]

    def _days(self, after: date) -> int:
        return counted_days(after, self._today, self._pauses)

    def standing(self) -> Standing:
        if self._missed:
            return self._late()
        if self._plan.kind in _REVIEWED_KINDS and self._today >= self._plan.review_on:
            return self._reviewed("kept", since=self._plan.review_on)
        return self._kept()

    def _kept(self) -> Standing:
        told = [step for step in self._steps if step.kind in ("missed", "restored")]
        if told and told[-1].kind == "missed":
            return Standing(stage="kept", records=(Step(kind="restored", day=self._today),))
        reminded = {step.instalment for step in self._steps if step.kind == "reminder"}
        ahead = timedelta(days=self._policy.reminder_days_before)
        for each in self._open:
            if each.due_date - ahead <= self._today <= each.due_date and each.number not in reminded:
                return Standing(stage="kept", contact=NextContact(kind="reminder", instalment=each.number))
        return Standing(stage="kept")

    def _late(self) -> Standing:
        oldest = self._missed[0]
        numbers, days = tuple(each.number for each in self._missed), self._days(oldest.due_date)
        current = self._since_restored()
        known = {step.instalment for step in current if step.kind == "missed"}
        # Whoever pays the oldest instalment begins anew: what was said of it says nothing of the next.
        taken = [step for step in current if step.instalment == oldest.number]
        records = tuple(
            Step(kind="missed", day=self._today, instalment=number) for number in numbers if number not in known
        )
        warned, enough = _last(taken, "warning"), self._enough(days)
        if warned is None or not enough:
            contact = self._before_warning(taken, oldest.number, enough=enough)
            return Standing(stage="missed", missed=numbers, days_missed=days, records=records, contact=contact)
        left = self._policy.cure_days - self._days(warned.day)
        if left >= 0:
            return Standing(stage="warned", missed=numbers, days_missed=days, cure_days_left=left, records=records)
        found = self._reviewed("in_review", since=warned.day)
        return Standing(
            stage=found.stage, missed=numbers, days_missed=days, cure_days_left=0, records=(*records, *found.records)
        )

    def _since_restored(self) -> Sequence[Step]:
        restored = max((n for n, step in enumerate(self._steps) if step.kind == "restored"), default=-1)
        return self._steps[restored + 1 :]

    def _enough(self, days: int) -> bool:
        """Whether so much is missed that the plan may be in danger at all."""
        last_of_all = self._plan.instalments[-1] is self._missed[-1] and days >= self._policy.last_missed_days
        return len(self._missed) >= self._policy.missed_before_warning or last_of_all

    def _before_warning(self, taken: Sequence[Step], oldest: int, *, enough: bool) -> NextContact | None:
        helped = _last(taken, "help")
        if helped is None:
            return NextContact(kind="help", instalment=oldest)
        if enough and self._days(helped.day) >= self._policy.help_wait_days:
            return NextContact(kind="warning", instalment=oldest)
        return None

    def _reviewed(self, stage: Stage, *, since: date) -> Standing:
        """A person is to look at it, unless one has given it more time that is not over."""
        given = [step for step in self._steps if step.kind == "more_time" and step.day >= since]
        until = max((step.until for step in given if step.until is not None), default=None)
        if until is not None and self._today <= until:
            return Standing(stage="more_time")
        opened = [step for step in self._steps if step.kind == "review" and step.day >= since]
        is_open = bool(opened) and (until is None or opened[-1].day > until)
        records = () if is_open else (Step(kind="review", day=self._today),)
        return Standing(stage="in_review", records=records)


def _last(steps: Sequence[Step], kind: StepKind) -> Step | None:
    return next((step for step in reversed(steps) if step.kind == kind), None)
