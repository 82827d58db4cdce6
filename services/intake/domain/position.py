"""Where a fact stands among those of its loan, and who is bound by a loan: what every part of a book is made of."""

from __future__ import annotations

from datetime import date
from typing import NamedTuple
from uuid import UUID


class Position(NamedTuple):
    """Where a fact stands in the one total order of a loan: business date, then the core's sequence, then its content.

    The digest of the canonical state only decides between two different statements under one number (a fault of the
    core): any order of arrival ends with the same one.
    """

    business_date: date
    core_sequence: int
    digest: str = ""


class Bound(NamedTuple):
    """Somebody bound by a loan, under our id."""

    party_id: UUID
    role: str
    liability: str
