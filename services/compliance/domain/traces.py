"""Traces: what sources that collectors do not control know of contacts. One that nobody reported is a finding.

A trace is no contact: it counts in no budget and is judged by no rule. It only asks for the report of a contact.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal, get_args
from uuid import UUID

from services.compliance.domain.audit import Finding
from services.compliance.domain.findings import FindingVersion
from shared.events.contact import Channel
from shared.ids import derived_id

TraceKind = Literal[
    "carrier_calls", "gateway_receipts", "print_manifest", "device_track", "door_code", "someone_came"
]  # fmt: skip
TRACE_KINDS: Final[frozenset[TraceKind]] = frozenset(get_args(TraceKind))
# A report comes with the night's run of the system that made the contact.
REPORT_WITHIN: Final = timedelta(hours=26)
UNREPORTED: Final = "CONTACT-UNREPORTED"
_CITATION: Final = "Doorstep: a contact that another source knows of is reported by whoever made it"


@dataclass(frozen=True, slots=True)
class TraceRule:
    """What a kind of source sees: of which channels, how near in time a report must be, whether each trace is one
    contact (a call record is; a door code may be looked up twice at one visit).
    """

    channels: frozenset[Channel]
    tolerance: timedelta
    each_is_one: bool


RULES: Final[dict[TraceKind, TraceRule]] = {
    "carrier_calls": TraceRule(frozenset({"call"}), timedelta(minutes=5), each_is_one=True),
    "gateway_receipts": TraceRule(frozenset({"sms", "email"}), timedelta(hours=1), each_is_one=True),
    # The manifest names the day of the print run; the post takes letters over in the days after.
    "print_manifest": TraceRule(frozenset({"letter"}), timedelta(days=3), each_is_one=True),
    "device_track": TraceRule(frozenset({"visit"}), timedelta(minutes=15), each_is_one=False),
    "door_code": TraceRule(frozenset({"visit"}), timedelta(minutes=30), each_is_one=False),
    # A customer remembers the day.
    "someone_came": TraceRule(frozenset({"visit"}), timedelta(hours=24), each_is_one=False),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """One trace of a contact with a party. `seen_at`: business time at which the source saw it begin."""

    trace_id: UUID
    party_id: UUID
    source: str
    kind: TraceKind
    channel: Channel
    seen_at: datetime

    @property
    def due_at(self) -> datetime:
        """Business time by which its contact must have been reported."""
        return self.seen_at + REPORT_WITHIN


@dataclass(frozen=True, slots=True)
class Reported:
    """A contact as far as traces ask of it."""

    contact_id: UUID
    channel: str
    started_at: datetime
    ended_at: datetime


def trace_id_of(tenant: str, source: str, record_id: str) -> UUID:
    """The same record is the same trace, however often it is sent."""
    return derived_id("trace", tenant, source, record_id)


def unreported(traces: Iterable[Trace], contacts: Sequence[Reported]) -> set[UUID]:
    """The traces of one party that no contact explains, whatever order they and the contacts were told in."""
    groups: dict[tuple[str, Channel], list[Trace]] = defaultdict(list)
    for trace in traces:
        groups[trace.source, trace.channel].append(trace)
    return {one for (_, channel), group in groups.items() for one in _unexplained(group, channel, contacts)}


def _unexplained(group: Sequence[Trace], channel: Channel, contacts: Sequence[Reported]) -> Iterable[UUID]:
    """Earliest trace first, each takes the contact that fits it and ends first: no other choice explains more."""
    free = sorted((one for one in contacts if one.channel == channel), key=lambda one: (one.ended_at, one.contact_id))
    for trace in sorted(group, key=lambda one: (one.seen_at, one.trace_id)):
        rule = RULES[trace.kind]
        fitting = next((one for one in free if _fits(trace, one, rule.tolerance)), None)
        if fitting is None:
            yield trace.trace_id
        elif rule.each_is_one:
            free.remove(fitting)


def _fits(trace: Trace, contact: Reported, tolerance: timedelta) -> bool:
    return contact.started_at - tolerance <= trace.seen_at <= contact.ended_at + tolerance


def unreported_id(trace: Trace) -> UUID:
    """The finding of a trace that nobody's report explains."""
    return derived_id("finding", "contact-unreported", str(trace.trace_id))


def unreported_found(trace: Trace) -> FindingVersion:
    """The finding of a contact that was made, says the trace, and not reported."""
    hours = int(REPORT_WITHIN.total_seconds() // 3600)
    detail = f"{trace.kind} ({trace.source}) shows a {trace.channel}; none was reported within {hours} hours"
    return FindingVersion(
        finding_id=unreported_id(trace),
        version=1,
        finding=Finding(UNREPORTED, _CITATION, "high", detail),
        party_id=trace.party_id,
    )
