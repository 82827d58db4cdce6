"""Repairs: a file that names the refused rows it replaces. They count as of the watermark of the file they were in."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from services.intake.store import tape_files
from services.intake.store.tape_files import TapeFile
from services.intake.tapes.agreement import Agreement
from services.intake.tapes.manifest import Manifest
from services.intake.tapes.sheets import read_sheets
from services.intake.tapes.verdict import Objection
from shared.database import UnitOfWork


@dataclass(frozen=True, slots=True)
class Repairing:
    """The file that is mended, and which of its rows each row of the repair stands for."""

    original: TapeFile
    rows: tuple[int, ...]
    is_newest: bool
    """Whether no later file has said something of the same loans: only then are these rows the loans' last ones."""

    def original_row(self, number: int) -> int:
        """The row that row `number` of the repair file replaces."""
        return self.rows[number - 1]


async def repairing(uow: UnitOfWork, manifest: Manifest) -> Repairing | None:
    """What a file repairs; None when it repairs nothing, or a file that was never loaded."""
    if manifest.repairs is None:
        return None
    original = await tape_files.loaded_by_hash(uow, manifest.feed, manifest.repairs.sha256)
    last = await tape_files.last_loaded(uow, manifest.feed)
    if original is None or last is None:
        return None
    return Repairing(original, manifest.repairs.rows, last.sequence == original.sequence)


async def objections_to(
    uow: UnitOfWork, manifest: Manifest, repair: Repairing | None, *, subject: str
) -> list[Objection]:  # fmt: skip
    """Why a repair must not be loaded, as far as its manifest shows."""
    if repair is None:
        return [Objection("unknown_original", "the manifest repairs a file that was not loaded")]
    if len(set(repair.rows)) != len(repair.rows) or len(repair.rows) != manifest.rows:
        return [Objection("rows_differ", "each row of a repair replaces one row, each another")]
    original = repair.original
    if (manifest.business_date, manifest.sequence) != (original.business_date, original.sequence):
        return [Objection("other_original", "a repair has the business date and the sequence of the file it mends")]
    waiting = await tape_files.open_rejections(uow, original, repair.rows, subject=subject)
    closed = [row for row in repair.rows if row not in waiting]
    if closed:
        return [Objection("row_not_open", f"rows {closed[:10]} of the file were not refused, or are repaired already")]
    return []


def others(path: Path, contract: Agreement, repair: Repairing, waiting: dict[int, str | None]) -> list[Objection]:
    """A row can only be replaced by one about the same. `waiting`: the loans or people that the refused rows name."""
    found = []
    for sheet in read_sheets(path, contract):
        for number, raw in zip(sheet.numbers, sheet.columns[contract.subject].to_pylist(), strict=True):
            row = repair.original_row(int(number)) if number <= len(repair.rows) else None
            known = None if row is None else waiting[row]
            if known is not None and known.encode() != raw:
                found.append(row)
    about = "loan" if contract.subject == "loan_ref" else "person"
    return [Objection(f"other_{about}", f"rows {found[:10]} were about another {about}")] if found else []
