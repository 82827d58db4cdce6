"""The sorts of records that compliance keeps of a person; each has a minimum of its own for which it is kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, get_args

from services.compliance.domain.leaves import LeafKind

RecordKind = Literal["contact", "decision", "permit", "evidence", "complaint", "finding", "hold", "fact"]
RECORD_KINDS: Final[tuple[RecordKind, ...]] = get_args(RecordKind)
# What a rule may name: records of the bank beside those above, or all.
Records = RecordKind | Literal["plan_recording", "impact_assessment", "all"]
# The leaves whose commitments are opened by what is kept of each sort. Whatever opens them goes with the sort.
LEAVES_OF: Final[Mapping[RecordKind, tuple[LeafKind, ...]]] = {
    "contact": ("contact",),
    "decision": ("decision",),
    "permit": ("permit_use", "release", "revocation"),
    "evidence": ("override", "override_end", "sample_judgement", "check_in_refused", "card_reading", "duty"),
    "complaint": ("complaint",),
    "finding": ("finding",),
    "hold": ("hold", "hold_end", "hold_end_asked"),
    "fact": ("told",),
}
