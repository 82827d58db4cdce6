"""Columns of raw text to exact values. What cannot be read exactly is refused by a reason, never repaired."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final, Generic, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from services.intake.tapes.agreement import Amounts, Dates
from shared.money import MAX_AMOUNT_MINOR

T = TypeVar("T")
Refusals = dict[int, str]
"""Reasons by row; a row that is not named is well."""

MICROS: Final = 1_000_000
_EXACT_DIGITS: Final = 6
_MAJOR: Final = r"^[0-9]{1,12}(\.[0-9]{1,6})?$"
_WHOLE: Final = r"^[0-9]{1,15}$"
_REFERENCE: Final = r"^[A-Za-z0-9._:-]{1,64}$"
_ORDERS: Final = {
    "YYYY-MM-DD": r"(?P<y>\d{4})-(?P<m>\d\d)-(?P<d>\d\d)",
    "YYYYMMDD": r"(?P<y>\d{4})(?P<m>\d\d)(?P<d>\d\d)",
    "YYYY/MM/DD": r"(?P<y>\d{4})/(?P<m>\d\d)/(?P<d>\d\d)",
    "DD/MM/YYYY": r"(?P<d>\d\d)/(?P<m>\d\d)/(?P<y>\d{4})",
    "DD.MM.YYYY": r"(?P<d>\d\d)\.(?P<m>\d\d)\.(?P<y>\d{4})",
    "MM/DD/YYYY": r"(?P<m>\d\d)/(?P<d>\d\d)/(?P<y>\d{4})",
}


class ValueRefusedError(ValueError):
    """A value that cannot be taken; `reason` is a closed code."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Categories(Generic[T]):
    """A column of few different values: the value of row `i` is `values[indices[i]]`; None where it was refused."""

    indices: np.ndarray
    values: Sequence[T | None]

    def at(self, row: int) -> T | None:
        """The value of a row."""
        value: T | None = self.values[self.indices[row]]
        return value

    def mask(self, test: Callable[[T], bool]) -> np.ndarray:
        """Which rows have a value that passes."""
        passing = np.array([value is not None and test(value) for value in self.values], bool)
        return passing[self.indices] if len(passing) else np.zeros(len(self.indices), bool)


def references(column: pa.Array) -> Refusals:
    """Which values are no references of a core."""
    fits = pc.match_substring_regex(column, _REFERENCE)
    return {row: _no_reference(column[row].as_py()) for row in _false(fits)}


def categories(column: pa.Array, encoding: str, convert: Callable[[str], T]) -> tuple[Categories[T], Refusals]:
    """Each different value converted once. `convert` raises ValueRefusedError."""
    encoded = column.dictionary_encode()
    values: list[T | None] = []
    reasons: dict[int, str] = {}
    for place, raw in enumerate(encoded.dictionary.to_pylist()):
        try:
            values.append(convert(text_of(raw, encoding)))
        except ValueRefusedError as error:
            values.append(None)
            reasons[place] = error.reason
    indices = numbers_of(encoded.indices, np.int32)
    if not reasons:
        return Categories(indices, values), {}
    rows = np.flatnonzero(np.isin(indices, list(reasons)))
    return Categories(indices, values), {int(row): reasons[int(indices[row])] for row in rows}


def text_of(raw: bytes, encoding: str) -> str:
    """The text. Raises ValueRefusedError for bytes that are none, and for NUL."""
    if b"\x00" in raw:
        raise ValueRefusedError("nul_byte")
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError as error:
        raise ValueRefusedError("wrong_encoding") from error


def date_reader(form: Dates) -> Callable[[str], date]:
    """Reads one date of that form; `date.max` stands for none. The function raises ValueRefusedError."""
    pattern, nothing = re.compile(_ORDERS[form.form], re.ASCII), frozenset(form.none)

    def read(text: str) -> date:
        if text in nothing:
            return date.max
        found = pattern.fullmatch(text)
        if found is None:
            raise ValueRefusedError("not_a_date")
        try:
            return date(int(found["y"]), int(found["m"]), int(found["d"]))
        except ValueError as error:
            raise ValueRefusedError("not_a_date") from error

    return read


def amounts(column: pa.Array, form: Amounts, exponents: np.ndarray) -> tuple[np.ndarray, Refusals]:
    """Whole minor units of each row's currency (`exponents`: its decimals); an empty value is 0."""
    if form.group:
        column = pc.replace_substring(column, pattern=form.group.encode(), replacement=b"")
    if form.unit == "major" and form.decimal != ".":
        column = pc.replace_substring(column, pattern=form.decimal.encode(), replacement=b".")
    fits = pc.match_substring_regex(column, _MAJOR if form.unit == "major" else _WHOLE)
    refused: Refusals = {}
    if not pc.all(fits).as_py():
        for row in _false(fits):
            if raw := column[row].as_py():
                refused[row] = _no_amount(raw, form)
        column = pc.if_else(fits, column, b"0")
    numbers = _micros(column) if form.unit == "major" else _whole(column)
    decimals = {"major": _EXACT_DIGITS, "implied": form.implied_decimals}.get(form.unit)
    return _minor(numbers, decimals, form, exponents, refused)


def _minor(
    numbers: np.ndarray, decimals: int | None, form: Amounts, exponents: np.ndarray, refused: Refusals
) -> tuple[np.ndarray, Refusals]:
    """From units of 10^-`decimals` (None: minor units already) to minor units."""
    found = np.zeros(len(numbers), np.int64)
    # Mostly one currency: then these are divisions by one number, a tenth of the price.
    for exponent in np.unique(exponents):
        rows = exponents == exponent
        exact, absurd, inexact = _scaled(numbers[rows], decimals, form.largest, int(exponent))
        found[rows] = exact
        for reason, which in (("absurd_amount", absurd), ("inexact_amount", inexact)):
            if which.any():
                refused |= dict.fromkeys(np.flatnonzero(rows)[which].tolist(), reason)
    return found, refused


def _scaled(
    numbers: np.ndarray, decimals: int | None, largest: int, exponent: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Minor units, and which of them are absurd or inexact (then 0). Numbers below 10^18: no product overflows."""
    unit = exponent if decimals is None else decimals
    absurd = numbers > min(largest * 10**unit, MAX_AMOUNT_MINOR * 10 ** max(unit - exponent, 0))
    divisor, factor = 10 ** max(unit - exponent, 0), 10 ** max(exponent - unit, 0)
    inexact = numbers % divisor != 0 if divisor > 1 else np.zeros(len(numbers), bool)
    minor = np.where(absurd | inexact, 0, numbers) // divisor * factor
    too_large = minor > MAX_AMOUNT_MINOR
    return np.where(too_large, 0, minor), absurd | too_large, inexact & ~absurd


def _micros(column: pa.Array) -> np.ndarray:
    """Decimal text in millionths: the low half of each 128-bit decimal, which twelve digits and six decimals fit."""
    decimals = column.view(pa.string()).cast(pa.decimal128(24, _EXACT_DIGITS))
    halves = np.frombuffer(decimals.buffers()[1], np.int64)
    return halves[2 * decimals.offset : 2 * (decimals.offset + len(decimals)) : 2]


def _whole(column: pa.Array) -> np.ndarray:
    return numbers_of(column.view(pa.string()).cast(pa.int64()), np.int64)


def _no_amount(raw: bytes, form: Amounts) -> str:
    if b"\x00" in raw:
        return "nul_byte"
    whole = form.unit != "major"
    if re.fullmatch(rb"-\s*[0-9]+(\.[0-9]+)?", raw):
        return "negative_amount"
    if re.fullmatch(rb"[0-9]{13,}(\.[0-9]+)?" if not whole else rb"[0-9]{16,}", raw):
        return "absurd_amount"
    if re.fullmatch(rb"[0-9]+\.[0-9]+", raw):
        return "inexact_amount"
    try:
        raw.decode("ascii")
    except UnicodeDecodeError:
        return "wrong_encoding"
    return "not_an_amount"


def whole_numbers(column: pa.Array) -> tuple[np.ndarray, Refusals]:
    """Numbers from 0 to 10^15; -1 where the value is empty or refused."""
    fits = pc.match_substring_regex(column, _WHOLE)
    refused = {row: "not_a_number" for row in _false(fits) if column[row].as_py()}
    numbers = _whole(pc.if_else(fits, column, b"0"))
    return np.where(truths(fits), numbers, -1), refused


def _no_reference(raw: bytes) -> str:
    if not raw:
        return "missing"
    try:
        text_of(raw, "utf-8")
    except ValueRefusedError as error:
        return error.reason
    return "not_a_reference"


def numbers_of(column: pa.Array, kind: type[np.generic]) -> np.ndarray:
    """The values of a column of numbers without nulls. Arrow's own conversion loads a whole library of tables first."""
    return np.frombuffer(column.buffers()[1], kind)[column.offset : column.offset + len(column)]


def truths(column: pa.BooleanArray) -> np.ndarray:
    """The values of a column of truths without nulls."""
    bits = np.frombuffer(column.buffers()[1], np.uint8)
    found: np.ndarray = np.unpackbits(bits, count=column.offset + len(column), bitorder="little").view(bool)
    return found[column.offset :]


def _false(fits: pa.BooleanArray) -> list[int]:
    return [] if pc.all(fits).as_py() else np.flatnonzero(~truths(fits)).tolist()
