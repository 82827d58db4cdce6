"""The SQL of the daily sample: seeds, draws, what was drawn and how it was judged; only ever appended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final, Literal
from uuid import UUID

import asyncpg

from services.compliance.domain.samples import Sample, SampleKind, SampleVerdict, sample_id_of, span_of
from shared.database import UnitOfWork

_SEEDS = "SELECT day, seed FROM sample_seed WHERE tenant = $1 AND day = ANY($2::date[])"
_ADD_SEED = """
INSERT INTO sample_seed (tenant, day, seed, committed_at, committed_real, leaf_id) VALUES ($1, $2, $3, $4, $5, $6)
"""
_LAST_DRAWN = "SELECT max(day) FROM sample_draw WHERE tenant = $1"
_FIRST_SEED = "SELECT min(day) FROM sample_seed WHERE tenant = $1"
_ADD_DRAW = """
INSERT INTO sample_draw (tenant, day, decisions, overrides, drawn_real, leaf_id) VALUES ($1, $2, $3, $4, $5, $6)
"""
_DECISIONS = """
FROM decision WHERE tenant = $1 AND answer = 'allow' AND NOT dry_run AND decided_at >= $2 AND decided_at < $3
"""
_OVERRIDES = """
FROM given_override WHERE tenant = $1 AND by_role = 'supervisor' AND recorded_at >= $2 AND recorded_at < $3
"""
_SUBJECTS: Final[dict[SampleKind, tuple[str, str]]] = {
    "decision": ("decision_id", _DECISIONS),
    "override": ("override_id", _OVERRIDES),
}
_ADD = """
INSERT INTO sample (tenant, sample_id, day, kind, subject_id, party_id)
SELECT $1, s.sample_id, $2, s.kind, s.subject_id, s.party_id
FROM unnest($3::uuid[], $4::text[], $5::uuid[], $6::uuid[]) AS s(sample_id, kind, subject_id, party_id)
"""
_JUDGE = """
INSERT INTO sample_judgement
  (tenant, sample_id, verdict, by_whom, finding_id, sealed_reason, judged_at, judged_real, leaf_id)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
"""
_FIND = """
SELECT s.*, j.verdict, j.by_whom, j.finding_id, j.judged_at
FROM sample s LEFT JOIN sample_judgement j USING (tenant, sample_id) WHERE s.tenant = $1 AND s.sample_id = $2
"""
_LIST = """
SELECT s.*, j.verdict, j.by_whom, j.finding_id, j.judged_at
FROM sample s LEFT JOIN sample_judgement j USING (tenant, sample_id)
WHERE s.tenant = $1 AND ($2::date IS NULL OR (s.day, s.sample_id) > ($2, $3::uuid))
  AND ($4::date IS NULL OR s.day = $4) AND ($5::text IS NULL OR s.kind = $5)
  AND ($6::bool IS NULL OR (j.verdict IS NOT NULL) = $6)
ORDER BY s.day, s.sample_id LIMIT $7
"""
_WAITING = """
SELECT count(*) FROM sample s
WHERE tenant = $1 AND day < $2 AND NOT EXISTS (
    SELECT FROM sample_judgement j WHERE j.tenant = s.tenant AND j.sample_id = s.sample_id)
"""

SampleState = Literal["open", "judged"]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptSample:
    """A sample and its judgement, when it has one."""

    sample: Sample
    verdict: SampleVerdict | None
    by_whom: str | None
    finding_id: UUID | None
    judged_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleFilter:
    """Which samples a list shows. None: any."""

    day: date | None = None
    kind: SampleKind | None = None
    state: SampleState | None = None

    @property
    def list_name(self) -> str:
        """Names the list, so that a cursor of another filter is refused."""
        return f"samples|{self.day or ''}|{self.kind or ''}|{self.state or ''}"


async def load_seeds(uow: UnitOfWork, days: Sequence[date]) -> dict[date, bytes]:
    """The seeds of these days that were committed."""
    return {row["day"]: bytes(row["seed"]) for row in await uow.sql.fetch(_SEEDS, uow.tenant, list(days))}


async def insert_seed(uow: UnitOfWork, day: date, seed: bytes, *, leaf_id: UUID) -> None:
    """Keep a day's seed, committed now by that leaf."""
    await uow.sql.execute(_ADD_SEED, uow.tenant, day, seed, uow.now, uow.real_now, leaf_id)


async def load_last_drawn(uow: UnitOfWork) -> date | None:
    """The last day that was drawn."""
    day: date | None = await uow.sql.fetchval(_LAST_DRAWN, uow.tenant)
    return day


async def load_first_day(uow: UnitOfWork) -> date | None:
    """The first day that has a seed."""
    day: date | None = await uow.sql.fetchval(_FIRST_SEED, uow.tenant)
    return day


async def count_population(uow: UnitOfWork, kind: SampleKind, day: date) -> int:
    """How many decisions were allowed, or overrides given, on that day."""
    _, source = _SUBJECTS[kind]
    return int(await uow.sql.fetchval(f"SELECT count(*) {source}", uow.tenant, *span_of(day)))


async def draw(uow: UnitOfWork, kind: SampleKind, day: date, seed: bytes, *, size: int) -> list[Sample]:
    """The sample in its order, as `domain.samples.draw` draws it."""
    column, source = _SUBJECTS[kind]
    statement = f"SELECT party_id, {column} AS subject_id {source} ORDER BY sha256($4 || uuid_send({column})) LIMIT $5"
    rows = await uow.sql.fetch(statement, uow.tenant, *span_of(day), seed, size)
    return [
        Sample(
            sample_id=sample_id_of(kind, row["subject_id"]),
            day=day,
            kind=kind,
            subject_id=row["subject_id"],
            party_id=row["party_id"],
        )
        for row in rows
    ]


async def insert_draw(
    uow: UnitOfWork, day: date, samples: Sequence[Sample], *, decisions: int, overrides: int, leaf_id: UUID
) -> None:
    """Keep what was drawn of so many."""
    await uow.sql.execute(_ADD_DRAW, uow.tenant, day, decisions, overrides, uow.real_now, leaf_id)
    await uow.sql.execute(
        _ADD,
        uow.tenant,
        day,
        [one.sample_id for one in samples],
        [one.kind for one in samples],
        [one.subject_id for one in samples],
        [one.party_id for one in samples],
    )


async def insert_judgement(
    uow: UnitOfWork, sample_id: UUID, verdict: SampleVerdict, *, by_whom: str, finding_id: UUID | None,
    sealed_reason: bytes, leaf_id: UUID,
) -> None:  # fmt: skip
    """Keep the judgement."""
    await uow.sql.execute(
        _JUDGE, uow.tenant, sample_id, verdict, by_whom, finding_id, sealed_reason, uow.now, uow.real_now, leaf_id
    )


async def find_sample(uow: UnitOfWork, sample_id: UUID) -> KeptSample | None:
    """The sample of that id."""
    row = await uow.sql.fetchrow(_FIND, uow.tenant, sample_id)
    return None if row is None else _kept(row)


async def list_samples(
    uow: UnitOfWork, which: SampleFilter, *, after: tuple[date, UUID] | None, limit: int
) -> list[KeptSample]:
    """Samples by day, after (day, id)."""
    since, last = after if after is not None else (None, None)
    judged = None if which.state is None else which.state == "judged"
    rows = await uow.sql.fetch(_LIST, uow.tenant, since, last, which.day, which.kind, judged, limit)
    return [_kept(row) for row in rows]


async def count_waiting(uow: UnitOfWork, *, before: date) -> int:
    """How many samples of days before that one nobody judged."""
    return int(await uow.sql.fetchval(_WAITING, uow.tenant, before))


def _kept(row: asyncpg.Record) -> KeptSample:
    return KeptSample(
        sample=Sample(
            sample_id=row["sample_id"],
            day=row["day"],
            kind=row["kind"],
            subject_id=row["subject_id"],
            party_id=row["party_id"],
        ),
        verdict=row["verdict"],
        by_whom=row["by_whom"],
        finding_id=row["finding_id"],
        judged_at=row["judged_at"],
    )
