"""From one of Fineract's events and the loan's state to the facts of topic `loan`: pure, and nothing is made up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Any, Final, Literal

from msgspec import Struct
from pydantic import ValidationError

from services.intake.fineract.message import Change, Transaction
from services.intake.fineract.state import Booking, Due, LoanState
from services.intake.fineract.table import Kind
from shared.events.base import EventData
from shared.events.catalogue import CATALOGUE
from shared.money import parse_money

ProductClass = Literal["card", "consumer", "mortgage", "business"]
ContactSource = Literal["contract", "on_file", "authorised", "public_channel", "reserved_contact", "credit_bureau"]

_PAYMENTS: Final = frozenset({"repayment", "downPayment", "chargePayment", "repaymentAtDisbursement"})
_CREDITS: Final[dict[str, str]] = {
    "merchantIssuedRefund": "refund", "payoutRefund": "refund", "chargeRefund": "refund", "refund": "refund",
    "refundForActiveLoans": "refund", "goodwillCredit": "goodwill", "interestPaymentWaiver": "goodwill",
    "interestRefund": "refund", "chargeAdjustment": "adjustment",
}  # fmt: skip
_RECOVERY: Final = "recoveryRepayment"
_MONEY: Final = _PAYMENTS | _CREDITS.keys() | {_RECOVERY}
# What tells everything that is due, or that nothing is any more.
_COMPLETE: Final = frozenset(
    {
        "loan.overdue", "loan.cured", "loan.payment_received", "loan.payment_reversed", "loan.credit_posted",
        "loan.charge_applied", "loan.charge_waived", "loan.reaged", "loan.rescheduled", "loan.written_off",
        "loan.transferred",
    }
)  # fmt: skip


class FactRefusedError(ValueError):
    """The event cannot become a fact. `reason` is a closed code; `detail` quotes no personal value."""

    def __init__(
        self,
        reason: Literal[
            "fact_not_catalogued", "fact_invalid", "product_unmapped", "transaction_unknown", "client_closed"
        ],
        detail: str,
    ) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class Tenancy(Struct, frozen=True):
    """What Fineract does not say and the tenant has configured. `products`: class by Fineract's product id."""

    tenant: str
    core: str
    creditor: str
    servicer: str
    jurisdiction: str
    products: Mapping[str, ProductClass]
    language: str
    time_zones: tuple[str, ...]
    contact_source: ContactSource
    history_known_from: date | None
    deceased_sub_statuses: frozenset[int] = frozenset()
    group_liability: Literal["unknown", "joint"] = "unknown"


class Occasion(Struct, frozen=True):
    """When and where a fact stands: the core's business date, our number of it, and when the core raised it.

    `fingerprint`: of the writer schema of the event that it follows from; None: it follows from no event.
    """

    business_date: date
    core_sequence: int
    raised_at: datetime
    fingerprint: str | None = None


class Fact(Struct, frozen=True):
    """One fact of topic `loan`."""

    type: str
    core_sequence: int
    data: EventData


def facts_of(change: Change, state: LoanState, occasion: Occasion, tenancy: Tenancy, *, told: bool) -> list[Fact]:
    """The facts that `change` makes of the loan, in order. Raises FactRefusedError.

    `told`: whether we have spoken of this loan before. Of a loan that was never past due nothing is said: it concerns
    nobody here, and a core's every payment would be a row.
    """
    writer = _Writer(state, occasion, tenancy, change.meaning.cause)
    is_sale = change.transfer is not None and change.transfer.is_sale
    if not told and (is_sale or not state.past_due_on(occasion.business_date)):
        return []
    if not told:
        writer.overdue()
        writer.pauses()
        writer.charge_off()
    writer.write(change)
    if not any(fact.type in _COMPLETE for fact in writer.facts):
        writer.standing()
    return writer.facts


class _Writer:
    """Writes facts about one loan on one occasion."""

    def __init__(self, state: LoanState, occasion: Occasion, tenancy: Tenancy, cause: str) -> None:
        self.facts: list[Fact] = []
        self._state = state
        self._at = occasion
        self._tenancy = tenancy
        self._cause = cause
        self._common: dict[str, Any] = {
            "tenant": tenancy.tenant,
            "core": tenancy.core,
            "loan_ref": str(state.loan_id),
            "party_ref": state.party_ref,
            "business_date": occasion.business_date,
            "core_sequence": occasion.core_sequence,
            "currency": state.currency,
            "schema_fingerprint": occasion.fingerprint,
        }

    def overdue(self) -> None:
        """The complete state of a loan with something past due."""
        product = self._tenancy.products.get(str(self._state.product_id))
        if product is None:
            raise FactRefusedError("product_unmapped", f"loanProductId {self._state.product_id}")
        self._say(
            "loan.overdue",
            obligors=bound_by(self._state),
            value_date=self._at.business_date,
            booked_at=self._at.raised_at,
            cause=self._cause,
            product_class=product,
            creditor=self._tenancy.creditor,
            servicer=self._tenancy.servicer,
            originated_on=self._state.originated_on,
            jurisdiction=self._tenancy.jurisdiction,
            balance=self._state.balance_minor,
            due_items=_items(self._state.due_on(self._at.business_date)),
            flags=["charged_off"] if self._state.is_charged_off else [],
        )

    def standing(self) -> None:
        """How the loan stands now: past due, or not any more."""
        if self._state.past_due_on(self._at.business_date):
            self.overdue()
        else:
            self._say("loan.cured", balance=self._state.balance_minor)

    def write(self, change: Change) -> None:
        """What `change` says besides the state."""
        match change.meaning.kind:
            case Kind.MONEY if change.transaction is not None:
                self.money(change.transaction.number, _taken_back(change.transaction, self._state.currency))
            case Kind.ADJUSTMENT if change.transaction is not None:
                self.adjustment(change.transaction)
            case Kind.CHARGE_APPLIED:
                self.charge("loan.charge_applied", change.charge_id)
            case Kind.CHARGE_WAIVED:
                self.charge("loan.charge_waived", change.charge_id)
            case Kind.PAUSE:
                self.pauses()
            case Kind.STATUS | Kind.WRITE_OFF:
                self.ending()
            case Kind.REAGE:
                self.restructured("loan.reaged", self._newest("reAge"))
            case Kind.RESCHEDULE:
                self.restructured("loan.rescheduled", None)
            case Kind.CHARGE_OFF:
                self.charge_off()
            case Kind.TRANSFER if change.transfer is not None and change.transfer.is_sale:
                # Also while the bank goes on servicing it: what it may do for the new owner, nobody here knows.
                transferred_on = change.transfer.settled_on or self._at.business_date
                self._say("loan.transferred", kind="sold", transferred_on=transferred_on)

    def money(self, number: int, fallback: Booking | None = None) -> None:
        """A payment, credit or recovery. One that the core has taken back meanwhile is a reversal."""
        booking = self._state.bookings.get(number, fallback)
        if booking is None:
            raise FactRefusedError("transaction_unknown", "neither the core's list nor the event tells the amount")
        if not booking.amount_minor:
            return
        if booking.reversed:
            self.reversal(booking)
            return
        values: dict[str, Any] = {
            "transaction_ref": str(number),
            "amount": booking.amount_minor,
            "value_date": booking.booked_on,
            "booked_at": self._at.raised_at,
        }
        payer = self._state.party_ref
        if _RECOVERY in booking.kinds:
            self._say("loan.recovery_received", **values, payer_ref=payer)
            return
        values |= {"allocation": self._allocation(), "balance": self._state.balance_minor}
        reason = next((_CREDITS[kind] for kind in sorted(booking.kinds) if kind in _CREDITS), None)
        if reason is not None:
            self._say("loan.credit_posted", **values, reason=reason)
        else:
            self._say("loan.payment_received", **values, cleared=True, payer_ref=payer)

    def reversal(self, booking: Booking) -> None:
        """Money that the core has taken back."""
        self._say(
            "loan.payment_reversed",
            transaction_ref=str(booking.number),
            amount=booking.amount_minor,
            booked_at=self._at.raised_at,
            due_items=self._allocation(),
        )

    def adjustment(self, old: Transaction) -> None:
        """One transaction taken back; what takes its place is any later money that stands in the core's list.

        To say one of those again does no harm: money is known by its transaction reference alone.
        """
        if not old.kinds & _MONEY:
            return  # of accruals and the like only the state matters
        self.money(old.number, _taken_back(old, self._state.currency))
        for booking in sorted(self._state.bookings.values(), key=lambda one: one.number):
            if booking.number > old.number and booking.kinds & _MONEY and not booking.reversed:
                self.money(booking.number)

    def pauses(self) -> None:
        """Every span in which Fineract does not count delinquency. Its end may have moved, so all are said again."""
        for pause in self._state.pauses:
            self._say(
                "loan.hold_started",
                hold_ref=f"{self._state.loan_id}-pause-{pause.first.isoformat()}",
                kind="payment_holiday",
                scope="loan",
                starts_on=pause.first,
                ends_on=pause.last,
            )

    def restructured(self, type_name: str, reference: str | None) -> None:
        """A re-age or a new schedule: the complete state under it. Without a reference the event's number is it."""
        self._say(
            type_name,
            value_date=self._at.business_date,
            booked_at=self._at.raised_at,
            balance=self._state.balance_minor,
            due_items=_items(self._state.due_on(self._at.business_date)),
            arrangement_ref=reference or str(self._at.core_sequence),
        )

    def charge(self, type_name: str, charge_id: int | None) -> None:
        """A charge applied or waived; one that the core no longer lists is told by the state alone."""
        charge = None if charge_id is None else self._state.charges.get(charge_id)
        amount = 0 if charge is None else charge.amount_minor
        if charge is not None and type_name == "loan.charge_waived":
            amount = charge.waived_minor
        if amount > 0:
            self._say(
                type_name,
                value_date=self._at.business_date,
                booked_at=self._at.raised_at,
                balance=self._state.balance_minor,
                due_items=_items(self._state.due_on(self._at.business_date)),
                charge_ref=str(charge_id),
                amount=amount,
            )

    def charge_off(self) -> None:
        """The bank's booking of a loss, if there is one."""
        if self._state.is_charged_off:
            self._say("loan.charged_off", charged_off_on=self._state.charged_off_on or self._at.business_date)

    def ending(self) -> None:
        """The end of a loan, if it has ended."""
        ended_on = self._state.ended_on or self._at.business_date
        if self._state.standing == "written_off":
            self._say("loan.written_off", written_off_on=ended_on)
        elif self._state.standing in ("paid", "rescheduled"):
            reason = "paid" if self._state.standing == "paid" else "refinanced"
            self.standing()
            self._say("loan.closed", reason=reason, closed_on=ended_on)

    def _newest(self, kind: str) -> str | None:
        """Reference of the newest transaction of a kind that stands."""
        numbers = [one.number for one in self._state.bookings.values() if kind in one.kinds and not one.reversed]
        return str(max(numbers)) if numbers else None

    def _allocation(self) -> list[dict[str, Any]]:
        """What is due after the core's allocation. Empty would mean 'not allocated', so a settled item stands in."""
        due = self._state.due_on(self._at.business_date)
        if not due:
            settled = [one for one in self._state.dues if one.due_date <= self._at.business_date]
            due = settled[-1:] or list(self._state.dues[:1])
        return _items(due)

    def _say(self, type_name: str, **values: Any) -> None:
        known = CATALOGUE.get(type_name)
        if known is None:
            raise FactRefusedError("fact_not_catalogued", type_name)
        try:
            data = known.model.model_validate(self._common | values)
        except ValidationError as error:
            fields = ", ".join("/".join(map(str, one["loc"])) for one in error.errors(include_input=False)[:5])
            raise FactRefusedError("fact_invalid", f"{type_name}: {fields}") from error
        self.facts.append(Fact(type_name, self._at.core_sequence, data))


def bound_by(state: LoanState) -> list[dict[str, Any]]:
    """Everyone bound by a loan: its client or the members of its group, the lead first, and who stands surety."""
    lead = {"party_ref": state.party_ref, "role": "borrower", "liability": "joint" if state.members else "full"}
    others = [
        {"party_ref": str(client), "role": "co_borrower", "liability": "joint"}
        for client in state.members
        if client != state.lead
    ]
    surety = [
        {"party_ref": str(client), "role": "guarantor", "liability": "secondary"}
        for client in state.guarantors
        if client not in state.members
    ]
    return [lead, *others, *surety]


def _items(dues: Iterable[Due]) -> list[dict[str, Any]]:
    return [
        {
            "kind": "instalment",
            "due_date": due.due_date,
            "principal": due.principal,
            "interest": due.interest,
            "fee": due.fee,
            "penalty": due.penalty,
            "paid": due.paid,
        }
        for due in dues
    ]


def _taken_back(seen: Transaction, currency: str) -> Booking | None:
    """A transaction that the core's list lacks, as the event told it: the core leaves out what it has replayed anew."""
    if seen.amount is None or seen.happened_on is None:
        return None
    try:
        amount_minor = parse_money(str(seen.amount), currency).amount_minor
    except ValueError:
        return None
    return Booking(seen.number, seen.kinds, seen.happened_on, amount_minor, reversed=True)
