"""What the rows of a sheet say, as the contract reads them: exact values per row, or the field that spoils the row."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, ClassVar, Final, Literal, get_args

import numpy as np
import pyarrow as pa

from services.intake.tapes.agreement import Agreement, Source
from services.intake.tapes.columns import (
    Categories,
    Refusals,
    ValueRefusedError,
    amounts,
    categories,
    date_reader,
    references,
    whole_numbers,
)
from services.intake.tapes.contract import PARTS, Contract
from services.intake.tapes.sheets import Sheet
from shared.events.loan import DueItem, LoanOverdue, Obligor
from shared.money import EXPONENTS

_LONGEST_AGE_DAYS: Final = 40_000
_LONGEST_TEXT: Final = 200
NO_DATE: Final = date.max
_EVEN: Final = 10**9
Operation = Literal["put", "remove"]


def allowed_words(model: type[Any], name: str) -> frozenset[str]:
    """The words that a field of a fact can hold."""
    annotation = model.model_fields[name].annotation
    inner = get_args(annotation)
    return frozenset(inner if all(isinstance(one, str) for one in inner) else get_args(inner[0]))


_WORDS: Final[dict[str, frozenset[str]]] = {
    "currency": frozenset(EXPONENTS),
    "product_class": allowed_words(LoanOverdue, "product_class"),
    "flag": allowed_words(LoanOverdue, "flags") | {""},
    "operation": frozenset(get_args(Operation)),
    "kind": allowed_words(DueItem, "kind"),
    "role": allowed_words(Obligor, "role") | {""},
    "liability": allowed_words(Obligor, "liability") | {""},
}
_WRONG_WORD: Final = {"currency": "unknown_currency"}


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a row is not taken. `field` is the contract's name of the place, or `row` where the line cannot be split."""

    field: str
    reason: str


@dataclass(frozen=True)
class Understood:
    """The rows of a sheet. Values of refused rows mean nothing."""

    sheet: Sheet
    refused: dict[int, Refusal]
    texts: dict[str, Categories[str]]
    dates: dict[str, Categories[date]]
    minor: dict[str, np.ndarray]
    numbers: dict[str, np.ndarray]
    overdue_minor: np.ndarray
    """Unpaid rest over all due items."""
    uncounted: set[int]
    """Rows whose currency or amounts could not be taken."""
    nameless: set[int]
    """Rows of which it is not known which loan they are about."""
    _references: dict[str, list[bytes]] = field(default_factory=dict, repr=False)

    @property
    def fit(self) -> np.ndarray:
        """Which rows can be taken."""
        mask = np.ones(self.sheet.count, bool)
        mask[list(self.refused)] = False
        return mask

    def text(self, slot: str, row: int) -> str:
        """A text of a row."""
        return self.texts[slot].at(row) or ""

    def number(self, slot: str, row: int) -> int | None:
        """A whole number of a row; None where there is none, or the file has no such place."""
        found = int(self.numbers[slot][row]) if slot in self.numbers else -1
        return None if found < 0 else found

    def day(self, slot: str, row: int) -> date | None:
        """A date of a row; None where there is none, or the file has no such place."""
        found = self.dates[slot].at(row) if slot in self.dates else None
        return None if found is NO_DATE else found

    def reference(self, slot: str, row: int) -> str:
        """A reference of a row that was not refused."""
        if (values := self._references.get(slot)) is None:
            values = self._references[slot] = self.sheet.columns[slot].to_pylist()
        return values[row].decode()

    def named(self, slot: str, row: int) -> str | None:
        """A reference of any row; None where it is none."""
        raw = self.sheet.columns[slot].slice(row, 1)
        return None if references(raw) else self.reference(slot, row)


def understand(sheet: Sheet, contract: Contract, business_date: date) -> Understood:
    """Read every place of every row. A row is refused by the first field, in the contract's order, that fails."""
    return _LoanReading(sheet, contract, business_date).read()


class Reading:
    """One sheet on its way from bytes to values, place by place. What a row is about is the heirs' matter."""

    longest_age_days: ClassVar[Mapping[str, int]]
    """The dates, and how long before the file's business date each can lie."""
    optional_dates: ClassVar[frozenset[str]]
    words: ClassVar[Mapping[str, frozenset[str]]]
    """Places that hold a word of a closed list."""

    def __init__(self, sheet: Sheet, contract: Agreement, business_date: date) -> None:
        self._sheet = sheet
        self._agreed = contract
        self._business_date = business_date
        self._slots = contract.slots()
        self._refused: dict[int, Refusal] = {row: Refusal("row", reason) for row, reason in sheet.broken.items()}
        self._found: dict[str, Refusals] = {}
        self._texts: dict[str, Categories[str]] = {}
        self._dates: dict[str, Categories[date]] = {}
        self._minor: dict[str, np.ndarray] = {}
        self._numbers: dict[str, np.ndarray] = {}

    def read(self) -> Understood:
        """The rows."""
        for slot, source in self._slots.items():
            self._found[slot] = self._read_slot(slot, source)
        overdue_minor = self.completed()
        uncounted = set(self._sheet.broken) | set(self._found.get("currency", ()))
        for slot in self._slots:
            if slot in self._minor:
                uncounted.update(self._found[slot])
            for row, reason in self._found[slot].items():
                self._refused.setdefault(row, Refusal(slot, reason))
        return Understood(
            sheet=self._sheet,
            refused=self._refused,
            texts=self._texts,
            dates=self._dates,
            minor=self._minor,
            numbers=self._numbers,
            overdue_minor=overdue_minor,
            uncounted=uncounted,
            nameless=set(self._sheet.broken) | set(self._found[self._agreed.subject]),
        )

    def completed(self) -> np.ndarray:
        """What can be seen only over several places of a row; returns the unpaid rest of each row."""
        return _zeros(self._sheet)

    def _read_slot(self, slot: str, source: Source) -> Refusals:
        name = slot.rpartition(".")[2]
        if name in ("loan_ref", "party_ref"):
            return self._references(slot, optional=slot.startswith("obligor."))
        if name in ("core_sequence", "core_dpd"):
            self._numbers[slot], refused = whole_numbers(self._column(slot))
            if name == "core_sequence":
                refused |= {int(row): "missing" for row in np.flatnonzero(self._numbers[slot] < 1)}
            return refused
        if name in self.longest_age_days:
            return self._read_dates(slot, name, source)
        self._texts[slot], refused = self._categories(slot, source, word_reader(name, source, self.words))
        return refused

    def _references(self, slot: str, *, optional: bool) -> Refusals:
        refused = references(self._column(slot))
        return {row: reason for row, reason in refused.items() if not (optional and reason == "missing")}

    def _read_dates(self, slot: str, name: str, source: Source) -> Refusals:
        read, latest = date_reader(self._agreed.dates), self._business_date
        longest_days = self.longest_age_days[name]

        def checked(text: str) -> date:
            found = read(text)
            if found is NO_DATE:
                if name not in self.optional_dates:
                    raise ValueRefusedError("missing")
                return found
            if found > latest:
                raise ValueRefusedError("future_date")
            if name == "business_date" and found < latest:
                raise ValueRefusedError("older_business_date")
            if (latest - found).days > longest_days:
                raise ValueRefusedError("absurd_date")
            return found

        self._dates[slot], refused = self._categories(slot, source, checked)
        return refused

    def _column(self, slot: str) -> pa.Array:
        source = self._slots[slot]
        if source.value is None:
            return self._sheet.columns[slot]
        return pa.array([source.value.encode()] * self._sheet.count, pa.binary())

    def _categories(self, slot: str, source: Source, convert: Callable[[str], Any]) -> tuple[Categories[Any], Refusals]:
        if source.value is not None:
            try:
                value, refused = convert(source.value), {}
            except ValueRefusedError as error:
                value, refused = None, dict.fromkeys(range(self._sheet.count), error.reason)
            return Categories(np.zeros(self._sheet.count, np.int32), [value]), refused
        return categories(self._sheet.columns[slot], self._sheet.encoding, convert)

    def _is_empty(self, slot: str) -> np.ndarray:
        column = self._column(slot)
        ends = np.frombuffer(column.buffers()[1], np.int32)[column.offset : column.offset + len(column) + 1]
        empty: np.ndarray = np.diff(ends) == 0
        return empty


class _LoanReading(Reading):
    longest_age_days: ClassVar[Mapping[str, int]] = dict.fromkeys(
        ("due_date", "originated_on", "business_date", "core_oldest_due_date"), _LONGEST_AGE_DAYS
    )
    optional_dates: ClassVar[frozenset[str]] = frozenset({"due_date", "core_oldest_due_date"})
    words: ClassVar[Mapping[str, frozenset[str]]] = _WORDS

    def __init__(self, sheet: Sheet, contract: Contract, business_date: date) -> None:
        super().__init__(sheet, contract, business_date)
        self._loans = contract

    def completed(self) -> np.ndarray:
        rests = self._read_items()
        self._check_obligors()
        self._forgive_removals()
        return rests

    def _read_slot(self, slot: str, source: Source) -> Refusals:
        name = slot.rpartition(".")[2]
        if name not in ("balance", *PARTS):
            return super()._read_slot(slot, source)
        self._minor[slot], refused = amounts(self._column(slot), self._loans.amounts, self._exponents())
        if name == "balance":
            refused |= {int(row): "missing" for row in np.flatnonzero(self._is_empty(slot))}
        return refused

    def _read_items(self) -> np.ndarray:
        """The unpaid rest over all due items; an amount without a date is refused."""
        rests = _zeros(self._sheet)
        for number in range(len(self._loans.due_item)):
            prefix = f"due_item.{number}."
            owed = sum((self._minor.get(prefix + part, 0) for part in PARTS[:-1]), _zeros(self._sheet))
            rest = np.maximum(owed - self._minor.get(prefix + "paid", 0), 0)
            dated = self._dates[prefix + "due_date"].mask(lambda day: day is not NO_DATE)
            for row in np.flatnonzero((owed > 0) & ~dated):
                self._found[prefix + "due_date"].setdefault(int(row), "missing")
            rests = rests + rest
        return rests

    def _check_obligors(self) -> None:
        """Somebody who is named is bound in some capacity."""
        for number in range(len(self._loans.obligor)):
            prefix = f"obligor.{number}."
            named = ~self._is_empty(prefix + "party_ref")
            for slot in (prefix + "role", prefix + "liability"):
                for row in np.flatnonzero(named & self._texts[slot].mask(lambda text: not text)):
                    self._found[slot].setdefault(int(row), "missing")

    def _forgive_removals(self) -> None:
        """A delta that takes a loan away need not say anything else of it."""
        if "operation" not in self._texts:
            return
        removed = set(np.flatnonzero(self._texts["operation"].mask("remove".__eq__)))
        for slot in set(self._found) - {"loan_ref", "operation", "business_date", "core_sequence"}:
            self._found[slot] = {row: why for row, why in self._found[slot].items() if row not in removed}

    def _exponents(self) -> np.ndarray:
        """Decimals of each row's currency. The currency stands before every amount in the contract's order."""
        currency = self._texts["currency"]
        decimals = np.array([EXPONENTS.get(code or "", 2) for code in currency.values] or [2], np.int64)
        return decimals[currency.indices] if len(currency.values) else _zeros(self._sheet)


def word_reader(name: str, source: Source, listed: Mapping[str, frozenset[str]]) -> Callable[[str], str]:
    """Reads one text of a place: a word of `listed`, or free text. The function raises ValueRefusedError."""
    words = listed.get(name)

    def read(text: str) -> str:
        if source.codes and source.value is None:
            if text not in source.codes:
                raise ValueRefusedError(_WRONG_WORD.get(name, "unknown_code"))
            text = source.codes[text]
        if words is not None:
            if text not in words:
                raise ValueRefusedError(_WRONG_WORD.get(name, "unknown_code"))
            return text
        if not text:
            raise ValueRefusedError("missing")
        if len(text) > _LONGEST_TEXT:
            raise ValueRefusedError("too_long")
        if name == "jurisdiction" and not is_place(text):
            raise ValueRefusedError("not_a_place")
        return text

    return read


def is_place(text: str) -> bool:
    """Whether a text is a place of ISO 3166."""
    country, _, part = text.partition("-")
    if not (len(country) == 2 and country.isascii() and country.isalpha() and country.isupper()):
        return False
    return "-" not in text or (1 <= len(part) <= 3 and part.isascii() and part.isalnum() and part == part.upper())


def _zeros(sheet: Sheet) -> np.ndarray:
    return np.zeros(sheet.count, np.int64)


def sums(values: np.ndarray) -> int:
    """The exact sum, which may be larger than 64 bits hold."""
    return int((values // _EVEN).sum()) * _EVEN + int((values % _EVEN).sum())
