"""A day close carries control totals: they are compared with our own sums as of that day, field by field.

The sums are taken a while after the close, page by page, each page with the intent of the next. By then the core may
have told of the next day: of such a case the facts of the closed day and before are folded again, so later money does
not count. What differs is a finding until a later close agrees. Where the core's books cannot be compared loan by
loan, a difference of more than 0.5 % suspends its feed.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import ClassVar, Final
from uuid import UUID

from services.intake import cores_word, feed_recalls
from services.intake.domain.assessment import Assessment, assess
from services.intake.domain.book import Book
from services.intake.domain.control_totals import NOTHING, Totals, differences, is_incident, summed, told_until
from services.intake.domain.hindsight import refold
from services.intake.domain.policy import DelinquencyPolicy
from services.intake.reconciling import AFTER_CLOSE
from services.intake.store import books, feed_suspensions, groups, loan_facts
from services.intake.store import control_totals as store
from services.intake.store.control_totals import CaseToSum
from shared.database import UnitOfWork
from shared.events.base import EventData
from shared.events.catalogue import CATALOGUE
from shared.messaging import Answer, Intent, NewIntent, TimerHandler
from shared.telemetry import metrics

log = logging.getLogger(__name__)

CONTROL_TOTALS: Final = "control_totals"
_PAGE: Final = 500
_DETAIL: Final = "control totals differ"


async def start(uow: UnitOfWork, *, core: str, closed_on: date) -> None:
    """Intend the comparison of a day that is closed, once what was said of it has been read."""
    cores = await store.stated(uow, core, closed_on)
    if cores is not None:
        uow.intend(_step(uow, core, closed_on, cores, NOTHING, after=None))


def _step(uow: UnitOfWork, core: str, closed_on: date, cores: Totals, ours: Totals, *, after: UUID | None) -> NewIntent:
    return NewIntent(
        kind=CONTROL_TOTALS,
        key=f"{uow.tenant}|{core}|{closed_on}|{after or ''}",
        due_at=uow.real_now + AFTER_CLOSE if after is None else uow.real_now,
        payload={
            "core": core, "closed_on": closed_on.isoformat(), "after": None if after is None else str(after),
            "cores": [cores.open_loans, dict(cores.overdue)], "ours": [ours.open_loans, dict(ours.overdue)],
        },
    )  # fmt: skip


@dataclass(frozen=True)
class CompareTotals(TimerHandler):
    """Intent handler: sums one page of cases; after the last page both sides are compared."""

    policy: DelinquencyPolicy
    suspends: bool
    kind: ClassVar[str] = CONTROL_TOTALS
    batch_size: ClassVar[int] = 1

    async def commit(self, uow: UnitOfWork, answered: Sequence[tuple[Intent, Answer]]) -> None:
        """One page per intent."""
        for intent, _ in answered:
            core, closed_on = intent.payload["core"], date.fromisoformat(intent.payload["closed_on"])
            after = None if intent.payload["after"] is None else UUID(intent.payload["after"])
            cores, ours = Totals(*intent.payload["cores"]), Totals(*intent.payload["ours"])
            page = await store.cases(uow, core, closed_on, after=after, limit=_PAGE)
            states = await self._states(uow, core, closed_on, page)
            if states is None:
                metrics.count("doorstep.books.compared", outcome="totals_unknown")
                log.warning("control totals of %s for %s: not every case is known as of that day", core, closed_on)
                continue
            ours = summed(ours, states)
            if len(page) == _PAGE:
                uow.intend(_step(uow, core, closed_on, cores, ours, after=page[-1].party_id))
            else:
                await self._conclude(uow, core, closed_on, ours=ours, cores=cores)

    async def _states(
        self, uow: UnitOfWork, core: str, day: date, page: Sequence[CaseToSum]
    ) -> list[tuple[Book, Assessment]] | None:
        """The cases as they were on `day`; None where that cannot be told of one."""
        loaded = await books.load(uow, dict.fromkeys((one.party_id for one in page), core))
        ahead = [one.party_id for one in page if one.is_ahead and loaded[one.party_id].lead is None]
        facts = await loan_facts.of_parties(uow, ahead) if ahead else {}
        states: list[tuple[Book, Assessment]] = []
        for one in page:
            book = loaded[one.party_id]
            if book.lead is not None:
                continue  # somebody else stands for the person, and is summed
            if one.is_ahead:
                told = [(name, content) for _, name, content in facts.get(one.party_id, ())]
                past = await self._past(uow, book, told, day)
                if past is None:
                    return None
                book = past
            states.append((book, assess(book, day, self.policy)))
        return states

    async def _past(self, uow: UnitOfWork, book: Book, told: Sequence[tuple[str, str]], day: date) -> Book | None:
        """The book of the facts up to `day`; None where a loan was told of before facts were kept."""
        if not told:
            members = await groups.members(uow, book.party_id)
            told = await loan_facts.told_by(uow, members, as_of=date.max, known_at=uow.real_now)
        facts: list[EventData] = [CATALOGUE[name].model.model_validate_json(content) for name, content in told]
        known = refold(book.party_id, book.core, facts)
        if any(loan.terms is not None and reference not in known.loans for reference, loan in book.loans.items()):
            return None
        return refold(book.party_id, book.core, told_until(facts, day))

    async def _conclude(self, uow: UnitOfWork, core: str, day: date, *, ours: Totals, cores: Totals) -> None:
        found = differences(ours, cores)
        await store.conclude(uow, core, found, business_date=day)
        is_far_off = is_incident(ours, cores)
        outcome = "incident" if is_far_off else "totals_differ" if found else "totals_agree"
        metrics.count("doorstep.books.compared", outcome=outcome)
        named = "; ".join(f"{one.field}: {one.ours} here, {one.cores} in the core" for one in found)
        if found:
            log.error("control totals of %s for %s differ", core, day, extra={"reason": named})
        if not self.suspends:
            return  # the books are compared loan by loan after the same close
        contradicting = await cores_word.contradicting(uow, core, loans=max(ours.open_loans, cores.open_loans))
        if is_far_off or contradicting:
            detail = f"{_DETAIL} on {day}: {named}" if is_far_off else f"{contradicting} on {day}"
            await feed_recalls.suspend(uow, core, "books_differ", detail=detail[:400])
        else:
            reason = f"control totals of {day} agree" if not found else f"{_DETAIL} by less than 0.5 % on {day}"
            await feed_suspensions.release(uow, core, "books_differ", by="reconciliation", reason=reason)
