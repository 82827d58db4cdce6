"""The first rows of a file as they would be understood. Nothing is written, and no database is asked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from itertools import islice
from pathlib import Path

import numpy as np

from services.intake.tapes.contract import AnyContract
from services.intake.tapes.reading import understood as read
from services.intake.tapes.rejected import masked_form
from services.intake.tapes.sheets import read_sheets
from services.intake.tapes.understanding import Refusal, Understood
from shared.money import Money


@dataclass(frozen=True, slots=True)
class PreviewedRow:
    """One row: what each place says, in our words; `refusal` says why it would not be taken. Of personal data only the
    form is shown.
    """

    number: int
    overdue: bool
    values: dict[str, str]
    refusal: Refusal | None


def preview(path: Path, contract: AnyContract, business_date: date, *, limit: int) -> Iterator[PreviewedRow]:
    """The first `limit` rows. Raises UnreadableTapeError."""
    rows = (
        _row(understood, contract, place)
        for sheet in read_sheets(path, contract)
        for understood in [read(sheet.take(np.arange(min(limit, sheet.count))), contract, business_date)]
        for place in range(understood.sheet.count)
    )
    return islice(rows, limit)


def _row(understood: Understood, contract: AnyContract, place: int) -> PreviewedRow:
    refusal = understood.refused.get(place)
    said = {} if refusal else {slot: _value(understood, slot, place) for slot in contract.slots()}
    values = {
        slot: masked_form(text) if slot.rpartition(".")[2] in contract.personal else text for slot, text in said.items()
    }
    return PreviewedRow(
        number=int(understood.sheet.numbers[place]),
        overdue=refusal is None and bool(understood.overdue_minor[place] > 0),
        values=values,
        refusal=refusal,
    )


def _value(understood: Understood, slot: str, place: int) -> str:
    if slot in understood.minor:
        amount = int(understood.minor[slot][place])
        return str(Money(amount_minor=amount, currency=understood.text("currency", place)))
    if slot in understood.dates:
        day = understood.dates[slot].at(place)
        return "" if day is None or day == date.max else day.isoformat()
    if slot in understood.numbers:
        return str(understood.numbers[slot][place])
    return understood.text(slot, place) if slot in understood.texts else understood.reference(slot, place)
