"""What most loans never have: endings, holds, a balance told alone, newer obligors, a right to demand."""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal

from msgspec import Struct

from services.intake.domain.position import Bound, Position
from shared.events.case import EndingKind
from shared.events.loan import HeldFor


class Obligors(Struct, frozen=True):
    """Who is bound, told apart from the terms; the newer of the two counts. `binds_party`: the party of the case is."""

    position: Position
    obligors: tuple[tuple[str, str, str], ...]
    bound: tuple[Bound, ...]
    binds_party: bool
    own_role: str | None = None


class Ending(Struct, frozen=True):
    """How a loan left us. A newer statement of what is due brings it back."""

    position: Position
    kind: EndingKind
    on: date


class ChargeOff(Struct, frozen=True):
    """The bank's booking as a loss."""

    position: Position
    on: date


class StatedBalance(Struct, frozen=True):
    """A balance told alone."""

    position: Position
    balance_minor: int


class HoldStart(Struct, frozen=True):
    """First and last day of a hold as it was told; no last day: until it is ended."""

    position: Position
    starts_on: date
    ends_on: date | None


class HoldEnd(Struct, frozen=True):
    """The last day of a hold as it was told afterwards."""

    position: Position
    ended_on: date


class SeenHold(Struct, frozen=True):
    """A hold of the core under its reference. Its end may arrive before its start. `told`: the span last published."""

    reference: str
    kind: HeldFor | None = None
    scope: Literal["loan", "party"] = "party"
    start: HoldStart | None = None
    end: HoldEnd | None = None
    told: tuple[date, date | None] | None = None

    @property
    def span(self) -> tuple[date, date | None] | None:
        """First and last day; None while its start is unknown.

        A start told after an end begins it anew. Told to end before it began, it covers its first day.
        """
        if self.start is None:
            return None
        last = self.start.ends_on
        if self.end is not None and self.end.position > self.start.position:
            last = self.end.ended_on if last is None else min(last, self.end.ended_on)
        return self.start.starts_on, last if last is None else max(last, self.start.starts_on)

    def covers(self, day: date) -> bool:
        """Whether it holds on `day`."""
        span = self.span
        return span is not None and span[0] <= day and (span[1] is None or day <= span[1])


class Disagreement(Struct, frozen=True):
    """The fields on which the core said something else when it was asked about `on`."""

    on: date
    fields: tuple[str, ...]


class Demand(Struct, frozen=True):
    """The right to demand payment of a guarantor: from which day, on which document, on whose word, and until when."""

    demanded_on: date
    document_reference: str
    recorded_by: str
    recorded_at: datetime
    revoked_at: datetime | None = None


class Standing(Struct, frozen=True):
    """What most loans never have: each part the newest that was told of its kind, or found when the core was asked."""

    obligors: Obligors | None = None
    ending: Ending | None = None
    charge_off: ChargeOff | None = None
    balance: StatedBalance | None = None
    holds: tuple[SeenHold, ...] = ()
    disagreement: Disagreement | None = None
    demand: Demand | None = None

    @property
    def position(self) -> Position | None:
        """The newest position among its parts."""
        parts = (self.obligors, self.ending, self.charge_off, self.balance, *(hold.start for hold in self.holds),
                 *(hold.end for hold in self.holds))  # fmt: skip
        return max((part.position for part in parts if part is not None), default=None)
