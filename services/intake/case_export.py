"""Cases as CSV: one row per case and currency, in pieces of bounded work, without personal data.

A piece names up front where the next one begins, so it is whole when its stream ends, and whoever was interrupted goes
on there. All pieces are of one moment, which is held while they are read.
"""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Iterator, Sequence
from decimal import Decimal
from typing import Final
from uuid import UUID

import asyncpg

from services.intake.domain.book import Case
from services.intake.domain.policy import DelinquencyPolicy
from services.intake.held_snapshots import HeldSnapshots
from services.intake.store import books, case_lists
from services.intake.store.case_lists import CaseFilter
from shared.cells import safe_cell
from shared.money import EXPONENTS

CASES_PER_PIECE: Final = 25_000
_CASES_AT_ONCE: Final = 5_000
COLUMNS: Final = (
    "case_id", "party_id", "core", "version", "status", "bucket", "dpd_contractual", "dpd_effective", "currency",
    "overdue", "as_of", "suspended_for", "held", "opened_at",
)  # fmt: skip


async def piece(
    held: HeldSnapshots, moment: str, which: CaseFilter, policy: DelinquencyPolicy, *, after: UUID | None,
    until: UUID | None,
) -> AsyncIterator[bytes]:  # fmt: skip
    """The header line, then the cases that fitted at the held moment, behind `after` up to `until` (None: to the end).

    The moment is let go behind the last piece, and when the first one breaks off: whoever asks for that again gets
    another moment.
    """
    is_whole, last = False, after
    try:
        yield _lines([COLUMNS])
        while not is_whole:
            async with held.reading(moment) as uow:
                rows = await case_lists.rows_until(uow, which, policy, after=last, until=until, limit=_CASES_AT_ONCE)
            if rows:
                yield _lines(cells for row in rows for cells in _cells(row, books.case_of(row)))
                last = rows[-1]["case_id"]
            is_whole = len(rows) < _CASES_AT_ONCE
    finally:
        if (is_whole and until is None) or (not is_whole and after is None):
            held.release(moment)


def _cells(row: asyncpg.Record, case: Case) -> Iterator[Sequence[str]]:
    for currency, overdue in [(name, decimal_text(minor, name)) for name, minor in case.overdue_minor] or [("", "")]:
        cells = (
            str(case.case_id), str(row["party_id"]), row["core"], str(case.version), case.status, case.bucket,
            str(case.days_contractual), str(case.days_effective), currency, overdue, case.as_of.isoformat(),
            " ".join(case.suspended), "yes" if case.held else "no", case.opened_at.isoformat(),
        )  # fmt: skip
        yield [safe_cell(cell) for cell in cells]


def decimal_text(amount_minor: int, currency: str) -> str:
    """An amount with the currency's decimals, and nothing else."""
    exponent = EXPONENTS[currency]
    return f"{Decimal(amount_minor).scaleb(-exponent):.{exponent}f}"


def _lines(rows: Sequence[Sequence[str]] | Iterator[Sequence[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue().encode()
