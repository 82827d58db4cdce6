"""Files read in groups of rows, each with our ids of what it names."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

from services.intake.cutover.manifest import CutoverFile, CutoverManifest, FileKind
from services.intake.cutover.rows import Ids, Rejection, Row, read_rows
from services.intake.cutover.services import AT_ONCE, Services
from services.intake.tapes.contract import Contract
from services.intake.tapes.sheets import read_sheets
from services.intake.tapes.understanding import understand
from shared.ids import draw_shard, entity_id


class Group(NamedTuple):
    """Rows that go to a service together, and how many rows were read so far."""

    rows: Sequence[Row]
    rejected: Sequence[Rejection]
    ids: Ids
    read: int


@dataclass
class Reader:
    """Reads the files of one cut-over. `reserve`: people get ids; else somebody unknown gets one for the moment."""

    folder: Path
    manifest: CutoverManifest
    services: Services
    reserve: bool

    async def groups(self, kind: FileKind) -> AsyncIterator[Group]:
        """The file of that kind, in order. Raises CutoverError."""
        file = self.manifest.of_kind(kind)
        read = 0
        for page in _pages(self.folder, file):
            read += len(page)
            rows = [one for one in page if isinstance(one, Row)]
            rejected = [one for one in page if isinstance(one, Rejection)]
            yield Group(rows, rejected, await self._ids(rows), read)

    async def people_of_tape(self, contract: Contract) -> AsyncIterator[list[str]]:
        """Everybody whom the tape binds, as the core names them, sheet by sheet. Raises UnreadableTapeError."""
        slots = [slot for slot in contract.slots() if slot.rpartition(".")[2] == "party_ref"]
        for sheet in read_sheets(self.folder / self.manifest.loans.file, contract):
            understood = understand(sheet, contract, self.manifest.business_date)
            named = {
                understood.named(slot, row)
                for slot in slots
                for row in range(understood.sheet.count)
                if row not in understood.refused
            }
            yield sorted(one for one in named if one)

    async def ids_of(self, party_refs: Sequence[str]) -> list[UUID]:
        """Our ids of these people."""
        found: list[UUID] = []
        for first in range(0, len(party_refs), AT_ONCE):
            page = party_refs[first : first + AT_ONCE]
            found += (await self.services.ids(self.manifest.core, page, reserve=self.reserve)).parties.values()
        return found

    async def _ids(self, rows: Sequence[Row]) -> Ids:
        people = {one.party_ref for one in rows if one.party_ref is not None}
        loans = {one.loan_ref for one in rows if one.loan_ref is not None}
        if not people and not loans:
            return Ids({}, {})
        ids = await self.services.ids(self.manifest.core, people, loans, reserve=self.reserve)
        strangers = people - ids.parties.keys()
        parties = {**ids.parties, **{one: entity_id(draw_shard()) for one in strangers}}
        return Ids(parties, ids.debts, ids.one_person)


def _pages(folder: Path, file: CutoverFile) -> Iterator[Sequence[Row | Rejection]]:
    rows = read_rows(folder, file)
    while page := list(islice(rows, AT_ONCE)):
        yield page
