"""The fact behind a change, as far as what follows from it needs to know."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from msgspec import Struct

from shared.events.case import CureCause
from shared.events.stop import StopCause
from shared.ids import derived_id

_REFERENCE: Final = re.compile(r"[A-Za-z0-9._:-]{1,64}")
_CURE_CAUSES: Final[Mapping[str, CureCause]] = {
    "loan.payment_received": "payment",
    "loan.credit_posted": "credit",
    "loan.charge_waived": "waiver",
    "loan.charge_reversed": "charge_reversed",
    "loan.rescheduled": "restructure",
    "loan.reaged": "reage",
    "loan.corrected": "correction",
    "loan.obligor_changed": "correction",
    "case.demand_revoked": "correction",
    "party.unmerged": "correction",
}
# Money announces itself (`conclusion`), and a new statement of an overdue loan only repeats what was announced.
_LOWERING: Final[Mapping[str, StopCause]] = {
    "loan.due_items_changed": "due_changed",
    "loan.charge_waived": "waiver",
    "loan.charge_reversed": "charge_reversed",
    "loan.rescheduled": "restructure",
    "loan.reaged": "reage",
    "loan.corrected": "correction",
    "loan.obligor_changed": "correction",
    "case.demand_revoked": "correction",
    "party.unmerged": "correction",
}


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
        return _CURE_CAUSES.get(self.type, "correction" if self.is_correction else "core_statement")

    @property
    def reference(self) -> str:
        """The fact's id where it can stand as a reference; of an id in other characters, what is derived from it."""
        return self.event_id if _REFERENCE.fullmatch(self.event_id) else derived_id("fact", self.event_id).hex

    @property
    def lowers_by(self) -> StopCause | None:
        """What recalls planned contact when the fact has lowered what is overdue; None: another event says so."""
        return _LOWERING.get(self.type)
