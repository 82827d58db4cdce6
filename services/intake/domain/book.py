"""The book of one party: what the core has said, kept so that order and repetition of arrival do not matter.

Every part is a *register* that holds the fact with the highest position, or a movement identified by its transaction
reference. Merging is therefore commutative, associative and idempotent; everything else is derived (`assessment`).
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal
from uuid import UUID

from msgspec import Struct

from services.intake.domain.delinquency import DueAmount, Pause
from services.intake.domain.position import Bound, Position
from services.intake.domain.standing import Demand, Ending, Obligors, Standing
from shared.events.case import Bucket, LeavingKind

CaseStatus = Literal["new", "open", "cured", "closed"]
RollState = Literal[Bucket, "reaged", "closed", "sold", "written_off", "erased", "merged"]
MoneyKind = Literal["payment", "credit", "recovery"]


class Terms(Struct, frozen=True):
    """What a loan is; from the newest `loan.overdue`. `own_role`: of the party of the case; None: not told.
    `bound` repeats `obligors` under our ids where somebody else than the party of the case is among them.
    """

    position: Position
    product_class: str
    currency: str
    creditor: str
    servicer: str
    originated_on: date
    jurisdiction: str
    obligors: tuple[tuple[str, str, str], ...]
    flags: tuple[str, ...]
    bound: tuple[Bound, ...] = ()
    own_role: str | None = None


class Statement(Struct, frozen=True):
    """A complete statement of what is due on a loan, as the core gave it. `balance_minor` None: not stated."""

    position: Position
    currency: str
    items: tuple[DueAmount, ...]
    balance_minor: int | None
    origin: str


class Receipt(Struct, frozen=True):
    """The newest record of a payment. `items`: the due items after the core's allocation; empty: not allocated."""

    position: Position
    loan_ref: str
    amount_minor: int
    currency: str
    value_date: date
    booked_at: datetime
    cleared: bool
    payer_ref: str
    items: tuple[DueAmount, ...]
    balance_minor: int | None
    kind: MoneyKind = "payment"

    @property
    def states_due(self) -> bool:
        """Whether it says what is due after it."""
        return self.cleared and bool(self.items)


class Reversal(Struct, frozen=True):
    """The newest record that takes a payment back; `items` are the due items after it."""

    position: Position
    loan_ref: str
    amount_minor: int
    currency: str
    booked_at: datetime
    items: tuple[DueAmount, ...]


class Movement(Struct, frozen=True):
    """Money under one transaction reference of the core. Two equal payments have two references and are two payments.

    `posted` counts what was announced: 0 nothing, 1 the payment while uncleared, 2 the cleared payment. A reversal is
    announced once (`reversal_posted`), after its payment.
    """

    transaction_ref: str
    receipt: Receipt | None = None
    reversal: Reversal | None = None
    posted: int = 0
    reversal_posted: bool = False

    @property
    def loan_ref(self) -> str:
        """The loan that the payment names; while it is unknown, the one that its reversal names."""
        return self.record.loan_ref

    @property
    def record(self) -> Receipt | Reversal:
        """The receipt, or while it is unknown the reversal. Raises ValueError when there is neither."""
        record = self.receipt or self.reversal
        if record is None:
            raise ValueError("a movement without any record")
        return record

    @property
    def position(self) -> Position:
        """The later position of receipt and reversal."""
        if self.receipt is None or self.reversal is None:
            return self.record.position
        return max(self.receipt.position, self.reversal.position)

    @property
    def is_reversed(self) -> bool:
        """Whether the money was taken back and not paid again since."""
        if self.reversal is None:
            return False
        return self.receipt is None or self.receipt.position < self.reversal.position

    @property
    def is_uncleared(self) -> bool:
        """Whether the money is there but can still bounce."""
        return self.receipt is not None and not self.receipt.cleared and not self.is_reversed


class Place(Struct, frozen=True, array_like=True):
    """Where a loan stands among the buckets: its state, what is overdue on it, and where the month found it.

    `since`: business date at which it came to this state. `cured`: it has been past due before, and was cured.
    """

    month: int
    opening: str
    state: RollState
    overdue_minor: int
    since: date
    cured: bool


class Loan(Struct, frozen=True):
    """One loan. Without `terms` it is only known from later facts: it waits for its `loan.overdue`."""

    loan_id: UUID
    loan_ref: str
    terms: Terms | None = None
    statement: Statement | None = None
    standing: Standing | None = None
    place: Place | None = None

    @property
    def ending(self) -> Ending | None:
        """How it ended, unless a statement of something due under a newer number has brought it back."""
        if self.standing is None:
            return None
        ending, stated = self.standing.ending, self.statement
        if ending is None or (stated is not None and stated.items and stated.position[:2] > ending.position[:2]):
            return None
        return ending

    @property
    def newer_obligors(self) -> Obligors | None:
        """Who is bound, where it was told after the terms."""
        if self.standing is None:
            return None
        told = self.standing.obligors
        if told is not None and self.terms is not None and self.terms.position > told.position:
            return None
        return told

    @property
    def is_anothers(self) -> bool:
        """Whether the core has said since that the party of the case is not bound by it: it left the case."""
        newer = self.newer_obligors
        return newer is not None and not newer.binds_party

    @property
    def leaving(self) -> tuple[Position, LeavingKind] | None:
        """Since when and how it is no part of the case for good: it has ended, or is another's."""
        ending, newer = self.ending, self.newer_obligors
        if newer is not None and not newer.binds_party and (ending is None or newer.position > ending.position):
            return newer.position, "moved"
        return None if ending is None else (ending.position, ending.kind)

    @property
    def is_guaranteed(self) -> bool:
        """Whether the party of the case only stands surety for it."""
        return (told := self.newer_obligors or self.terms) is not None and told.own_role == "guarantor"

    @property
    def demand(self) -> Demand | None:
        """The right to demand it of its guarantor that stands."""
        demand = None if self.standing is None else self.standing.demand
        return None if demand is None or demand.revoked_at is not None else demand

    @property
    def is_left_out(self) -> bool:
        """Whether it is no part of the case: somebody else's, or of a guarantor of whom nothing is demanded."""
        if self.standing is None:  # nothing was told since, and nothing is demanded
            return self.terms is not None and self.terms.own_role == "guarantor"
        return self.is_anothers or (self.is_guaranteed and self.demand is None)

    @property
    def bound(self) -> tuple[Bound, ...]:
        """Everyone bound by it where somebody else than the party of the case is among them."""
        newer = self.newer_obligors
        if newer is not None:
            return newer.bound
        return () if self.terms is None else self.terms.bound


class Profile(Struct, frozen=True):
    """What is known of a person, personal data left out. `household`: commitment to the home."""

    core_sequence: int
    language: str
    time_zones: tuple[str, ...]
    jurisdiction: str
    cell: str | None
    history_known_from: date
    household: str | None = None


class Person(Struct, frozen=True):
    """The party itself. Without `profile` it is *held*: known by reference only, and not to be contacted."""

    profile: Profile | None = None
    deceased_on: date | None = None
    parked_by: tuple[str, ...] = ()
    pauses: tuple[Pause, ...] = ()


NOBODY = Person()


class Case(Struct, frozen=True):
    """The party's case. `version` counts its events, so it equals their `sequence` on topic `case`.

    `status` is `new` only until the conclusion that makes the case. `as_of` is the newest business date it was assessed
    at; `suspended` names the causes that were announced; the rest repeats the assessment, for lists.
    """

    case_id: UUID
    version: int
    status: CaseStatus
    as_of: date
    suspended: tuple[str, ...]
    opened_at: datetime
    bucket: Bucket = "current"
    days_contractual: int = 0
    days_effective: int = 0
    overdue_minor: tuple[tuple[str, int], ...] = ()
    held: bool = True


class Book(Struct, frozen=True):
    """Everything about one party. `movements` holds those that still matter and those named by the facts at hand.

    `members`: where the core has said that several references are one person, the books of all of them as each
    reference was told, the one that remains first (`groups`); the rest of this book is then what they say together.
    `merging`: who is who has changed, and not everybody may have heard it yet. `lead`: who stands for the party now,
    where that is somebody else; its book is there, and this one is empty.
    """

    party_id: UUID
    core: str
    person: Person
    loans: dict[str, Loan]
    movements: dict[str, Movement]
    case: Case | None
    members: tuple[Book, ...] = ()
    merging: bool = False
    lead: UUID | None = None


def matters(movement: Movement, loan: Loan | None) -> bool:
    """Whether a movement can still change what is derived of its loan; the others are history."""
    if movement.is_uncleared:
        return True
    return loan is None or loan.terms is None or loan.statement is None or movement.position > loan.statement.position
