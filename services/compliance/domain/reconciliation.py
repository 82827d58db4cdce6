"""Reconciliation: what a service says it published in an hour against what compliance has taken over of it."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from services.compliance.domain.audit import Finding
from services.compliance.domain.findings import FindingVersion
from shared.ids import derived_id
from shared.messaging.digests import time_of

HOUR: Final = timedelta(hours=1)
# What is decided in an hour is published and read shortly after it; a feeder that stands still is waited for a while.
SETTLED_AFTER: Final = timedelta(minutes=10)
WAITED_FOR: Final = timedelta(hours=2)
# How far back a stream is compared that never was.
FIRST_LOOK_BACK: Final = timedelta(hours=6)
RECONCILIATION_RULES: Final[dict[str, str]] = {
    "RECONCILE-DIFFERENCE": "Doorstep: what a service published and what compliance took over are the same events",
    "RECONCILE-STRAY": "Doorstep: every event that compliance takes over names its publisher and its moment",
}
_IDS_SHOWN: Final = 10


@dataclass(frozen=True, slots=True, order=True)
class Stream:
    """What one service publishes on one topic."""

    service: str
    topic: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedHour:
    """An hour of a stream: counts of both sides; of a difference the ids, those beyond the first hundreds left out.

    `missing` were published and not taken over (a text may add why), `extra` were taken over and not published.
    """

    stream: Stream
    hour: datetime
    published: int
    applied: int
    differs: bool = False
    missing: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()


def last_settled(real_now: datetime, watermark: datetime | None) -> datetime:
    """Up to when hours are compared: all that was decided before is published (`watermark`), or was waited for."""
    waited = real_now - WAITED_FOR
    settled = waited if watermark is None else max(waited, min(watermark, real_now - SETTLED_AFTER))
    return hour_of(settled)


def hour_of(moment: datetime) -> datetime:
    """The beginning of its hour, in UTC."""
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def difference_id(stream: Stream, hour: datetime) -> UUID:
    """The finding of an hour's difference; there is one per stream and hour."""
    return derived_id("finding", "reconciliation", stream.service, stream.topic, hour.astimezone(UTC).isoformat())


def difference_found(compared: ComparedHour) -> FindingVersion | None:
    """The finding of an hour on which the two sides differ; None when they agree."""
    if not compared.differs:
        return None
    counts = f"{compared.published} published, {compared.applied} taken over"
    ids = f"missing {_shown(compared.missing)}; extra {_shown(compared.extra)}"
    return _finding(
        "RECONCILE-DIFFERENCE",
        difference_id(compared.stream, compared.hour),
        compared.stream,
        f"topic {compared.stream.topic}, hour {_hour_text(compared.hour)}: {counts}; {ids}",
    )


def strays_found(stream: Stream, hour: datetime, ids: Collection[str]) -> FindingVersion:
    """The finding of events that no service can have published then: of no known publisher, or without a moment."""
    return _finding(
        "RECONCILE-STRAY",
        derived_id("finding", "reconciliation-stray", stream.service, stream.topic, hour.isoformat()),
        stream,
        f"topic {stream.topic}, read in hour {_hour_text(hour)}: {len(ids)} that nobody can have published: "
        f"{_shown(sorted(map(_safe, ids)))}",
    )


def _finding(rule: str, finding_id: UUID, stream: Stream, detail: str) -> FindingVersion:
    return FindingVersion(
        finding_id=finding_id,
        version=1,
        finding=Finding(rule, RECONCILIATION_RULES[rule], "high", detail),
        subject=f"service:{stream.service}",
    )


def _hour_text(hour: datetime) -> str:
    return hour.astimezone(UTC).strftime("%Y-%m-%dT%HZ")


def _shown(ids: Sequence[str]) -> str:
    if not ids:
        return "none"
    more = f" and {len(ids) - _IDS_SHOWN} more" if len(ids) > _IDS_SHOWN else ""
    return ", ".join(ids[:_IDS_SHOWN]) + more


def _safe(event_id: str) -> str:
    """An id is whatever its sender wrote, and findings hold nothing personal: what is no id is shown by its digest."""
    if time_of(event_id) is not None:
        return event_id
    return f"sha256:{hashlib.sha256(event_id.encode()).hexdigest()[:16]}"
