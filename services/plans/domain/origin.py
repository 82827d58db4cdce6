"""Where a plan comes from that was not made here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

Basis = Literal["signed_plan", "promise"]


@dataclass(frozen=True, kw_only=True)
class Imported:
    """Where a plan comes from that another system made. Payments up to `paid_until` are in its schedule already."""

    cutover_id: str
    record_ref: str
    basis: Basis
    document_ref: str | None
    agreed_at: datetime
    paid_until: date
