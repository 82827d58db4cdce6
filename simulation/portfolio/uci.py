"""Reader of the UCI file "default of credit card clients" (Yeh & Lien 2009, CC BY 4.0) and of any CSV of its form.

Columns: ID; X1 limit; X7..X11 status of August..April; X13..X17 bill of August..April; X19..X23 payment made in
August..April; all whole TWD. Sex, education, marriage, age, and everything of September are not read: September's
statuses are coded differently (2 -> 0 happens in 21-27 % of all earlier months and never there).
"""

from __future__ import annotations

import csv
import hashlib
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Final

from simulation.portfolio.accounts import Account

_LIMIT: Final = "X1"
_STATUSES: Final = ("X11", "X10", "X9", "X8", "X7")
_BILLS: Final = ("X17", "X16", "X15", "X14", "X13")
_PAYMENTS: Final = ("X23", "X22", "X21", "X20", "X19")
_STATUS_RANGE: Final = range(-2, 9)
_MAX_AMOUNT: Final = 10**10


class PortfolioError(ValueError):
    """The file does not have the documented form; the message names line and column."""


def read_accounts(path: Path) -> list[Account]:
    """Every account of the file, in its order. Raises PortfolioError, OSError."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = csv.DictReader(file)
        missing = [
            name for name in ("ID", _LIMIT, *_STATUSES, *_BILLS, *_PAYMENTS) if name not in (rows.fieldnames or [])
        ]
        if missing:
            raise PortfolioError(f"{path.name}: missing columns {', '.join(missing)}")
        accounts = [_account(row, line=rows.line_num) for row in rows]
    numbers = {account.number for account in accounts}
    if not accounts or len(numbers) != len(accounts):
        raise PortfolioError(f"{path.name}: no rows, or an ID twice")
    return accounts


def sha256_of(path: Path) -> str:
    """Hex SHA-256 of the file's bytes."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _account(row: dict[str, str], *, line: int) -> Account:
    account = Account(
        number=_integer(row, "ID", line),
        limit=_integer(row, _LIMIT, line),
        statuses=tuple(_integer(row, name, line) for name in _STATUSES),
        bills=tuple(_integer(row, name, line) for name in _BILLS),
        payments=tuple(_integer(row, name, line) for name in _PAYMENTS),
    )
    if account.limit <= 0 or account.number <= 0:
        raise PortfolioError(f"line {line}: ID and X1 must be positive")
    if any(status not in _STATUS_RANGE for status in account.statuses):
        raise PortfolioError(f"line {line}: a status lies outside -2..8")
    if any(payment < 0 for payment in account.payments):
        raise PortfolioError(f"line {line}: a payment is negative")
    return account


def _integer(row: dict[str, str], name: str, line: int) -> int:
    text = (row.get(name) or "").strip()
    try:
        value = Decimal(text)  # a spreadsheet wrote some limits of the file as 5.00E+05
    except InvalidOperation as error:
        raise PortfolioError(f"line {line}, column {name}: not a number") from error
    if not value.is_finite() or abs(value) > _MAX_AMOUNT or value != value.to_integral_value():
        raise PortfolioError(f"line {line}, column {name}: not a whole amount within ±{_MAX_AMOUNT}")
    return int(value)
