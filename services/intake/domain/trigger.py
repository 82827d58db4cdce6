"""The fact behind a change, as far as what follows from it needs to know."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from msgspec import Struct

CureCause = Literal["payment", "core_statement", "correction"]


class Trigger(Struct, frozen=True):
    """The fact behind a change. `happened_at` is business time, `learned_at` real time (start of the recall clock)."""

    type: str
    event_id: str
    happened_at: datetime
    learned_at: datetime
    is_correction: bool = False
    silent: bool = False
    """Ageing by the calendar: only bucket changes are published."""

    @property
    def cure_cause(self) -> CureCause:
        """What a cure by this fact is put down to."""
        if self.type == "loan.payment_received":
            return "payment"
        return "correction" if self.is_correction else "core_statement"
