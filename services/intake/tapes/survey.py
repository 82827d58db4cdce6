"""The first reading of a tape: counted, added up and understood whole, before any row has an effect."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from services.intake.tapes.columns import numbers_of
from services.intake.tapes.contract import PARTS, AnyContract, Contract
from services.intake.tapes.lines import UnreadableTapeError
from services.intake.tapes.manifest import MAX_ROWS
from services.intake.tapes.people_contract import PeopleContract
from services.intake.tapes.reading import understood as read
from services.intake.tapes.sheets import Sheet, read_sheets
from services.intake.tapes.understanding import Refusal, Understood, sums
from shared.money import EXPONENTS

Tell = Callable[[str, int, int], None]
"""Told of progress: what is done, how much of it, of how much."""

_HASH_BYTES: Final = 1024 * 1024


def unheard(_what: str, _done: int, _total: int) -> None:
    """Nobody is told."""


class LoanSet:
    """Loans by the 64-bit hash that this process gives to their references: eight bytes each, however long they are.

    The hash is keyed anew in each process, so nobody can choose references that collide; by chance two among five
    million do so once in a million files.
    """

    def __init__(self, hashes: np.ndarray) -> None:
        """Takes the array over, and sorts it where it is."""
        hashes.sort()
        self._sorted = hashes

    @classmethod
    def of(cls, loan_refs: list[str]) -> LoanSet:
        """The set of these references."""
        return cls(loan_hashes([reference.encode() for reference in loan_refs]))

    def __len__(self) -> int:
        return len(self._sorted)

    def holds(self, hashes: np.ndarray) -> np.ndarray:
        """Which of the hashes are in the set."""
        if not len(self._sorted):
            return np.zeros(len(hashes), bool)
        places = np.minimum(np.searchsorted(self._sorted, hashes), len(self._sorted) - 1)
        found: np.ndarray = self._sorted[places] == hashes
        return found

    def repeated(self) -> LoanSet:
        """Those that are in it more than once."""
        return LoanSet(self._sorted[1:][self._sorted[1:] == self._sorted[:-1]])


class _Hashes:
    """Room for as many hashes as the manifest promises, and more where there are more."""

    def __init__(self, expected: int) -> None:
        self._room = np.empty(max(min(expected, MAX_ROWS), 1), np.int64)
        self._count = 0

    def add(self, hashes: np.ndarray) -> None:
        end = self._count + len(hashes)
        if end > len(self._room):
            self._room = np.concatenate([self._room[: self._count], np.empty(max(end, 2 * self._count), np.int64)])
        self._room[self._count : end] = hashes
        self._count = end

    def loans(self) -> LoanSet:
        return LoanSet(self._room[: self._count])


def loan_hashes(loan_refs: list[bytes]) -> np.ndarray:
    """The hash of each reference."""
    return np.fromiter(map(hash, loan_refs), np.int64, len(loan_refs))


@dataclass
class Survey:
    """What a tape holds. Sums are in major units, by currency: balance, and unpaid rest of due items.

    Of people they are counts, by place: in how many rows it is filled, and 0.
    """

    sha256: str
    rows: int = 0
    overdue_rows: int = 0
    nameless_rows: int = 0
    uncounted_rows: int = 0
    sums: dict[str, tuple[Decimal, Decimal]] = field(default_factory=dict)
    refused: Counter[Refusal] = field(default_factory=Counter)
    loans: LoanSet = field(default_factory=lambda: LoanSet(np.zeros(0, np.int64)))
    repeated: LoanSet = field(default_factory=lambda: LoanSet(np.zeros(0, np.int64)))

    @property
    def refused_rows(self) -> int:
        """Rows that will not be taken, each counted once."""
        return sum(self.refused.values())


def survey(
    path: Path, contract: AnyContract, business_date: date, tell: Tell = unheard, *, expected: int = 0
) -> Survey:
    """Read the file whole. Raises UnreadableTapeError."""
    found = Survey(content_hash(path))
    hashes = _Hashes(expected)
    for sheet in read_sheets(path, contract):
        understood = read(sheet, contract, business_date)
        found.rows += sheet.count
        if found.rows > MAX_ROWS:
            raise UnreadableTapeError(f"more than {MAX_ROWS} rows")
        hashes.add(_named(sheet, understood, contract))
        _count(found, understood, contract)
        tell("Checking", found.rows, max(expected, found.rows))
    found.loans = hashes.loans()
    found.repeated = found.loans.repeated()
    return found


def content_hash(path: Path) -> str:
    """SHA-256 of the file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_HASH_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def _named(sheet: Sheet, understood: Understood, contract: AnyContract) -> np.ndarray:
    hashes = loan_hashes(sheet.columns[contract.subject].to_pylist())
    return np.delete(hashes, list(understood.nameless)) if understood.nameless else hashes


def _count(found: Survey, understood: Understood, contract: AnyContract) -> None:
    found.nameless_rows += len(understood.nameless)
    found.refused.update(understood.refused.values())
    if isinstance(contract, PeopleContract):
        _count_filled(found, understood.sheet)
    else:
        _add_money(found, understood, contract)


def _count_filled(found: Survey, sheet: Sheet) -> None:
    """As written, whether or not the row can be taken: so the bank will have counted."""
    for slot in sheet.columns:
        if slot.rpartition(".")[2] in ("name", "born_on", "value"):
            lengths = numbers_of(pc.binary_length(sheet.columns[slot]), np.int32)
            _add(found, slot, Decimal(int((lengths > 0).sum())), Decimal())


def _add_money(found: Survey, understood: Understood, contract: Contract) -> None:
    counted = np.ones(understood.sheet.count, bool)
    counted[list(understood.uncounted)] = False
    found.overdue_rows += int(((understood.overdue_minor > 0) & counted).sum())
    currencies = understood.texts["currency"]
    for code in {code for code in currencies.values if code}:
        rows = currencies.mask(code.__eq__) & counted
        balance, overdue = sums(understood.minor["balance"][rows]), sums(understood.overdue_minor[rows])
        exponent = EXPONENTS[code]
        _add(found, code, Decimal(balance).scaleb(-exponent), Decimal(overdue).scaleb(-exponent))
    for row in understood.uncounted:
        written = _as_written(understood, row, contract)
        if written is None:
            found.uncounted_rows += 1
        else:
            _add(found, *written)


def _add(found: Survey, name: str, first: Decimal, second: Decimal) -> None:
    before = found.sums.get(name, (Decimal(), Decimal()))
    found.sums[name] = before[0] + first, before[1] + second


def _as_written(understood: Understood, row: int, contract: Contract) -> tuple[str, Decimal, Decimal] | None:
    """The sums that the bank will have made of a row with a negative, inexact or absurd amount; None: unreadable."""
    if row in understood.sheet.broken or not (currency := understood.texts["currency"].at(row)):
        return None
    form, columns = contract.amounts, understood.sheet.columns
    decimals = {"major": 0, "minor": EXPONENTS[currency], "implied": form.implied_decimals}[form.unit]

    def read(slot: str) -> Decimal:
        column: pa.Array | None = columns.get(slot)
        text = "" if column is None else column[row].as_py().decode("ascii")
        text = text.replace(form.group, "") if form.group else text
        return Decimal(text.replace(form.decimal, ".") or 0).scaleb(-decimals)

    try:
        overdue = Decimal()
        for number in range(len(contract.due_item)):
            *owed, paid = (read(f"due_item.{number}.{part}") for part in PARTS)
            overdue += max(sum(owed, Decimal()) - paid, Decimal())
        return currency, read("balance"), overdue
    except (UnicodeDecodeError, InvalidOperation):
        return None
