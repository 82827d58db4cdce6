"""Reconciliation with the core: every loan compared, what differs looked at twice, action on it suspended.

Three kinds of steps, each committed with the intent of the next. *Looking* compares a page of parties and keeps what
differs. After the last page either too much differs, and that is one incident about the feed; or each party of a
difference, new or old, is *looked at again* a little later, because a fact may have been on its way. What still
differs then marks its loan, which suspends its case (`core_differs`); what agrees frees it.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, ClassVar, Final
from uuid import UUID

from services.intake import cores_word, feed_recalls
from services.intake.core_port import CoreBalance, CorePort
from services.intake.domain.book import Book
from services.intake.domain.comparison import FieldDifference, compare, is_incident, marked
from services.intake.domain.conclusion import Circumstances, conclude
from services.intake.domain.trigger import Trigger
from services.intake.folding import OWN_NAMES, Folding
from services.intake.store import books, cases, days, feed_suspensions, findings, groups
from services.intake.strategy_desk import choose_later
from shared.database import UnitOfWork
from shared.ids import derived_id
from shared.messaging import Answer, Intent, NewIntent
from shared.telemetry import metrics
from shared.web.client import RemoteProblem, RemoteUnavailable

log = logging.getLogger(__name__)

RECONCILE: Final = "reconcile"
RECONCILE_AGAIN: Final = "reconcile_again"
_PAGE: Final = 200
_SETTLING: Final = timedelta(seconds=10)
AFTER_CLOSE: Final = timedelta(seconds=60)
"""What the core said of the day that is over has been read by then."""


@dataclass(frozen=True, slots=True)
class Stated(Answer):
    """What the core said of the loans that it was asked about."""

    balances: Mapping[str, CoreBalance] = field(default_factory=dict)


async def start(uow: UnitOfWork, *, core: str, business_date: date, after: timedelta = timedelta()) -> UUID:
    """Begin a run about `business_date`, its first look `after` from now; returns its id."""
    run_id = derived_id("reconciliation", uow.tenant, core, business_date.isoformat(), uow.real_now.isoformat())
    await findings.begin(uow, run_id, core=core, business_date=business_date)
    await _look(uow, Run(run_id, core, business_date), after=None, due_at=uow.real_now + after)
    return run_id


@dataclass(frozen=True, slots=True)
class Run:
    """What all steps of a run share."""

    run_id: UUID
    core: str
    business_date: date

    @classmethod
    def of(cls, payload: Mapping[str, Any]) -> Run:
        """As an intent carries it."""
        return cls(UUID(payload["run"]), payload["core"], date.fromisoformat(payload["business_date"]))

    def payload(self, **more: Any) -> dict[str, Any]:
        """For an intent."""
        return {
            "run": str(self.run_id), "core": self.core, "business_date": self.business_date.isoformat(), **more,
        }  # fmt: skip


@dataclass(frozen=True)
class _Asking(ABC):
    """Both kinds of step ask the core about the loans that their intent names."""

    folding: Folding
    core: CorePort
    batch_size: ClassVar[int] = 1

    async def call(self, intents: Sequence[Intent]) -> Sequence[Answer | None]:
        """Ask. No answer: asked again later."""
        answers: list[Answer | None] = []
        for intent in intents:
            try:
                answers.append(Stated(balances=await self.core.balances(intent.payload["loan_refs"])))
            except (RemoteUnavailable, RemoteProblem) as error:
                log.warning("reconciliation: the core does not answer: %s", type(error).__name__)
                answers.append(None)
        return answers

    async def commit(self, uow: UnitOfWork, answered: Sequence[tuple[Intent, Answer]]) -> None:
        """Take the step; a core that stands at another date meanwhile ends the run."""
        for intent, answer in answered:
            run = Run.of(intent.payload)
            parties = dict.fromkeys(map(UUID, intent.payload["parties"]), run.core)
            stated = answer.balances if isinstance(answer, Stated) else {}
            if any(balance.business_date != run.business_date for balance in stated.values()):
                await findings.end(uow, run.run_id, "core_moved")
                metrics.count("doorstep.books.compared", outcome="core_moved")
                log.info("reconciliation %s: the core stands at another date meanwhile", run.run_id)
            else:
                await self.step(uow, intent, run, parties, stated)

    @abstractmethod
    async def step(
        self, uow: UnitOfWork, intent: Intent, run: Run, parties: Mapping[UUID, str], stated: Mapping[str, CoreBalance]
    ) -> None:
        """What follows from the core's word."""


@dataclass(frozen=True)
class Looking(_Asking):
    """Intent handler: compares a page of parties with the core."""

    kind: ClassVar[str] = RECONCILE

    async def step(
        self, uow: UnitOfWork, intent: Intent, run: Run, parties: Mapping[UUID, str], stated: Mapping[str, CoreBalance]
    ) -> None:
        """Keep what differs, and go on to the next page or to the end of the run."""
        loaded = await books.load(uow, parties)
        found = {
            party_id: compare(book, stated, run.business_date, self.folding.policy) for party_id, book in loaded.items()
        }
        loans = sum(
            loan.terms is not None and not loan.is_left_out for book in loaded.values() for loan in book.loans.values()
        )
        await findings.see(uow, run.run_id, found, business_date=run.business_date)
        await findings.count(uow, run.run_id, compared=loans, differing=_loans_of(found))
        if intent.payload["next"] is None:
            await _finish(uow, run)
        else:
            await _look(uow, run, after=UUID(intent.payload["next"]), due_at=uow.real_now)


@dataclass(frozen=True)
class LookingAgain(_Asking):
    """Intent handler: once more about the parties of differences, then marks or frees their loans."""

    kind: ClassVar[str] = RECONCILE_AGAIN

    async def step(
        self, uow: UnitOfWork, intent: Intent, run: Run, parties: Mapping[UUID, str], stated: Mapping[str, CoreBalance]
    ) -> None:
        """Mark what differs still, free what agrees; the cases follow."""
        await uow.lock_parties(parties)
        before = await books.load(uow, parties)
        closed = await days.closed_dates(uow)
        trigger = Trigger("reconciliation", str(intent.id), uow.now, uow.real_now, silent=True)
        after: dict[UUID, Book] = dict(before)
        found: dict[UUID, list[FieldDifference]] = {}
        for party_id, book in before.items():
            if book.lead is not None:
                continue  # became somebody else since it was asked about
            # Whoever was merged meanwhile is compared with who stands for them: what was found before closes.
            found |= {one.party_id: [] for one in book.members}
            found[party_id] = compare(book, stated, run.business_date, self.folding.policy)
            looked_at = marked(book, found[party_id], run.business_date)
            if looked_at is not book:
                circumstances = Circumstances(self.folding.policy, closed.get(book.core), OWN_NAMES)
                after[party_id], events = conclude(book, looked_at, trigger, circumstances)
                for event in events:
                    uow.emit(event)
        await books.save(uow, before, after)
        await findings.confirm(uow, found)
        changed = [party_id for party_id, book in after.items() if book is not before[party_id]]
        choose_later(uow, changed, seconds=0)


async def _finish(uow: UnitOfWork, run: Run) -> None:
    """Nothing differs, too much differs, or the parties of differences are looked at again."""
    counted = await findings.counted(uow, run.run_id)
    state: findings.RunState = "differs" if counted.differing else "agrees"
    agreed = f"{counted.differing} of {counted.compared} loans differ on {run.business_date}"
    is_far_off = is_incident(compared=counted.compared, differing=counted.differing)
    contradicting = await cores_word.contradicting(uow, run.core, loans=counted.compared)
    if is_far_off or contradicting:
        state = "incident"
    await findings.end(uow, run.run_id, state)
    metrics.count("doorstep.books.compared", outcome=state)
    if state == "incident":
        detail = agreed if is_far_off or not contradicting else f"{contradicting} on {run.business_date}"
        log.error("books of %s: %s", run.core, detail)
        await feed_recalls.suspend(uow, run.core, "books_differ", detail=detail)
        return
    await feed_suspensions.release(uow, run.core, "books_differ", by="reconciliation", reason=agreed)
    parties = await _standing_for(uow, await findings.parties_of_open(uow))
    for number in range(0, len(parties), _PAGE):
        payload = run.payload(**await _asked_about(uow, parties[number : number + _PAGE]))
        due_at = uow.real_now + _SETTLING
        uow.intend(NewIntent(kind=RECONCILE_AGAIN, key=f"{run.run_id}|{number}", due_at=due_at, payload=payload))


async def _standing_for(uow: UnitOfWork, parties: Sequence[UUID]) -> list[UUID]:
    """Who stands for these people now, in order."""
    leads = {one.party_id: one.lead for one in await groups.touching(uow, parties)}
    return sorted({leads.get(party_id, party_id) for party_id in parties})


async def _look(uow: UnitOfWork, run: Run, *, after: UUID | None, due_at: datetime) -> None:
    page = await cases.parties_page(uow, after=after, limit=_PAGE)
    following = str(max(page)) if len(page) == _PAGE else None
    parties = sorted(party_id for party_id, core in page.items() if core == run.core)
    payload = run.payload(next=following, **await _asked_about(uow, parties))
    uow.intend(NewIntent(kind=RECONCILE, key=f"{run.run_id}|{after or ''}", due_at=due_at, payload=payload))


async def _asked_about(uow: UnitOfWork, parties: Sequence[UUID]) -> dict[str, list[str]]:
    """The parties who stand for themselves, and the loans of all their references."""
    aliases = await groups.touching(uow, parties)
    led = {one.party_id for one in aliases if one.lead != one.party_id}
    asked = [party_id for party_id in parties if party_id not in led]
    everybody = {*asked, *(one.party_id for one in aliases if one.lead in asked)}
    return {"parties": [str(one) for one in asked], "loan_refs": await books.loan_refs(uow, sorted(everybody))}


def _loans_of(found: Mapping[UUID, Iterable[FieldDifference]]) -> int:
    return sum(len({one.loan_ref for one in differences}) for differences in found.values())
