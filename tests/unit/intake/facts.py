"""Facts of a bank core, as tests need them."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

from shared.events.loan import (
    BalanceStated,
    BusinessDayClosed,
    ChargeApplied,
    ChargedOff,
    ChargeReversed,
    ChargeWaived,
    ContactPoint,
    CreditPosted,
    DueItem,
    DueItemsChanged,
    HoldEnded,
    HoldStarted,
    LoanClosed,
    LoanCorrected,
    LoanCured,
    LoanOverdue,
    LoanReaged,
    LoanRescheduled,
    LoanTransferred,
    Obligor,
    ObligorChanged,
    PartyDeceased,
    PartyUpdated,
    PaymentReceived,
    PaymentReversed,
    RecoveryReceived,
    StatedFact,
    WrittenOff,
)
from shared.geo import Point

DAY = date(2026, 3, 10)
BOOKED = datetime(2026, 3, 10, 1, tzinfo=UTC)


def due(days_before: int, amount: int, paid: int = 0, *, day: date = DAY) -> DueItem:
    """An instalment that fell due `days_before` days before `day`."""
    return DueItem(kind="instalment", due_date=day - timedelta(days=days_before), principal=amount, paid=paid)


def _fact(sequence: int, loan: str, party: str, **overrides: Any) -> dict[str, Any]:
    return {
        "tenant": "bank",
        "core": "core-a",
        "loan_ref": loan,
        "party_ref": party,
        "business_date": DAY,
        "core_sequence": sequence,
        "currency": "CNY",
        **overrides,
    }


def overdue(
    sequence: int, *items: DueItem, loan: str = "L-1", party: str = "P-1", balance: int = 100_000, **overrides: Any
) -> LoanOverdue:
    """A statement of a late loan."""
    return LoanOverdue(
        **{
            **_fact(sequence, loan, party),
            "obligors": [Obligor(party_ref=party, role="borrower", liability="full")],
            "value_date": DAY,
            "booked_at": BOOKED,
            "product_class": "card",
            "creditor": "Bank",
            "servicer": "Bank",
            "originated_on": date(2025, 1, 1),
            "jurisdiction": "CN",
            "balance": balance,
            "due_items": list(items) or [due(10, 500)],
            **overrides,
        }
    )


def payment(
    sequence: int, amount: int, *after: DueItem, ref: str = "T-1", loan: str = "L-1", party: str = "P-1", **more: Any
) -> PaymentReceived:
    """A cleared payment; `after` are the due items after its allocation."""
    return PaymentReceived(
        **{
            **_fact(sequence, loan, party),
            "transaction_ref": ref,
            "amount": amount,
            "value_date": DAY,
            "booked_at": BOOKED,
            "cleared": True,
            "payer_ref": "payer",
            "allocation": list(after),
            **more,
        }
    )


def reversal(
    sequence: int, amount: int, *after: DueItem, ref: str = "T-1", loan: str = "L-1", party: str = "P-1", **more: Any
) -> PaymentReversed:
    """The payment `ref` is taken back."""
    return PaymentReversed(
        **{
            **_fact(sequence, loan, party),
            "transaction_ref": ref,
            "amount": amount,
            "booked_at": BOOKED,
            "due_items": list(after) or [due(10, 500)],
            **more,
        }
    )


def cured(sequence: int, *, loan: str = "L-1", party: str = "P-1", **more: Any) -> LoanCured:
    """The core says that nothing is past due any more."""
    return LoanCured(**{**_fact(sequence, loan, party), "balance": 90_000, **more})


def credit(
    sequence: int, amount: int, *after: DueItem, ref: str = "T-1", loan: str = "L-1", party: str = "P-1", **more: Any
) -> CreditPosted:
    """A goodwill credit; `after` are the due items after its allocation."""
    money = {"transaction_ref": ref, "amount": amount, "value_date": DAY, "booked_at": BOOKED, "reason": "goodwill"}
    return CreditPosted(**{**_fact(sequence, loan, party), **money, "allocation": list(after), **more})


def recovery(
    sequence: int, amount: int, *, ref: str = "T-1", loan: str = "L-1", party: str = "P-1", **more: Any
) -> RecoveryReceived:
    """Money for a loan that was written off."""
    money = {"transaction_ref": ref, "amount": amount, "value_date": DAY, "booked_at": BOOKED, "payer_ref": "payer"}
    return RecoveryReceived(**{**_fact(sequence, loan, party), **money, **more})


_NAMING: dict[type[StatedFact], dict[str, Any]] = {
    DueItemsChanged: {"cause": "due_date_moved"},
    LoanRescheduled: {"arrangement_ref": "R-1"},
    LoanReaged: {"arrangement_ref": "R-1"},
    LoanCorrected: {"corrects": "e-0"},
    **{model: {"charge_ref": "C-1", "amount": 10} for model in (ChargeApplied, ChargeWaived, ChargeReversed)},
}


def stated(
    model: type[StatedFact], sequence: int, *after: DueItem, loan: str = "L-1", party: str = "P-1", **more: Any
) -> StatedFact:
    """A change of the given kind; `after` is all that is due after it."""
    state = {"value_date": DAY, "booked_at": BOOKED, "balance": 95_000, "due_items": list(after)}
    return model(**{**_fact(sequence, loan, party), **state, **_NAMING[model], **more})


def closed(sequence: int, *, loan: str = "L-1", party: str = "P-1", **more: Any) -> LoanClosed:
    """The loan was paid to its end."""
    return LoanClosed(**{**_fact(sequence, loan, party), "reason": "paid", "closed_on": DAY, **more})


def sold(sequence: int, *, loan: str = "L-1", party: str = "P-1", **more: Any) -> LoanTransferred:
    """The loan belongs to somebody else."""
    return LoanTransferred(**{**_fact(sequence, loan, party), "kind": "sold", "transferred_on": DAY, **more})


def written_off(sequence: int, *, loan: str = "L-1", party: str = "P-1", **more: Any) -> WrittenOff:
    """The bank claims the loan no longer."""
    return WrittenOff(**{**_fact(sequence, loan, party), "written_off_on": DAY, **more})


def charge_off(sequence: int, *, loan: str = "L-1", party: str = "P-1", **more: Any) -> ChargedOff:
    """The bank has booked a loss."""
    return ChargedOff(**{**_fact(sequence, loan, party), "charged_off_on": DAY, **more})


def balance(sequence: int, amount: int, *, loan: str = "L-1", party: str = "P-1", **more: Any) -> BalanceStated:
    """The balance, and nothing else."""
    return BalanceStated(**{**_fact(sequence, loan, party), "balance": amount, **more})


def obligors(sequence: int, *references: str, loan: str = "L-1", party: str = "P-1", **more: Any) -> ObligorChanged:
    """Everyone bound from now on: the first borrows, the others stand surety."""
    bound = [
        Obligor(party_ref=reference, role="borrower" if number == 0 else "guarantor", liability="full")
        for number, reference in enumerate(references)
    ]
    return ObligorChanged(**{**_fact(sequence, loan, party), "obligors": bound, **more})


def hold(sequence: int, *, ref: str = "H-1", loan: str = "L-1", party: str = "P-1", **more: Any) -> HoldStarted:
    """A breathing space on everything, from today on."""
    told = {"hold_ref": ref, "kind": "breathing_space", "scope": "party", "starts_on": DAY}
    return HoldStarted(**{**_fact(sequence, loan, party), **told, **more})


def hold_end(sequence: int, *, ref: str = "H-1", loan: str = "L-1", party: str = "P-1", **more: Any) -> HoldEnded:
    """The hold `ref` is over."""
    return HoldEnded(**{**_fact(sequence, loan, party), "hold_ref": ref, "ended_on": DAY, **more})


def person(sequence: int, *, party: str = "P-1", **more: Any) -> PartyUpdated:
    """A person with home and mobile."""
    return PartyUpdated(
        **{
            "tenant": "bank",
            "core": "core-a",
            "party_ref": party,
            "core_sequence": sequence,
            "name": "王小明",
            "time_zones": ["Asia/Shanghai"],
            "jurisdiction": "CN",
            "contact_points": [
                ContactPoint(
                    kind="home", value="Road 1", point=Point(lat=31.23, lon=121.47, crs="WGS84"), source="contract"
                ),
                ContactPoint(kind="mobile", value="+86 138 0000 0000", source="contract"),
            ],
            "history_known_from": date(2025, 1, 1),
            **more,
        }
    )


def death(sequence: int, *, party: str = "P-1") -> PartyDeceased:
    """The person has died."""
    return PartyDeceased(tenant="bank", core="core-a", party_ref=party, core_sequence=sequence, reported_on=DAY)


def day_closed(day: date) -> BusinessDayClosed:
    """The core has finished `day`."""
    return BusinessDayClosed(tenant="bank", core="core-a", business_date=day, open_loans=0, overdue_total={})
