"""One transaction's worth of rows: their facts through the fold, their digests, their refusals, and the progress."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar
from uuid import UUID

import numpy as np

from services.intake.domain.calendar import FutureBusinessDateError
from services.intake.folding import Folding, FoldRefusedError, keys_bound
from services.intake.store import tape_files, tape_loans
from services.intake.store.parties import reserve
from services.intake.store.tape_files import ProgressLostError, Rejection, Step, TapeFile
from services.intake.store.tape_loans import LOANS, OverdueLoan
from services.intake.store.tape_people import PEOPLE
from services.intake.store.tape_rows import LastRows
from services.intake.tapes.facts import LoanOrigin, Origin
from services.intake.tapes.repairing import Repairing
from services.intake.tapes.rows import Work
from services.intake.tapes.understanding import Refusal
from shared.database import Database, UnitOfWork
from shared.database.unit_of_work import Cause
from shared.events import Event
from shared.events.base import EventData
from shared.messaging import parking
from shared.messaging.failures import is_transient
from shared.security.sealing import RecordSealer

KeyT = TypeVar("KeyT")
_ATTEMPTS = 5
_FIRST_PAUSE_SECONDS = 0.2
PARKED = Refusal("party_ref", "party_parked")
UNPROCESSABLE = Refusal("row", "unprocessable")


@dataclass
class _Part:
    """Rows [first, end) of a work. `poison`: why the fold cannot take the only one."""

    work: Work
    first: int
    end: int
    stated: Mapping[int, Event[EventData]]
    poison: Refusal | None = None
    refused: dict[int, Refusal] = field(default_factory=dict)

    def spoken(self) -> list[int]:
        places = np.flatnonzero(self.work.speaks[self.first : self.end]) + self.first
        return [] if self.poison is not None else places.tolist()


@dataclass(frozen=True)
class Applying:
    """Applies rows of one file."""

    database: Database
    folding: Folding
    sealer: RecordSealer
    origin: Origin
    file: TapeFile
    repair: Repairing | None

    @property
    def _last_rows(self) -> LastRows:
        return LOANS if isinstance(self.origin, LoanOrigin) else PEOPLE

    async def rows(self, work: Work, first: int, end: int, stated: Mapping[int, Event[EventData]]) -> None:
        """Apply rows [first, end), which state `stated`.

        What passes by itself is tried again; poison is found by halving and set aside.
        """
        try:
            await _patiently(lambda: self._commit(_Part(work, first, end, stated)))
        except ProgressLostError:
            raise
        except Exception as error:
            if is_transient(error):
                raise
            if end - first > 1:
                middle = (first + end) // 2
                await self.rows(work, first, middle, stated)
                await self.rows(work, middle, end, stated)
            else:
                await self._commit(_Part(work, first, end, stated, poison=_reason(error)))

    async def vanished(self, loans: Sequence[OverdueLoan], *, before: str, after: str) -> None:
        """Cure loans that the file does not name any more; progress moves from one reference to another."""

        async def commit() -> None:
            async with self.database.unit_of_work() as uow:
                events = {one.loan_ref: self._gone(one) for one in loans}
                waiting = await self._fold(uow, events)
                cured = [one for one in events if one not in waiting]
                await LOANS.forget(uow, self.file.feed, cured)
                await tape_files.advance(
                    uow,
                    self.file,
                    Step(self.file.total_rows, before),
                    Step(self.file.total_rows, after, facts=len(cured), vanished=len(cured)),
                )

        await _patiently(commit)

    async def _commit(self, part: _Part) -> None:
        async with self.database.unit_of_work() as uow:
            part.refused |= {row: why for row, why in part.work.refused.items() if part.first <= row < part.end}
            if part.poison is not None:
                part.refused.setdefault(part.first, part.poison)
            events = await self._events(uow, part)
            part.refused |= await self._fold(uow, events)
            await self._keep(uow, part)
            done = len([row for row in events if row not in part.refused])
            await tape_files.advance(
                uow,
                self.file,
                Step(part.work.done_before(part.first)),
                Step(part.work.done_after(part.end), facts=done, refused_rows=len(part.refused)),
            )

    async def _events(self, uow: UnitOfWork, part: _Part) -> dict[int, Event[EventData]]:
        understood = part.work.understood
        gone = await self._removed(uow, part)
        events: dict[int, Event[EventData]] = {}
        for row in part.spoken():
            if part.work.removed[row]:
                if row in gone:
                    events[row] = gone[row]
            else:
                stated = part.stated.get(row)
                events[row] = stated or self.origin.stated(understood, row, is_overdue=bool(part.work.overdue[row]))
        return events

    async def _removed(self, uow: UnitOfWork, part: _Part) -> dict[int, Event[EventData]]:
        """A delta's removals of loans that were overdue, where the contract says that they are cures."""
        rows = [row for row in part.spoken() if part.work.removed[row]]
        if not rows or not isinstance(self.origin, LoanOrigin) or self.origin.contract.content.removed != "cured":
            return {}
        references = {part.work.understood.reference("loan_ref", row): row for row in rows}
        found = await tape_loans.overdue_among(uow, self.file.feed, sorted(references))
        numbers = {one: self.origin.number_of(part.work.understood, row) for one, row in references.items()}
        return {references[one.loan_ref]: self._gone(one, numbers[one.loan_ref]) for one in found}

    def _gone(self, loan: OverdueLoan, number: int | None = None) -> Event[EventData]:
        assert isinstance(self.origin, LoanOrigin)  # only loans vanish and are removed
        at = self.file.position_number if number is None else number
        return self.origin.gone(
            loan_ref=loan.loan_ref, party_ref=loan.party_ref, currency=loan.currency,
            balance_minor=loan.balance_minor, number=at or 1,
        )  # fmt: skip

    async def _fold(self, uow: UnitOfWork, events: dict[KeyT, Event[EventData]]) -> dict[KeyT, Refusal]:
        """Fold the facts; returns those that were not, and why. Others of their parties may be folded all the same."""
        own = {event.key for event in events.values()}
        parties = await reserve(uow, [*own, *(key for event in events.values() for key in keys_bound(event))])
        party_ids = [parties.ids[key] for key in own]
        await uow.lock_parties(party_ids)
        parked = await parking.parked_among(uow, party_ids)
        refused = {key: PARKED for key, event in events.items() if parked and parties.ids[event.key] in parked}
        facts = [event for key, event in events.items() if key not in refused]
        if facts:
            uow.causes = dict.fromkeys((fact.id for fact in facts), Cause(str(self.file.file_id), ""))
            await self.folding.fold(uow, facts, parties)
        return refused

    async def _keep(self, uow: UnitOfWork, part: _Part) -> None:
        """The loans' last rows, the refused rows, and what a repair has mended."""
        work, feed = part.work, self.file.feed
        first, end = np.searchsorted(work.places, [part.first, part.end])
        places = work.places[first:end]
        taken = np.ones(len(places), bool)
        taken[np.isin(places, list(part.refused))] = False
        if self.repair is None or self.repair.is_newest:
            rows, known = work.rows.slice(first, end - first), work.known[places]
            await self._last_rows.insert(uow, feed, rows.filter(taken & ~known))
            await self._last_rows.update(uow, feed, rows.filter(taken & known))
            removed = [row for row in part.spoken() if work.removed[row] and row not in part.refused]
            gone = [work.understood.reference(self._last_rows.key, row) for row in removed]
            await self._last_rows.forget(uow, feed, gone)
        await tape_files.reject(uow, self.file, self._rejections(part))
        if self.repair is not None:
            numbers = work.understood.sheet.numbers
            mended = [row for row in range(part.first, part.end) if row not in part.refused]
            originals = [self.repair.original_row(int(numbers[row])) for row in mended]
            await tape_files.repaired(uow, self.repair.original, originals, self.file.file_id)

    def _rejections(self, part: _Part) -> list[Rejection]:
        rows = sorted(part.refused)
        understood = part.work.understood
        found = []
        for row, original in zip(rows, understood.sheet.originals(rows), strict=True):
            number = int(understood.sheet.numbers[row])
            refusal = part.refused[row]
            found.append(
                Rejection(
                    row_number=number,
                    field=refusal.field,
                    reason=refusal.reason,
                    loan_ref=understood.named("loan_ref", row) if self._last_rows is LOANS else None,
                    party_ref=understood.named("party_ref", row),
                    original=self.sealer.seal(original, place=place_of(self.file.file_id, number)),
                )
            )
        return found


def place_of(file_id: UUID, row_number: int) -> str:
    """Where a refused row belongs, for its seal."""
    return f"tape/{file_id}/{row_number}"


def _reason(error: Exception) -> Refusal:
    """The field, where the fold names it."""
    if isinstance(error, FoldRefusedError):
        return Refusal(error.pointer.rpartition("/")[2], error.kind)
    if isinstance(error, FutureBusinessDateError):
        return Refusal("business_date", "future_business_date")
    return UNPROCESSABLE


async def _patiently(action: Callable[[], Awaitable[None]]) -> None:
    """Try again what can pass by itself, with growing pauses."""
    for attempt in range(_ATTEMPTS):
        try:
            await action()
            return
        except Exception as error:
            if not is_transient(error) or attempt + 1 == _ATTEMPTS:
                raise
            await asyncio.sleep(_FIRST_PAUSE_SECONDS * 2**attempt)
