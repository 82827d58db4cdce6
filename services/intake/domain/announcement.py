"""Building the events that intake publishes: `case.*` in the order of the case's versions, and `party.stopped`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from functools import lru_cache, partial
from typing import Any, Literal
from uuid import UUID

from services.intake.domain.assessment import Assessment, LoanArrears
from services.intake.domain.book import Book, Case, Receipt, Reversal
from services.intake.domain.groups import Alias
from services.intake.domain.standing import SeenHold
from services.intake.domain.trigger import Trigger
from shared.events import NewEvent
from shared.events.base import EventData, trusted
from shared.events.case import (
    Bucket,
    CaseBucketChanged,
    CaseClosed,
    CaseCured,
    CaseHoldSeen,
    CaseIdentity,
    CaseLoan,
    CaseLoanCured,
    CaseObligor,
    CaseOpened,
    CasePartyMerged,
    CasePartyUnmerged,
    CasePaymentPosted,
    CasePaymentReversed,
    CaseReleased,
    CaseSuspended,
    CaseUpdated,
    CureCause,
    LeavingKind,
)
from shared.events.stop import PartyStopped, StopCause
from shared.ids import derived_ids
from shared.money import Money


class CaseWriter:
    """Writes the events of one case, each under the next version."""

    def __init__(self, party_id: UUID, core: str, case: Case, trigger: Trigger) -> None:
        self.version = case.version
        self.trigger = trigger
        self.events: list[NewEvent[Any]] = []
        self._party_id = party_id
        self._core = core
        self._case_id = case.case_id

    def opened(self, state: Assessment) -> None:
        """`case.opened`, also when a cured case opens again: complete state."""
        self._append("case.opened", trusted(CaseOpened, self._state(state)))

    def updated(self, state: Assessment) -> None:
        """`case.updated`: complete state."""
        self._append("case.updated", trusted(CaseUpdated, self._state(state) | {"cause": self.trigger.type}))

    def bucket_changed(self, before: Bucket, state: Assessment) -> None:
        """`case.bucket_changed`."""
        data = CaseBucketChanged(
            version=self._next(), before=before, after=state.bucket, business_date=state.as_of, **self._identity()
        )
        self._append("case.bucket_changed", data)

    def payment_posted(self, loan_id: UUID, transaction_ref: str, receipt: Receipt) -> None:
        """`case.payment_posted`."""
        data = CasePaymentPosted(
            version=self._next(),
            loan_id=loan_id,
            transaction_ref=transaction_ref,
            amount=_money(receipt.amount_minor, receipt.currency),
            value_date=receipt.value_date,
            booked_at=receipt.booked_at,
            cleared=receipt.cleared,
            payer_ref=receipt.payer_ref,
            kind=receipt.kind,
            **self._identity(),
        )
        self._append("case.payment_posted", data)

    def payment_reversed(self, loan_id: UUID, transaction_ref: str, reversal: Reversal) -> None:
        """`case.payment_reversed`."""
        data = CasePaymentReversed(
            version=self._next(),
            loan_id=loan_id,
            transaction_ref=transaction_ref,
            amount=_money(reversal.amount_minor, reversal.currency),
            **self._identity(),
        )
        self._append("case.payment_reversed", data)

    def cured(self, state: Assessment, cause: CureCause, others: list[NewEvent[Any]]) -> None:
        """`case.cured`, and `party.stopped` appended to `others`."""
        self._append("case.cured", CaseCured(cause=cause, **self._end(state)))
        others.append(self._ended("cured"))

    def closed(self, state: Assessment, cause: LeavingKind, others: list[NewEvent[Any]]) -> None:
        """`case.closed`, and `party.stopped` appended to `others`."""
        self._append("case.closed", CaseClosed(cause=cause, **self._end(state)))
        others.append(self._ended("cured" if cause == "moved" else cause))

    def loan_cured(self, loan_id: UUID, state: Assessment, cause: CureCause | LeavingKind) -> None:
        """`case.loan_cured`: one loan less, others remain."""
        data = CaseLoanCured(
            version=self._next(), loan_id=loan_id, business_date=state.as_of, cause=cause, **self._identity()
        )
        self._append("case.loan_cured", data)

    def hold_seen(self, hold: SeenHold, loan_ref: str) -> None:
        """`case.hold_seen`, once per span. Raises ValueError for a hold whose start is unknown."""
        if hold.span is None or hold.kind is None:
            raise ValueError("a hold without its start")
        data = CaseHoldSeen(
            version=self._next(),
            hold_ref=hold.reference,
            kind=hold.kind,
            scope=hold.scope,
            debt_id=debt_id_of(self._core, loan_ref),
            starts_on=hold.span[0],
            ends_on=hold.span[1],
            **self._identity(),
        )
        self._append("case.hold_seen", data)

    def recalled(self, cause: StopCause, reference: str) -> NewEvent[Any]:
        """`party.stopped`: what is planned about the debt must not happen any more."""
        return stopped(self._party_id, cause, "collection", self.trigger, reference=reference)

    def suspended(self, cause: str) -> None:
        """`case.suspended`, once per cause."""
        self._append("case.suspended", CaseSuspended(version=self._next(), cause=cause, **self._identity()))

    def released(self, cause: str) -> None:
        """`case.released`: the last cause is gone."""
        self._append("case.released", CaseReleased(version=self._next(), cause=cause, **self._identity()))

    def _next(self) -> int:
        self.version += 1
        return self.version

    def _end(self, state: Assessment) -> dict[str, Any]:
        return {
            "version": self._next(),
            "business_date": state.as_of,
            "overdue_totals": totals(state.overdue_minor),
            **self._identity(),
        }

    def _ended(self, cause: StopCause) -> NewEvent[Any]:
        return self.recalled(cause, f"{self._case_id}:{self.version}")

    def _identity(self) -> dict[str, Any]:
        return {"case_id": self._case_id, "party_id": self._party_id}

    def _state(self, state: Assessment) -> dict[str, Any]:
        return {
            "case_id": self._case_id,
            "party_id": self._party_id,
            "version": self._next(),
            "business_date": state.as_of,
            "bucket": state.bucket,
            "dpd_contractual": state.days_contractual,
            "dpd_effective": state.days_effective,
            "overdue_totals": totals(state.overdue_minor),
            "loans": case_loans(state, self._core),
            "core": self._core,
            "jurisdiction": state.jurisdiction,
            "time_zones": list(state.time_zones),
            "language": state.language,
            "cell": state.cell,
            "history_known_from": state.history_known_from,
            "held": state.held,
            "household": state.household,
        }

    def _append(self, name: str, data: EventData) -> None:
        self.events.append(
            NewEvent(
                type=name,
                party_id=self._party_id,
                aggregate_id=self._case_id,
                data=data,
                time=self.trigger.happened_at,
                causation_id=self.trigger.event_id,
            )
        )


def stopped(
    party_id: UUID,
    cause: StopCause,
    scope: Literal["party", "visit_channel", "collection"],
    trigger: Trigger,
    *,
    reference: str,
) -> NewEvent[Any]:
    """`party.stopped` on the express topic."""
    data = PartyStopped(
        party_id=party_id,
        cause=cause,
        scope=scope,
        since=trigger.happened_at,
        arrived_at=trigger.learned_at,
        reference=reference,
    )
    return NewEvent(
        type="party.stopped",
        party_id=party_id,
        aggregate_id=party_id,
        data=data,
        time=trigger.happened_at,
        causation_id=trigger.event_id,
    )


def identity_told(
    alias: Alias, books: Mapping[UUID, Book], business_date: date, trigger: Trigger
) -> list[NewEvent[Any]]:
    """`case.party_merged` or `case.party_unmerged`, under the keys of both people."""
    case_ids = {
        party_id: None if book is None or book.case is None else book.case.case_id
        for party_id in (alias.party_id, alias.other)
        for book in (books.get(party_id),)
    }
    is_alone = alias.lead == alias.party_id
    name = "case.party_unmerged" if is_alone else "case.party_merged"
    model: type[CaseIdentity] = CasePartyUnmerged if is_alone else CasePartyMerged
    return [
        NewEvent(
            type=name,
            party_id=party_id,
            aggregate_id=party_id,
            data=model(
                party_id=party_id, merged_id=alias.party_id, survivor_id=alias.other, version=alias.version,
                merged_case_id=case_ids[alias.party_id], survivor_case_id=case_ids[alias.other],
                business_date=business_date,
            ),
            time=trigger.happened_at,
            causation_id=trigger.event_id,
        )
        for party_id in sorted({alias.party_id, alias.other})
    ]  # fmt: skip


def _money(amount_minor: int, currency: str) -> Money:
    return trusted(Money, {"amount_minor": amount_minor, "currency": currency})


def totals(amounts: Sequence[tuple[str, int]]) -> list[Money]:
    """Sums, one per currency."""
    return [_money(amount, currency) for currency, amount in amounts]


def case_loans(state: Assessment, core: str) -> list[CaseLoan]:
    """The loans that are past due."""
    return [_case_loan(loan, core) for loan in state.loans]


def _case_loan(loan: LoanArrears, core: str) -> CaseLoan:
    values = {
        "loan_id": loan.loan_id,
        "debt_id": debt_id_of(core, loan.loan_ref),
        "originated_on": loan.originated_on,
        "obligors": [trusted(CaseObligor, one._asdict()) for one in loan.bound],
        "loan_ref": loan.loan_ref,
        "product_class": loan.product_class,
        "overdue": _money(loan.overdue_minor, loan.currency),
        "balance": _money(loan.balance_minor, loan.currency),
        "oldest_due_date": loan.oldest_due_date,
        "dpd_contractual": loan.days,
        "charged_off": loan.charged_off,
    }
    return trusted(CaseLoan, values)


def debt_id_of(core: str, loan_ref: str) -> UUID:
    """The core's reference names the debt; our id of the loan belongs to the party in whose case it is."""
    return _debt_ids(core)(loan_ref)


_debt_ids = lru_cache(maxsize=64)(partial(derived_ids, "debt"))
