"""The SQL behind the figures."""

from __future__ import annotations

from dataclasses import dataclass

from services.compliance.schemas.reading import RecallTimes
from shared.database import UnitOfWork

_PERMITS = "SELECT state, count(*) AS n FROM permit WHERE tenant = $1 GROUP BY state"
_DECISIONS = "SELECT answer, count(*) AS n FROM decision WHERE tenant = $1 AND NOT dry_run GROUP BY answer"
_REFUSED = """
SELECT rule, count(*) AS n FROM decision CROSS JOIN unnest(refused_by) AS rule
WHERE tenant = $1 AND NOT dry_run GROUP BY rule ORDER BY n DESC, rule
"""
_VERDICTS = "SELECT verdict, count(*) AS n FROM contact_audit WHERE tenant = $1 GROUP BY verdict"
_BROKEN = """
SELECT rule, count(*) AS n FROM finding_version WHERE tenant = $1 AND version = 1 GROUP BY rule ORDER BY n DESC, rule
"""
_HOLDS = """
SELECT kind, count(*) AS n FROM hold
WHERE tenant = $1 AND ended_at IS NULL AND (valid_to IS NULL OR valid_to > $2) GROUP BY kind
"""
_STOPPED = """
SELECT count(DISTINCT party_id) FROM hold
WHERE tenant = $1 AND ended_at IS NULL AND (valid_to IS NULL OR valid_to > $2)
"""
_RECALLS = """
SELECT count(*) AS n, percentile_disc(array[0.5, 0.95, 0.99]) WITHIN GROUP (
    ORDER BY round(extract(epoch FROM revoked_real - fact_arrived_real) * 1000)::bigint) AS ms
FROM revocation WHERE tenant = $1
"""
_CHECKPOINTS = "SELECT count(*) FROM log_checkpoint"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What the summary counts."""

    permits: dict[str, int]
    decisions: dict[str, int]
    refused_by: dict[str, int]
    verdicts: dict[str, int]
    broken: dict[str, int]
    holds: dict[str, int]
    parties_stopped: int
    recalls: RecallTimes
    checkpoints: int


async def load_figures(uow: UnitOfWork) -> Figures:
    """Count everything."""
    recalls = await uow.sql.fetchrow(_RECALLS, uow.tenant)
    p50, p95, p99 = recalls["ms"] or (None, None, None)
    return Figures(
        permits=await _counts(uow, _PERMITS, "state"),
        decisions=await _counts(uow, _DECISIONS, "answer"),
        refused_by=await _counts(uow, _REFUSED, "rule"),
        verdicts=await _counts(uow, _VERDICTS, "verdict"),
        broken=await _counts(uow, _BROKEN, "rule"),
        holds={row["kind"]: row["n"] for row in await uow.sql.fetch(_HOLDS, uow.tenant, uow.now)},
        parties_stopped=await uow.sql.fetchval(_STOPPED, uow.tenant, uow.now),
        recalls=RecallTimes(count=recalls["n"], p50_ms=p50, p95_ms=p95, p99_ms=p99),
        checkpoints=await uow.sql.fetchval(_CHECKPOINTS),
    )


async def _counts(uow: UnitOfWork, statement: str, name: str) -> dict[str, int]:
    return {row[name]: row["n"] for row in await uow.sql.fetch(statement, uow.tenant)}
