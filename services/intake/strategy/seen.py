"""What a choice looked at, as it was known then: live choices and their replay make their case from it alike."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date, timedelta
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from services.intake.strategy.decision import CaseState, CaseStatus, Choice
from services.intake.strategy.history import PastFact, PastHold
from shared.events.case import Bucket, StrategyArm

BucketOf = Callable[[int, date], Bucket]
"""The bucket of a number of days past due on a business date."""


class Seen(Struct, frozen=True, array_like=True):
    """A case as it was known, but for its history. `members`: who else is this person, so that their history counts.

    The form in which it is kept: fields are only added, at the end and with a default.
    """

    status: CaseStatus
    held: bool
    suspended: tuple[str, ...]
    as_of: date
    days_contractual: int
    days_effective: int
    bucket: Bucket
    overdue_minor: tuple[tuple[str, int], ...]
    has_phone: bool
    has_home: bool
    cure_permille: int | None = None
    scored_on: date | None = None
    holds: tuple[PastHold, ...] = ()
    members: tuple[UUID, ...] = ()

    @property
    def late_since(self) -> date:
        """Due date of the oldest unpaid item."""
        return self.as_of - timedelta(days=self.days_contractual)

    def later(self, as_of: date, bucket_of: BucketOf) -> Seen:
        """What would be seen on a later business date if nothing but time had happened: cases age, and are scored."""
        passed = (as_of - self.as_of).days
        if passed <= 0 or self.status != "open":
            return self
        days = self.days_effective + passed
        scored_on = None if self.scored_on is None else self.scored_on + timedelta(days=passed)
        return replace(
            self, as_of=as_of, days_contractual=self.days_contractual + passed, days_effective=days,
            bucket=bucket_of(days, as_of), scored_on=scored_on,
        )  # fmt: skip

    def state(self, history: Iterable[PastFact], today: date) -> CaseState:
        """The case as the strategy sees it."""
        standing = (hold.on(today) for hold in self.holds)
        return CaseState(
            status=self.status,
            held=self.held,
            suspended=self.suspended,
            bucket=self.bucket,
            days=self.days_effective,
            as_of=self.as_of,
            late_since=self.late_since,
            overdue_minor=self.overdue_minor,
            has_phone=self.has_phone,
            has_home=self.has_home,
            today=today,
            holds=tuple(hold for hold in standing if hold is not None),
            was_under=tuple(sorted({hold.kind for hold in self.holds if hold.meets(self.late_since, today)})),
            history=tuple(sorted(history)),
            cure_permille=self.cure_permille,
            score_days_old=0 if self.scored_on is None else max(0, (today - self.scored_on).days),
        )


class MadeChoice(Struct, frozen=True):
    """A choice that was made, on the tenant's date `on`, and what it looked at. `facts_to`: number of the history's
    last fact that it knew; 0: it knew none.
    """

    on: date
    seen: Seen
    facts_to: int
    choice: Choice
    strategy_sha256: str
    arm: StrategyArm

    def foretells(self, other: MadeChoice, bucket_of: BucketOf) -> bool:
        """Whether `other`, made later, is what had to come of this one with time alone."""
        return (
            self.choice == other.choice
            and self.facts_to == other.facts_to
            and self.strategy_sha256 == other.strategy_sha256
            and self.arm == other.arm
            and self.seen.later(other.seen.as_of, bucket_of) == other.seen
        )
