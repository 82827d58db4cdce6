"""Loading a tape: understood whole before the first effect, then applied in transactions that also move its progress.

1. The first reading counts, adds up and understands every row (`survey`); `verdict` says why it must not be loaded.
2. The file is recorded as `loading`: one per feed.
3. The second reading compares each row with the loan's last one. The changed rows go through the same fold as the
   topic's facts, at most so many per transaction, under the locks of their parties. The transaction that folds them
   keeps their digests, the refused rows and `rows_done`, conditional on its old value: a killed loader goes on behind
   the last committed row, and two loaders of one file cannot both commit.
4. Loans that the file should name and does not are cured, where the feed's contract says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from services.intake.domain.calendar import latest_possible_date
from services.intake.folding import Folding
from services.intake.store import days, tape_files, tape_loans, tape_people
from services.intake.store.tape_files import TapeFile
from services.intake.store.tape_rows import Changed
from services.intake.tapes.applying import Applying
from services.intake.tapes.approvals import Released
from services.intake.tapes.contract import Contract
from services.intake.tapes.facts import LoanOrigin, Origin
from services.intake.tapes.manifest import Manifest
from services.intake.tapes.people_contract import PeopleContract
from services.intake.tapes.people_facts import PeopleOrigin
from services.intake.tapes.repairing import Repairing, objections_to, others, repairing
from services.intake.tapes.rows import Fingerprinted, Knowledge, Work, fingerprints, work_of
from services.intake.tapes.survey import LoanSet, Survey, Tell, loan_hashes, survey, unheard
from services.intake.tapes.verdict import Before, Objection, in_words, on_content, on_manifest
from shared.database import Database, UnitOfWork
from shared.events import Event
from shared.events.base import EventData
from shared.security.sealing import RecordSealer

T = TypeVar("T")
_DIGEST_FIELD: Final = "tape.person"


class FeedBusyError(RuntimeError):
    """Another file of the feed is being loaded, or its load was interrupted: it comes first."""


@dataclass(frozen=True)
class Loader:
    """Loads files of feeds into the books."""

    database: Database
    folding: Folding
    sealer: RecordSealer
    facts_per_transaction: int = 1_000

    async def load(self, path: Path, manifest: Manifest, released: Released, tell: Tell = unheard) -> TapeFile:
        """Load the file, or go on where it was interrupted. The answer's state says whether it was refused, and why.

        A file that was loaded before is answered as it stands. Raises FeedBusyError, UnreadableTapeError,
        ProgressLostError, ContractChangedError.
        """
        file = await self._begun(manifest)
        if file is not None and file.state == "loaded":
            return file
        resumed = file is not None and file.state == "loading"
        refused = None if resumed else await self.refused_unread(manifest, released)
        if refused is not None:
            return refused
        async with self.database.read_only() as uow:
            repair = await repairing(uow, manifest)
        found = await asyncio.to_thread(
            survey, path, released.contract, manifest.business_date, tell, expected=manifest.rows
        )
        if file is None or not resumed:
            objections = await self._objections_to_content(manifest, released, found)
            if repair is not None:
                objections += await self._objections_to_repair(path, released, repair)
            file = await self._record(_new_file(manifest, released, found, repair, objections))
            if objections:
                return file
        elif found.sha256 != manifest.sha256 or file.contract_sha256 != released.sha256:
            raise ContractChangedError("file or contract are not those the interrupted load began with")
        return await _Run(self, path, released, found, file, repair, tell).run()

    async def refused_unread(self, manifest: Manifest, released: Released) -> TapeFile | None:
        """The file as refused, where that can be seen without reading it; else None. One being loaded is not asked."""
        contract, settings = released.contract, self.folding.settings
        async with self.database.read_only() as uow:
            known = await tape_files.load(uow, manifest.feed, manifest.file_id)
            if known is not None and known.state != "refused":
                return None
            last = await tape_files.last_loaded(uow, manifest.feed)
            closed = (await days.closed_dates(uow)).get(contract.core)
            latest = latest_possible_date(closed, settings.local_date(uow.now), days_ahead=settings.days_ahead)
            objections = on_manifest(manifest, contract, None if last is None else _before(last), latest)
            if not released.is_released:
                people = ", ".join(released.approvers) or "nobody"
                objections.append(Objection("not_released", f"two people must approve the contract, and {people} has"))
            repair = await repairing(uow, manifest)
            if manifest.repairs is not None:
                objections += await objections_to(uow, manifest, repair, subject=contract.subject)
        if not objections:
            return None
        return await self._record(_new_file(manifest, released, Survey(manifest.sha256), repair, objections))

    async def _begun(self, manifest: Manifest) -> TapeFile | None:
        async with self.database.read_only() as uow:
            loading = await tape_files.loading(uow, manifest.feed)
            if loading is not None and loading != manifest.file_id:
                raise FeedBusyError(f"file {loading} of feed {manifest.feed} is not finished")
            return await tape_files.load(uow, manifest.feed, manifest.file_id)

    async def _objections_to_content(self, manifest: Manifest, released: Released, found: Survey) -> list[Objection]:
        async with self.database.read_only() as uow:
            last = await tape_files.last_loaded(uow, manifest.feed)
            before = None if last is None or manifest.repairs is not None else _before(last)
            compared = before is not None and released.contract.change == "full"
            vanished = await _count_vanished(uow, manifest.feed, found.loans) if compared else 0
        return on_content(manifest, released.contract, found, before, vanished)

    async def _objections_to_repair(self, path: Path, released: Released, repair: Repairing) -> list[Objection]:
        async with self.database.read_only() as uow:
            waiting = await tape_files.open_rejections(
                uow, repair.original, repair.rows, subject=released.contract.subject
            )
        return await asyncio.to_thread(others, path, released.contract, repair, waiting)

    async def _record(self, file: TapeFile) -> TapeFile:
        async with self.database.unit_of_work() as uow:
            await tape_files.record(uow, file)
        return file


class ContractChangedError(RuntimeError):
    """An interrupted load can only go on with the very file and contract it began with."""


class _Run:
    """One file on its way from its last committed row to the end."""

    def __init__(
        self,
        loader: Loader,
        path: Path,
        released: Released,
        found: Survey,
        file: TapeFile,
        repair: Repairing | None,
        tell: Tell,
    ) -> None:
        self._database = loader.database
        self._path = path
        self._found = found
        self._file = file
        self._repair = repair
        self._tell = tell
        self._most = loader.facts_per_transaction
        self._in_order, self._last_reference = True, b""
        self._contract = released.contract
        self._origin = _origin(loader.database, released, file)
        self._digest_key = bytes.fromhex(released.sha256)
        if isinstance(released.contract, PeopleContract):
            # Without a secret the data of a person could be guessed from their digest.
            self._digest_key = loader.folding.cipher.blind_index(_DIGEST_FIELD, released.sha256)
        self._applying = Applying(loader.database, loader.folding, loader.sealer, self._origin, file, repair)

    async def run(self) -> TapeFile:
        """To the end."""
        async with self._database.unit_of_work() as uow:
            last = await tape_files.last_loaded(uow, self._file.feed)
            store = tape_loans if isinstance(self._contract, Contract) else tape_people
            spoken_of = await store.spoken_of(uow, self._contract.core, self._file.feed)
        knowledge = Knowledge(self._found.repeated, LoanSet.of(spoken_of))
        is_first = last is None and self._repair is None
        async with aclosing(_one_ahead(self._parts(knowledge, is_first=is_first))) as parts:
            async for work, first, end, stated in parts:
                await self._applying.rows(work, first, end, stated)
                self._tell("Loading", work.done_after(end), self._file.total_rows)
        if self._concludes():
            await self._vanish()
        async with self._database.unit_of_work() as uow:
            await tape_files.finish(uow, self._file)
        async with self._database.read_only() as uow:
            return await tape_files.load(uow, self._file.feed, self._file.file_id) or self._file

    async def _parts(
        self, knowledge: Knowledge, *, is_first: bool
    ) -> AsyncGenerator[tuple[Work, int, int, dict[int, Event[EventData]]]]:
        """The rows behind the last committed one, in groups of one transaction each, with the facts that they state.

        A group is made while the one before it is at work: no row says anything of a loan that another one is about.
        """
        file = self._file
        sheets = fingerprints(self._path, self._contract, self._digest_key, file.business_date, after=file.rows_done)
        async for sheet in _ahead(sheets):
            changed = await self._of_us(sheet, await self._changed(sheet, knowledge, is_first=is_first))
            work = await asyncio.to_thread(work_of, sheet, changed, knowledge, self._origin)
            for first, end in work.groups(self._most):
                yield work, first, end, await asyncio.to_thread(work.stated, first, end, self._origin)

    async def _changed(self, sheet: Fingerprinted, knowledge: Knowledge, *, is_first: bool) -> list[Changed]:
        if is_first:
            return [Changed(place, known=False, was_overdue=False) for place in range(sheet.sheet.count)]
        named = sheet.named
        found = [Changed(int(place), known=False, was_overdue=False) for place in np.flatnonzero(sheet.nameless)]
        if not len(named):
            return found
        always = np.ones(len(named), bool) if self._repair else knowledge.always(sheet.hashes[named])
        references = sheet.sheet.take(named).columns[self._contract.subject]
        last_rows = tape_loans.LOANS if isinstance(self._contract, Contract) else tape_people.PEOPLE
        digests = [sheet.digests[place] for place in named] if found else sheet.digests
        async with self._database.read_only() as uow:
            changed = await last_rows.changed(
                uow,
                self._file.feed,
                references,
                digests,
                always=np.flatnonzero(always).tolist(),
                in_order=self._goes_on_in_order(references),
            )
        return found + [Changed(int(named[one.place]), one.known, one.was_overdue) for one in changed]

    async def _of_us(self, sheet: Fingerprinted, changed: list[Changed]) -> list[Changed]:
        """Without the rows of people whom no loan has named: of the bank's other customers nothing is kept."""
        if not isinstance(self._contract, PeopleContract) or self._contract.content.population != "all":
            return changed
        asked = [one for one in changed if not one.known and not sheet.nameless[one.place]]
        if not asked:
            return changed
        references = sheet.sheet.columns["party_ref"].take(pa.array([one.place for one in asked]))
        async with self._database.read_only() as uow:
            named = await tape_people.named(uow, self._contract.core, references)
        strangers = {one.place for place, one in enumerate(asked) if place not in named}
        return [one for one in changed if one.place not in strangers]

    def _goes_on_in_order(self, references: pa.Array) -> bool:
        """Whether a full file is in order of reference up to here: its parts then span the feed's loans only once."""
        self._in_order &= self._contract.change == "full" and self._repair is None
        if self._in_order:
            ascends = pc.all(pc.less(references[:-1], references[1:])).as_py()
            first, last = references[0].as_py(), references[-1].as_py()
            self._in_order = ascends is not False and first > self._last_reference
            self._last_reference = last
        return self._in_order

    def _concludes(self) -> bool:
        """Whether missing loans mean anything: not while rows are unread of which nobody knows whose they are."""
        says = self._contract.cures_the_vanished and self._repair is None
        return says and not self._found.nameless_rows

    async def _vanish(self) -> None:
        after = self._file.vanished_after
        while True:
            async with self._database.read_only() as uow:
                page = await tape_loans.overdue_after(uow, self._file.feed, after)
            if not page:
                return
            here = self._found.loans.holds(loan_hashes([one.loan_ref.encode() for one in page]))
            missing = [page[place] for place in np.flatnonzero(~here)]
            for start in range(0, len(missing), self._most):
                group = missing[start : start + self._most]
                await self._applying.vanished(group, before=after, after=group[-1].loan_ref)
                after = group[-1].loan_ref
            if after != page[-1].loan_ref:
                await self._applying.vanished([], before=after, after=page[-1].loan_ref)
                after = page[-1].loan_ref


def _origin(database: Database, released: Released, file: TapeFile) -> Origin:
    contract = released.contract
    given: dict[str, Any] = {
        "tenant": database.settings.tenant,
        "file_id": file.file_id,
        "business_date": file.business_date,
        "watermark": file.watermark,
        "number": None if contract.order == "row" else file.position_number,
        "learned_at": database.clock.real_now(),
    }
    if isinstance(contract, PeopleContract):
        return PeopleOrigin(contract=contract, **given)
    return LoanOrigin(contract=contract, **given)


async def _ahead(items: Iterator[T]) -> AsyncIterator[T]:
    """The items, each made in a thread while the one before it is at work."""

    def following() -> T | None:
        return next(items, None)

    coming = asyncio.create_task(asyncio.to_thread(following))
    try:
        while (item := await coming) is not None:
            coming = asyncio.create_task(asyncio.to_thread(following))
            yield item
    finally:
        coming.cancel()


async def _one_ahead(items: AsyncGenerator[T]) -> AsyncGenerator[T]:
    """The items, each made while the one before it is at work."""
    coming = asyncio.ensure_future(anext(items, None))
    try:
        while (item := await coming) is not None:
            coming = asyncio.ensure_future(anext(items, None))
            yield item
    finally:
        coming.cancel()
        await asyncio.gather(coming, return_exceptions=True)
        await items.aclose()


async def _count_vanished(uow: UnitOfWork, feed: str, loans: LoanSet) -> int:
    count, after = 0, ""
    while page := await tape_loans.overdue_after(uow, feed, after):
        here = loans.holds(loan_hashes([one.loan_ref.encode() for one in page]))
        count += int((~here).sum())
        after = page[-1].loan_ref
    return count


def _before(file: TapeFile) -> Before:
    return Before(
        business_date=file.business_date,
        sequence=file.sequence,
        sha256=file.sha256,
        rows=file.total_rows,
        overdue_rows=file.overdue_rows,
        sums={currency: (Decimal(balance), Decimal(overdue)) for currency, balance, overdue in file.totals},
    )


def _new_file(
    manifest: Manifest, released: Released, found: Survey, repair: Repairing | None, objections: Sequence[Objection]
) -> TapeFile:
    """A repair speaks as of the file that it mends."""
    as_of = None if repair is None else repair.original
    return TapeFile(
        file_id=manifest.file_id,
        feed=manifest.feed,
        core=released.contract.core,
        business_date=manifest.business_date,
        sequence=manifest.sequence,
        sha256=manifest.sha256,
        repairs=None if as_of is None else as_of.file_id,
        contract_version=released.contract.version,
        contract_sha256=released.sha256,
        approved_by=released.approvers,
        watermark=manifest.extracted_at if as_of is None else as_of.watermark,
        position_number=manifest.position_number(released.contract) if as_of is None else as_of.position_number,
        state="refused" if objections else "loading",
        total_rows=found.rows,
        overdue_rows=found.overdue_rows,
        totals=tuple((code, str(balance), str(overdue)) for code, (balance, overdue) in sorted(found.sums.items())),
        nameless_rows=found.nameless_rows,
        reasons=in_words(objections),
    )
