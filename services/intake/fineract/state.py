"""A loan as Fineract's REST API gives it, checked: dates, exact money, and that the sums agree."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal

from msgspec import Struct
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel

from shared.money import parse_money


class StateRefusedError(ValueError):
    """The core's answer cannot be used. `reason` is a closed code; `field` names where, never what."""

    def __init__(
        self, reason: Literal["no_client", "inexact_amount", "sums_disagree", "unknown_currency", "no_date"], field: str
    ) -> None:
        super().__init__(f"{reason}: {field}")
        self.reason = reason
        self.field = field


def _date_of(value: Any) -> Any:
    """Fineract writes dates as [2026, 3, 5], newer configurations as text."""
    if isinstance(value, list) and len(value) == 3:
        return date(*value)
    return value


FineractDate = Annotated[date, BeforeValidator(_date_of)]
Amount = Annotated[Decimal, BeforeValidator(lambda value: Decimal(0) if value is None else value)]


class CoreDocument(BaseModel):
    """A JSON object of the API; what is not named here is ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_camel, populate_by_name=True)


class _Currency(CoreDocument):
    code: str


class _Status(CoreDocument):
    active: bool = False
    closed: bool = False
    closed_written_off: bool = False
    closed_rescheduled: bool = False
    overpaid: bool = False


class _Timeline(CoreDocument):
    actual_disbursement_date: FineractDate | None = None
    closed_on_date: FineractDate | None = None
    write_off_on_date: FineractDate | None = None
    charged_off_on_date: FineractDate | None = None


class _Summary(CoreDocument):
    total_outstanding: Amount = Decimal(0)


class _Period(CoreDocument):
    """One row of the schedule; the row of a disbursement has no number."""

    period: int | None = None
    due_date: FineractDate
    principal_due: Amount = Decimal(0)
    principal_paid: Amount = Decimal(0)
    principal_written_off: Amount = Decimal(0)
    interest_due: Amount = Decimal(0)
    interest_paid: Amount = Decimal(0)
    interest_waived: Amount = Decimal(0)
    interest_written_off: Amount = Decimal(0)
    fee_charges_due: Amount = Decimal(0)
    fee_charges_paid: Amount = Decimal(0)
    fee_charges_waived: Amount = Decimal(0)
    fee_charges_written_off: Amount = Decimal(0)
    penalty_charges_due: Amount = Decimal(0)
    penalty_charges_paid: Amount = Decimal(0)
    penalty_charges_waived: Amount = Decimal(0)
    penalty_charges_written_off: Amount = Decimal(0)
    total_outstanding_for_period: Amount | None = None


class _Schedule(CoreDocument):
    periods: list[_Period] = Field(default_factory=list, max_length=2_000)


class _Transaction(CoreDocument):
    id: int
    type: dict[str, Any]
    date: FineractDate
    amount: Amount
    manually_reversed: bool = False


class _Charge(CoreDocument):
    id: int
    amount: Amount = Decimal(0)
    amount_waived: Amount = Decimal(0)


class _Pause(CoreDocument):
    active: bool = False
    pause_period_start: FineractDate
    pause_period_end: FineractDate | None = None


class _Delinquent(CoreDocument):
    delinquency_pause_periods: list[_Pause] | None = None


class _GuarantorType(CoreDocument):
    id: int


class _Guarantor(CoreDocument):
    guarantor_type: _GuarantorType | None = None
    entity_id: int | None = None
    status: bool = False


class _Group(CoreDocument):
    id: int


class LoanDocument(CoreDocument):
    """`GET /loans/{id}?associations=repaymentSchedule,transactions,charges,guarantors`."""

    id: int
    client_id: int | None = None
    group: _Group | None = None
    loan_product_id: int
    currency: _Currency
    status: _Status
    timeline: _Timeline
    summary: _Summary | None = None
    repayment_schedule: _Schedule | None = None
    transactions: list[_Transaction] = Field(default_factory=list)
    charges: list[_Charge] = Field(default_factory=list)
    delinquent: _Delinquent | None = None
    guarantors: list[_Guarantor] = Field(default_factory=list)
    charged_off: bool = False


class Due(Struct, frozen=True):
    """One instalment, minor units."""

    due_date: date
    principal: int
    interest: int
    fee: int
    penalty: int
    paid: int

    @property
    def rest(self) -> int:
        """What is unpaid."""
        return self.principal + self.interest + self.fee + self.penalty - self.paid


class Booking(Struct, frozen=True):
    """One transaction, minor units. `kinds`: the flags of its type that are set."""

    number: int
    kinds: frozenset[str]
    booked_on: date
    amount_minor: int
    reversed: bool


class Charge(Struct, frozen=True):
    """One charge, minor units."""

    amount_minor: int
    waived_minor: int


class Pause(Struct, frozen=True):
    """Days on which Fineract does not count delinquency."""

    active: bool
    first: date
    last: date | None


Standing = Literal["none", "active", "overpaid", "paid", "rescheduled", "written_off"]


class LoanState(Struct, frozen=True):
    """The whole of a loan. `ended_on`: of a closed one.

    A group's loan has no `client_id`; `members` are the clients bound by it, where that is known, in order.
    """

    loan_id: int
    client_id: int | None
    group_id: int | None
    product_id: int
    currency: str
    standing: Standing
    originated_on: date
    balance_minor: int
    dues: tuple[Due, ...]
    bookings: dict[int, Booking]
    charges: dict[int, Charge]
    pauses: tuple[Pause, ...]
    guarantors: tuple[int, ...]
    charged_off_on: date | None
    is_charged_off: bool
    ended_on: date | None
    members: tuple[int, ...] = ()

    @property
    def lead(self) -> int | None:
        """The client who stands for everyone bound by it; None: a group of whom nobody is known to be bound."""
        return self.client_id or next(iter(self.members), None)

    @property
    def party_ref(self) -> str:
        """Under whom its facts are told: its lead, or the group itself, which nobody can contact."""
        return str(self.lead) if self.lead is not None else f"{_GROUP_PREFIX}{self.group_id}"

    @property
    def is_unresolved(self) -> bool:
        """Whether nobody can say who is bound by it."""
        return self.lead is None

    def due_on(self, day: date) -> list[Due]:
        """Unsettled instalments due on `day` or before."""
        return [due for due in self.dues if due.rest > 0 and due.due_date <= day]

    def past_due_on(self, day: date) -> bool:
        """Whether anything was due before `day` and is not settled."""
        return any(due.due_date < day for due in self.due_on(day))


# Clients are numbers, so a group is never taken for one.
_GROUP_PREFIX = "group-"
_EXISTING_CLIENT = 1  # of Fineract's kinds of guarantors the only one that is a client


def state_of(document: LoanDocument) -> LoanState:
    """The checked state. Raises StateRefusedError."""
    money = _Exact(document.currency.code)
    # A group's loan to one of its members names both: it is the member's.
    group_id = document.group.id if document.group is not None and document.client_id is None else None
    if document.client_id is None and group_id is None:
        raise StateRefusedError("no_client", "clientId")
    disbursed_on = document.timeline.actual_disbursement_date
    periods = [] if document.repayment_schedule is None else document.repayment_schedule.periods
    dues = tuple(_due(period, money) for period in periods if period.period is not None)
    standing = _standing(document.status)
    if disbursed_on is None and standing != "none":
        raise StateRefusedError("no_date", "timeline.actualDisbursementDate")
    timeline = document.timeline
    pauses = (document.delinquent and document.delinquent.delinquency_pause_periods) or ()
    return LoanState(
        loan_id=document.id,
        client_id=document.client_id,
        group_id=group_id,
        product_id=document.loan_product_id,
        currency=document.currency.code,
        standing=standing,
        originated_on=disbursed_on or date.min,
        balance_minor=0 if document.summary is None else money.minor(document.summary.total_outstanding, "summary"),
        dues=dues,
        bookings={one.id: _booking(one, money) for one in document.transactions},
        charges={
            one.id: Charge(money.minor(one.amount, "charges"), money.minor(one.amount_waived, "charges"))
            for one in document.charges
        },
        pauses=tuple(Pause(one.active, one.pause_period_start, one.pause_period_end) for one in pauses),
        guarantors=_guarantors(document.guarantors, borrower=document.client_id),
        charged_off_on=timeline.charged_off_on_date,
        is_charged_off=document.charged_off or timeline.charged_off_on_date is not None,
        ended_on=timeline.write_off_on_date or timeline.closed_on_date,
    )


def _standing(status: _Status) -> Standing:
    if status.closed_written_off:
        return "written_off"
    if status.closed_rescheduled:
        return "rescheduled"
    if status.overpaid:
        return "overpaid"
    if status.closed:
        return "paid"
    return "active" if status.active else "none"


def _due(period: _Period, money: _Exact) -> Due:
    due = Due(
        due_date=period.due_date,
        principal=money.minor(period.principal_due - period.principal_written_off, "principalDue"),
        interest=money.minor(period.interest_due - period.interest_waived - period.interest_written_off, "interestDue"),
        fee=money.minor(
            period.fee_charges_due - period.fee_charges_waived - period.fee_charges_written_off, "feeChargesDue"
        ),
        penalty=money.minor(
            period.penalty_charges_due - period.penalty_charges_waived - period.penalty_charges_written_off,
            "penaltyChargesDue",
        ),
        paid=money.minor(
            period.principal_paid + period.interest_paid + period.fee_charges_paid + period.penalty_charges_paid,
            "principalPaid",
        ),
    )
    stated = period.total_outstanding_for_period
    if stated is not None and money.minor(stated, "totalOutstandingForPeriod") != due.rest:
        raise StateRefusedError("sums_disagree", "repaymentSchedule.periods.totalOutstandingForPeriod")
    return due


def _booking(one: _Transaction, money: _Exact) -> Booking:
    kinds = frozenset(name for name, is_set in one.type.items() if is_set is True)
    amount_minor = money.minor(one.amount, "transactions.amount")
    return Booking(one.id, kinds, one.date, amount_minor, one.manually_reversed)


def _guarantors(listed: Iterable[_Guarantor], *, borrower: int | None) -> tuple[int, ...]:
    """Clients who stand behind the loan; those whom Fineract knows by name only are nobody to us."""
    found = {
        one.entity_id
        for one in listed
        if one.status and one.entity_id is not None and one.guarantor_type is not None
        and one.guarantor_type.id == _EXISTING_CLIENT
    }  # fmt: skip
    return tuple(sorted(found - {borrower}))


class _Exact:
    """Amounts of one currency in minor units; an inexact one is refused, never rounded."""

    def __init__(self, currency: str) -> None:
        self.currency = currency
        try:
            parse_money("0", currency)
        except ValueError as error:
            raise StateRefusedError("unknown_currency", "currency.code") from error

    def minor(self, amount: Decimal, field: str) -> int:
        """Minor units. Raises StateRefusedError for what is inexact, negative or beyond all bounds."""
        try:
            minor = parse_money(str(amount), self.currency).amount_minor
        except ValueError as error:
            raise StateRefusedError("inexact_amount", field) from error
        if minor < 0:
            raise StateRefusedError("inexact_amount", field)
        return minor
