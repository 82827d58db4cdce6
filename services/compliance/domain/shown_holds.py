"""Which holds a reader is shown: collections see that contact stops and what a person needs, never why.

A complaint's hold they do not see at all (ADR 0094). Others' moratoria are shown to nobody as those of the others.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from uuid import UUID

from services.compliance.domain.holds import COMPLAINT_SOURCE, Hold, HoldKind
from services.compliance.domain.moratoria import as_reaching

WITHHELD: Final = "withheld"
# Their source, or their very kind, says more of a person's health or life than what is needed from us.
_PRIVATE: Final[dict[HoldKind, HoldKind]] = {
    "vulnerability": "vulnerability", "mental_health_crisis": "breathing_space", "minor": "minor",
    "debt_advice": "debt_advice",
}  # fmt: skip
COMPLAINED: Final[frozenset[HoldKind]] = frozenset({"complaint", "ombudsman"})


@dataclass(frozen=True, slots=True)
class ShownHold:
    """A hold as a reader sees it. `through`: it reaches the person through this debt, which others share."""

    hold: Hold
    through: UUID | None = None

    @property
    def place(self) -> tuple[datetime, UUID]:
        """Its place in the list: when it was recorded (real time), and its id."""
        return self.hold.recorded_real, self.hold.hold_id


def is_complaint(hold: Hold) -> bool:
    """Whether it tells that the person complained."""
    return hold.kind in COMPLAINED or hold.source_ref.startswith(COMPLAINT_SOURCE)


def reaching_holds(holds: Iterable[Hold]) -> list[ShownHold]:
    """Others' moratoria as they reach the person, each under an id and a source that name nobody."""
    return [ShownHold(as_reaching(one), through=UUID(one.scope_key)) for one in holds]


def without_reasons(hold: Hold) -> Hold:
    """The hold as other services hear of it: of some kinds neither the source nor a diagnosis in its name."""
    public = _PRIVATE.get(hold.kind)
    return hold if public is None else replace(hold, kind=public, source_ref=f"hold:{hold.hold_id}")


def to_collections(shown: ShownHold) -> ShownHold | None:
    """What collections are shown of it; None: nothing."""
    if is_complaint(shown.hold):
        return None
    public = _PRIVATE.get(shown.hold.kind)
    if public is None:
        return shown
    source = shown.hold.source_ref if shown.through is not None else WITHHELD
    return replace(shown, hold=replace(shown.hold, kind=public, source_ref=source, review_by=None, end_asked_by=None))
