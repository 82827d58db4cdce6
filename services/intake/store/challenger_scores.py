"""Writing the challenger's scores. Nothing that decides anything reads them."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.intake.scoring.scorecard import TARGETS, Target
from services.intake.store.binary_copy import framed, moments, repeated, written_rows
from services.intake.store.score_features import Cases, Range
from shared.database import UnitOfWork

_COLUMNS: Final = ("tenant", "party_id", "as_of", "model_sha256", *TARGETS, "scored_at")
_CLEAR: Final = """
DELETE FROM challenger_score s USING case_file c
WHERE s.tenant = $1 AND s.party_id > $3 AND s.party_id <= $4
  AND c.tenant = $1 AND c.core = $2 AND c.party_id = s.party_id AND c.party_id > $3 AND c.party_id <= $4
"""


async def replace(
    uow: UnitOfWork, where: Range, cases: Cases, scored: Mapping[Target, NDArray[np.float32]], *, sha256: str
) -> None:
    """The challenger's scores of a range, in the place of those before."""
    await uow.sql.execute(_CLEAR, uow.tenant, where.core, where.after, where.until)
    count = len(cases)
    if not count:
        return
    rows = written_rows(
        [
            repeated(uow.tenant.encode(), count), cases.party_id, cases.as_of,
            repeated(bytes.fromhex(sha256), count), *(scored[target] for target in TARGETS), moments(uow.now, count),
        ],
        count,
    )  # fmt: skip
    await uow.sql.copy_to_table(
        "challenger_score", source=io.BytesIO(framed([rows])), columns=_COLUMNS, format="binary"
    )
