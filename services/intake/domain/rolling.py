"""How a loan rolls through the buckets, month by month, and what of it is added up for the portfolio's figures.

A loan stands in one *state*: a bucket, `current`, `reaged` (its days were counted anew), or an exit. The month's
opening cohort are the loans that stand in a state, exits left out, at its beginning; each of them ends the month in
exactly one state, so the rates of a row sum to 1. Months are of the business date at which the case was assessed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Final, Literal, NamedTuple, get_args

from msgspec import Struct
from msgspec.structs import replace

from services.intake.domain.assessment import Assessment, LoanArrears
from services.intake.domain.book import Loan, Place, RollState
from services.intake.domain.policy import DelinquencyPolicy
from services.intake.domain.trigger import Trigger
from shared.events.case import Bucket

EXITS: Final[frozenset[RollState]] = frozenset({"closed", "sold", "written_off", "erased", "merged"})
LATE: Final[frozenset[str]] = frozenset(get_args(Bucket)) - {"current"}
NEW: Final = "new"
Measure = Literal["stock", "move", "redefault"]


class Cell(NamedTuple):
    """What a delta counts. `opening` is the state at the month's beginning; of stock and re-defaults it is empty."""

    measure: Measure
    month: int
    currency: str
    opening: str
    state: str


class Amount(NamedTuple):
    """Loans, and what is overdue on them in minor units."""

    loans: int
    overdue_minor: int


def month_of(day: date) -> int:
    """A month as one number: 202603."""
    return day.year * 100 + day.month


def placed(
    loans: Mapping[str, Loan], present: Assessment, policy: DelinquencyPolicy, trigger: Trigger
) -> dict[str, Loan] | None:
    """The loans with their new places; None when none has moved."""
    late = {found.loan_ref: found for found in present.loans}
    changed: dict[str, Loan] = {}
    for reference, loan in loans.items():
        if loan.terms is None:
            continue
        found = late.get(reference)
        overdue_minor = 0 if found is None else found.overdue_minor
        place = moved(loan.place, _state(loan, found, present.as_of, policy, trigger), overdue_minor, present.as_of)
        if place is not loan.place:
            changed[reference] = replace(loan, place=place)
    return {**loans, **changed} if changed else None


def moved(before: Place | None, state: RollState, overdue_minor: int, as_of: date) -> Place | None:
    """The place of a loan in `state` on `as_of`: `before` itself when nothing differs.

    A loan is in no place, and in no figure, before its first day past due.
    """
    if before is None:
        if state == "current":
            return None
        return Place(month_of(as_of), NEW, state, overdue_minor, as_of, cured=False)
    if before.state == state and before.overdue_minor == overdue_minor:
        return before
    month = max(month_of(as_of), before.month)
    opening = before.opening if before.month == month else _carried(before)
    since = before.since if before.state == state else as_of
    cured = before.cured or (before.state in LATE and state not in LATE)
    return Place(month, opening, state, overdue_minor, since, cured)


def _state(loan: Loan, late: LoanArrears | None, as_of: date, policy: DelinquencyPolicy, trigger: Trigger) -> RollState:
    ending = loan.ending
    if ending is not None:
        if ending.kind in {"sold", "servicing"}:
            return "sold"
        return "written_off" if ending.kind == "written_off" else "closed"
    before = loan.place
    if loan.is_left_out and before is not None:
        return "merged"
    if late is not None:
        return policy.bucket(late.days, as_of)
    if before is None or before.state == "current":
        return "current"
    by_reage = trigger.cure_cause == "reage" and before.state in LATE
    return "reaged" if by_reage or before.state == "reaged" else "current"


def erased(loan: Loan, today: date) -> Loan:
    """The loan as it leaves the portfolio because its person is erased."""
    return loan if loan.place is None else replace(loan, place=moved(loan.place, "erased", 0, today))


def _carried(before: Place) -> str:
    """The opening state of a later month; who had left is new when coming back."""
    return NEW if before.state in EXITS else before.state


def deltas(pairs: Iterable[tuple[Loan | None, Loan]]) -> Mapping[Cell, Amount]:
    """What the moves of loans (before, after) add to the portfolio's figures, summed; zero sums are left out."""
    alike: dict[_Move, list[int]] = {}
    for old, new in pairs:
        before, after = None if old is None else old.place, new.place
        if after is None or after is before or new.terms is None:
            continue
        # Most loans of a batch move alike: their amounts are summed before the cells are looked up.
        left = None if before is None else (before.month, before.state, before.cured)
        sums = alike.setdefault((left, after.month, after.opening, after.state, new.terms.currency), [0, 0, 0])
        sums[0] += 1
        sums[1] += 0 if before is None else before.overdue_minor
        sums[2] += after.overdue_minor
    loans: Counter[Cell] = Counter()
    overdue: Counter[Cell] = Counter()
    for move, (count, before_minor, after_minor) in alike.items():
        for sign, cell in _entries(move):
            loans[cell] += sign * count
            overdue[cell] += after_minor if sign > 0 else -before_minor
    return {cell: Amount(count, overdue[cell]) for cell, count in loans.items() if count or overdue[cell]}


_Move = tuple[tuple[int, str, bool] | None, int, str, str, str]
"""What decides which cells a move of a loan changes: month, state and earlier cure before it; month, opening and state
after it; currency."""


def _entries(move: _Move) -> Iterable[tuple[int, Cell]]:
    """The cells that a move takes from (-1: what was overdue before it) and adds to (1: what is overdue after it)."""
    left, month, opening, state, currency = move
    if left is not None:
        month_before, state_before, cured = left
        yield -1, Cell("stock", month, currency, "", state_before)
        if opening != NEW or month_before == month:
            yield -1, Cell("move", month, currency, opening, state_before)
        if cured and state_before not in LATE and state in LATE:
            yield 1, Cell("redefault", month, currency, "", state)
    yield 1, Cell("stock", month, currency, "", state)
    yield 1, Cell("move", month, currency, opening, state)


Direction = Literal["forward", "stabilised", "back", "cured", "reaged", "exited"]


class Roll(Struct, frozen=True):
    """One opening state of a month: how many loans began in it, and where they are now."""

    opening: str
    loans: int
    ended_in: dict[str, int]

    @property
    def rates(self) -> dict[str, float]:
        """Shares by state; they sum to 1."""
        return {state: count / self.loans for state, count in self.ended_in.items()}

    @property
    def directions(self) -> dict[Direction, float]:
        """The same shares by direction; they sum to 1."""
        shares = dict.fromkeys(get_args(Direction), 0.0)
        for state, rate in self.rates.items():
            shares[direction(self.opening, state)] += rate
        return shares


def direction(opening: str, state: str) -> Direction:
    """Which way a loan went from one state to another. A cure by re-age is never counted as a cure."""
    if state in EXITS:
        return "exited"
    if state == opening:
        return "stabilised"
    if state in LATE:
        return "back" if opening in LATE and state < opening else "forward"
    return "reaged" if state == "reaged" else "cured"


def matrix(stock: Mapping[str, int], moves: Mapping[tuple[str, str], int]) -> list[Roll]:
    """The roll matrix of a month.

    `stock`: loans by state at its beginning; `moves`: sums of measure `move` by opening state and state.

    A loan that did not move is in no cell: it ends where it began.
    """
    rolls = []
    for opening in (*(state for state in sorted(stock) if state not in EXITS), NEW):
        ended = Counter({opening: stock.get(opening, 0)})
        ended.update({state: count for (began, state), count in moves.items() if began == opening})
        left = {state: count for state, count in sorted(ended.items()) if count}
        if left:
            rolls.append(Roll(opening, sum(left.values()), left))
    return rolls
