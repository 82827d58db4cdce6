"""What was done in a case and what came of it, as facts that no order of arrival changes."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date
from typing import Final, Literal, get_args

from msgspec import Struct

from shared.events.contact import Channel

KindStep = Literal["remind", "call", "letter", "offer_help"]
"""A softer step. It is done when somebody says that it was done; no date and no timer makes it so."""
Recordable = Literal["remind", "call", "letter", "offer_help", "legal_review"]
"""What the bank's systems and people acknowledge. `legal_review`: a person has looked, and the case may go on."""
FactKind = Literal[
    "remind", "call", "call_attempt", "letter", "offer_help", "legal_review",
    "visit", "visit_declined", "told", "promise", "plan_signed", "plan_completed", "plan_broken", "complaint",
]  # fmt: skip
KIND_STEPS: Final[tuple[KindStep, ...]] = get_args(KindStep)
PLAN_ENDS: Final = frozenset({"plan_completed", "plan_broken"})


class PastFact(Struct, frozen=True, order=True):
    """One thing that happened, on the tenant's date. `codes`: what was found at the door (outcome, then reason)."""

    on: date
    kind: FactKind
    reference: str
    codes: tuple[str, ...] = ()


class ActiveHold(Struct, frozen=True):
    """A hold that stands. `channels` None: on every channel. `until` None: open."""

    kind: str
    channels: tuple[Channel, ...] | None = None
    until: date | None = None

    def stops(self, channel: Channel) -> bool:
        """Whether it forbids contact on a channel."""
        return self.channels is None or channel in self.channels


class PastHold(Struct, frozen=True):
    """A hold with its span: first day, and the first day on which it no longer stands (None: open).

    Dates are on the safe side: `is_over` when it had ended before that day was.
    """

    kind: str
    starts_on: date
    ends_on: date | None
    channels: tuple[Channel, ...] | None = None
    is_over: bool = False

    def on(self, day: date) -> ActiveHold | None:
        """The hold as it stands on `day`, if it does."""
        if self.is_over or day < self.starts_on or (self.ends_on is not None and day >= self.ends_on):
            return None
        return ActiveHold(self.kind, self.channels, self.ends_on)

    def meets(self, first: date, last: date) -> bool:
        """Whether it stood at some time from `first` to `last`."""
        return self.starts_on <= last and (self.ends_on is None or self.ends_on > first)


def since(history: Sequence[PastFact], first: date) -> list[PastFact]:
    """The facts from `first` on, in order."""
    return sorted(fact for fact in history if fact.on >= first)


def softer_steps(facts: Sequence[PastFact], *, attempts: int) -> list[tuple[date, KindStep]]:
    """The softer steps among ordered facts. `attempts` calls that reached nobody count as one call."""
    done: list[tuple[date, KindStep]] = []
    missed = 0
    for fact in facts:
        kind = fact.kind
        if kind in ("remind", "call", "letter", "offer_help"):
            done.append((fact.on, kind))
        elif kind == "call_attempt":
            missed += 1
            if missed % attempts == 0:
                done.append((fact.on, "call"))
    return done


def newest(facts: Sequence[PastFact], kinds: Collection[str]) -> PastFact | None:
    """The newest of ordered facts that is of one of the kinds."""
    return next((fact for fact in reversed(facts) if fact.kind in kinds), None)


def newest_told(facts: Sequence[PastFact], codes: Collection[str]) -> tuple[date, str] | None:
    """Day and code of the newest visit, or word of the customer's otherwise, that found one of the codes."""
    for fact in reversed(facts):
        if fact.kind in ("visit", "told"):
            for code in fact.codes:
                if code in codes:
                    return fact.on, code
    return None


def plan_under_way(facts: Sequence[PastFact]) -> bool:
    """Whether a plan was signed that has neither been completed nor broken; its end may have arrived first."""
    ended = {fact.reference for fact in facts if fact.kind in PLAN_ENDS}
    return any(fact.kind == "plan_signed" and fact.reference not in ended for fact in facts)
