"""The SQL of what stands around all decisions of a moment: feeders, feeds, the log, and whom somebody names apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple, TypeVar
from uuid import UUID

from services.compliance.domain.feeds import TOTAL_WITHIN
from services.compliance.store.feeders import FEEDERS, suspended_of, watermarks_of
from services.compliance.store.feeds import SILENT
from services.compliance.store.log import UNCOVERED
from shared.database import UnitOfWork

K = TypeVar("K")

# One statement: each by itself would be a round trip for every group of decisions, however small.
_SURROUNDINGS: Final = f"""
SELECT f.*, s.*, n.*, ({UNCOVERED}) AS log_waits_since
FROM (
  SELECT array_agg(service) AS services, array_agg(shards) AS shards, array_agg(low_watermark) AS low_watermarks,
         array_agg(suspended_feeds) AS suspended_feeds
  FROM (
    SELECT service, count(*) AS shards, min(low_watermark) AS low_watermark, max(suspended_feeds) AS suspended_feeds
    FROM feeder_watermark WHERE service = ANY($4::text[]) GROUP BY service
  ) AS heard
) AS f, (
  SELECT array_agg(channel) AS channels, array_agg(source) AS sources FROM ({SILENT}) AS silent
) AS s, (
  SELECT array_agg(party_id) AS named, array_agg(service) AS named_by
  FROM (
    SELECT DISTINCT n.party_id, w.service FROM feeder_watermark w CROSS JOIN unnest(w.named_parties) AS n(party_id)
    WHERE n.party_id = ANY($5::uuid[])
    UNION ALL SELECT party_id, 'compliance' FROM parked_party WHERE party_id = ANY($5::uuid[])
  ) AS naming
) AS n
"""  # noqa: S608 - constants


class Surroundings(NamedTuple):
    """What decisions on any person look at. Times are real times.

    `watermarks` by feeder, None: not heard from all partitions. `suspended`: cores that are not believed at the moment,
    each with the cause; a suspension that one partition still tells stands, for the heartbeats that end it are on their
    way. `silent`: feeds that are silent, or close no days, by the channel that they close. `log_waits_since`: when the
    oldest leaf was recorded that no signed head covers; None: all are covered. `named_by`: who names which of the
    people as parked or blocked.
    """

    watermarks: Mapping[str, datetime | None]
    suspended: Mapping[str, str]
    silent: Mapping[str, tuple[str, ...]]
    log_waits_since: datetime | None
    named_by: Mapping[UUID, tuple[str, ...]]


async def load_surroundings(uow: UnitOfWork, party_ids: Sequence[UUID]) -> Surroundings:
    """As they are now. `party_ids`: whom to look for among those that are named apart."""
    row = await uow.sql.fetchrow(_SURROUNDINGS, uow.tenant, uow.real_now, TOTAL_WITHIN, list(FEEDERS), party_ids)
    suspended = (one for text in row["suspended_feeds"] or () for one in suspended_of(text))
    return Surroundings(
        watermarks_of(zip(row["services"] or (), row["shards"] or (), row["low_watermarks"] or (), strict=True)),
        dict(suspended),
        _grouped(row["channels"], row["sources"]),
        row["log_waits_since"],
        _grouped(row["named"], row["named_by"]),
    )


def _grouped(keys: Sequence[K] | None, values: Sequence[str] | None) -> dict[K, tuple[str, ...]]:
    """The values of each key, sorted."""
    found: dict[K, list[str]] = {}
    for key, value in zip(keys or (), values or (), strict=True):
        found.setdefault(key, []).append(value)
    return {key: tuple(sorted(several)) for key, several in found.items()}
