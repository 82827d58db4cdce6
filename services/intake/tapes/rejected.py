"""The rejection report: which rows of a file were refused, by which field, and why; to be mended and sent again."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass

from services.intake.store import tape_files
from services.intake.store.tape_files import TapeFile
from services.intake.tapes.applying import place_of
from shared.database import Database
from shared.security.sealing import RecordSealer

_PAGE = 1_000


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """One refused row. `original` is None once it was repaired or its person was erased."""

    number: int
    field: str
    reason: str
    original: str | None
    repaired: bool


async def rejected_rows(
    database: Database, sealer: RecordSealer, file: TapeFile, *, in_clear_for: str | None = None
) -> AsyncIterator[RejectedRow]:
    """The refused rows in order. Originals are masked, or in clear for somebody by name, of which a record is kept."""
    after = 0
    while True:
        async with database.unit_of_work() as uow:
            page = await tape_files.rejections(uow, file, after=after, limit=_PAGE)
            if page and in_clear_for is not None:
                await tape_files.record_reading(uow, file, caller=in_clear_for, rows=len(page))
        for row in page:
            yield RejectedRow(
                number=row["row_number"],
                field=row["field"],
                reason=row["reason"],
                original=_original(sealer, file, row["row_number"], row["original"], masked=in_clear_for is None),
                repaired=row["repaired_by"] is not None,
            )
        if len(page) < _PAGE:
            return
        after = page[-1]["row_number"]


def masked_form(text: str) -> str:
    """Only the form of a text: letters become x, digits 9."""
    return re.sub(r"[^\W\d_]", "x", re.sub(r"\d", "9", text))


def _original(sealer: RecordSealer, file: TapeFile, number: int, sealed: bytes | None, *, masked: bool) -> str | None:
    if sealed is None:
        return None
    text = sealer.open(bytes(sealed), place=place_of(file.file_id, number)).decode("utf-8", "backslashreplace")
    return masked_form(text) if masked else text
