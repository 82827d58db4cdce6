"""Writing and reading scores, their models and their runs."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final, NamedTuple
from uuid import UUID

import msgspec
import numpy as np
from numpy.typing import NDArray

from services.intake.scoring.scorecard import TARGETS, Scored, Target
from services.intake.store.binary_copy import Column, framed, moments, repeated, smallint_arrays, written_rows
from services.intake.store.score_features import Cases, Range
from shared.database import UnitOfWork

_COLUMNS: Final = (
    "tenant", "party_id", "case_id", "as_of", "model_sha256", "segment",
    *(f"{target}_{part}" for target in TARGETS for part in ("points", "probability", "reasons")), "scored_at",
)  # fmt: skip
_CLEAR: Final = """
DELETE FROM score s USING case_file c
WHERE s.tenant = $1 AND s.party_id > $3 AND s.party_id <= $4
  AND c.tenant = $1 AND c.core = $2 AND c.party_id = s.party_id AND c.party_id > $3 AND c.party_id <= $4
"""
_KEEP_MODEL: Final = """
INSERT INTO score_model (tenant, sha256, content, first_used) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING
"""
_KEEP_RUN: Final = """
INSERT INTO score_run (tenant, core, as_of, model_sha256, cases, drift, finished_at)
VALUES ($1, $2, $3, $4, $5, $6::text::jsonb, $7) ON CONFLICT DO NOTHING
"""
_READ: Final = """
SELECT c.case_id, c.status, s.*, m.content FROM case_file c
LEFT JOIN score s ON s.tenant = c.tenant AND s.party_id = c.party_id AND s.case_id = c.case_id
LEFT JOIN score_model m ON m.tenant = s.tenant AND m.sha256 = s.model_sha256
WHERE c.tenant = $1 AND c.case_id = $2
"""


class KeptAnswer(NamedTuple):
    """The stored answer to one question; reasons are numbers within the model's scorecard."""

    points: int
    probability: float
    reasons: tuple[int, ...]


@dataclass(frozen=True)
class KeptScore:
    """The stored score of a case. A question that its segment may not show has no answer."""

    as_of: date
    segment: int
    model: str
    scored_at: datetime
    answers: Mapping[Target, KeptAnswer]


@dataclass(frozen=True)
class ScoredCase:
    """A case with its score, if it has one."""

    is_open: bool
    score: KeptScore | None


async def clear(uow: UnitOfWork, where: Range) -> None:
    """Delete the scores of a range: what is not overdue any more keeps none."""
    await uow.sql.execute(_CLEAR, uow.tenant, where.core, where.after, where.until)


async def add(
    uow: UnitOfWork,
    cases: Cases,
    scored: Mapping[Target, Scored],
    shown: Mapping[Target, NDArray[np.bool_]],
    *,
    sha256: str,
) -> None:
    """Write scores of cases that have none; `shown` tells per question and case whether it may be shown."""
    segments = cases.features.segments()
    parts = []
    for segment in np.unique(segments):
        here = segments == segment
        count = int(here.sum())
        columns: list[Column | None] = [
            repeated(uow.tenant.encode(), count), cases.party_id[here], cases.case_id[here], cases.as_of[here],
            repeated(bytes.fromhex(sha256), count), segments[here].astype(np.int16),
        ]  # fmt: skip
        for target in TARGETS:
            one = scored[target]
            # A segment is shown as a whole or not at all.
            columns += (
                [one.points[here].astype(np.int16), one.probability[here].astype(np.float32),
                 smallint_arrays(one.reasons[here])] if shown[target][here].all() else [None, None, None]
            )  # fmt: skip
        parts.append(written_rows([*columns, moments(uow.now, count)], count))
    await uow.sql.copy_to_table("score", source=io.BytesIO(framed(parts)), columns=_COLUMNS, format="binary")


async def keep_model(uow: UnitOfWork, content: str, *, sha256: str) -> None:
    """Keep the file of a model, once."""
    await uow.sql.execute(_KEEP_MODEL, uow.tenant, bytes.fromhex(sha256), content, uow.now)


async def keep_run(
    uow: UnitOfWork, *, core: str, as_of: date, sha256: str, cases: int, drift: Mapping[str, float]
) -> None:
    """Record a finished scoring."""
    found = msgspec.json.encode(dict(drift)).decode()
    await uow.sql.execute(_KEEP_RUN, uow.tenant, core, as_of, bytes.fromhex(sha256), cases, found, uow.now)


async def read(uow: UnitOfWork, case_id: UUID) -> ScoredCase | None:
    """A case and its score; None: no such case."""
    row = await uow.sql.fetchrow(_READ, uow.tenant, case_id)
    if row is None:
        return None
    is_open = row["status"] == "open"
    if row["segment"] is None:
        return ScoredCase(is_open, None)
    answers = {
        target: KeptAnswer(row[f"{target}_points"], row[f"{target}_probability"], tuple(row[f"{target}_reasons"]))
        for target in TARGETS
        if row[f"{target}_points"] is not None
    }
    return ScoredCase(is_open, KeptScore(row["as_of"], row["segment"], row["content"], row["scored_at"], answers))
