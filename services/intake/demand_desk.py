"""The desk of demand rights: a guarantor enters contact only after one is recorded."""

from __future__ import annotations

from typing import NamedTuple
from uuid import UUID

from msgspec.structs import replace

from services.intake import identifying
from services.intake.domain import groups
from services.intake.domain.announcement import debt_id_of
from services.intake.domain.book import Book, Loan
from services.intake.domain.conclusion import Circumstances, conclude
from services.intake.domain.standing import Demand, Standing
from services.intake.domain.trigger import Trigger
from services.intake.folding import OWN_NAMES, Folding
from services.intake.store import books, days
from services.intake.strategy_desk import choose_later
from shared.database import UnitOfWork
from shared.events import NewEvent
from shared.events.case import CaseDemandRecorded, CaseDemandRevoked
from shared.ids import event_id
from shared.web.problems import KnownProblem, NotFound


class NotAGuarantor(KnownProblem):  # reads as a fact at the call site
    """The core does not name this person as a guarantor of the loan: nothing needs to be recorded to contact them."""

    kind, status, title = "not-a-guarantor", 409, "This person is no guarantor of the loan"


class DemandNotBegun(KnownProblem):  # reads as a fact at the call site
    """A demand is recorded on its first day or later."""

    kind, status, title = "demand-not-begun", 422, "The demand's first day lies ahead"


class GuaranteedLoan(NamedTuple):
    """A loan as the core tells it under its guarantor's reference."""

    party_id: UUID
    core: str
    loan_ref: str


async def record(uow: UnitOfWork, folding: Folding, place: GuaranteedLoan, demand: Demand) -> Demand:
    """Keep the right; the case follows. The party is locked. Raises NotFound, NotAGuarantor, DemandNotBegun."""
    if demand.demanded_on > folding.settings.local_date(uow.now):
        raise DemandNotBegun()
    book, loan = await _found(uow, place)
    if not loan.is_guaranteed:
        raise NotAGuarantor()
    await _keep(uow, folding, place, book, loan, demand)
    return demand


async def revoke(uow: UnitOfWork, folding: Folding, place: GuaranteedLoan) -> Demand:
    """End the right from now on. The party is locked. Raises NotFound where none stands."""
    book, loan = await _found(uow, place)
    if loan.demand is None:
        raise NotFound("no demand right stands on this loan")
    revoked = replace(loan.demand, revoked_at=uow.real_now)
    await _keep(uow, folding, place, book, loan, revoked)
    return revoked


async def _found(uow: UnitOfWork, place: GuaranteedLoan) -> tuple[Book, Loan]:
    leads = await identifying.lock_leads(uow, [place.party_id])
    lead = leads.get(place.party_id, place.party_id)
    book = (await books.load(uow, {lead: place.core}))[lead]
    loan = _own(book, place.party_id).loans.get(place.loan_ref)
    if loan is None or loan.terms is None:
        raise NotFound("the core has not told of this loan under this person")
    return book, loan


def _own(book: Book, party_id: UUID) -> Book:
    return groups.member(book, party_id) if book.members else book


async def _keep(
    uow: UnitOfWork, folding: Folding, place: GuaranteedLoan, book: Book, loan: Loan, demand: Demand
) -> None:
    own = _own(book, place.party_id)
    standing = replace(loan.standing or Standing(), demand=demand)
    own = replace(own, loans={**own.loans, place.loan_ref: replace(loan, standing=standing)})
    changed = groups.rejoined(book, own) if book.members else own
    name = "case.demand_recorded" if demand.revoked_at is None else "case.demand_revoked"
    model = CaseDemandRecorded if demand.revoked_at is None else CaseDemandRevoked
    trigger = Trigger(name, str(event_id()), uow.now, uow.real_now)
    closed = await days.closed_dates(uow)
    circumstances = Circumstances(folding.policy, closed.get(place.core), OWN_NAMES)
    after, events = conclude(book, changed, trigger, circumstances)
    told = model(
        party_id=book.party_id, debt_id=debt_id_of(place.core, place.loan_ref), demanded_on=demand.demanded_on,
        document_reference=demand.document_reference,
    )  # fmt: skip
    uow.emit(NewEvent(type=name, party_id=book.party_id, aggregate_id=loan.loan_id, data=told, time=uow.now))
    for event in events:
        uow.emit(event)
    await books.save(uow, {book.party_id: book}, {book.party_id: after})
    choose_later(uow, [book.party_id], seconds=folding.settings.choose_after_seconds)
