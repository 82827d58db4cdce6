"""The SQL of causes and of what is owed because of them. A person is here only as a digest under our key."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from services.compliance.domain.duties import OwedToCauses
from services.compliance.domain.duty_causes import Answer, Cause, CauseKind, Owed
from shared.database import UnitOfWork

_KEEP_CAUSES = """
INSERT INTO duty_cause (tenant, cause_id, kind, person_key, places, caused_at, reference, said, by_whom, recorded_at,
                        recorded_real, leaf_id)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT DO NOTHING
"""
_KEEP_OWED = """
INSERT INTO duty_owed (tenant, cause_id, rule, due_at)
SELECT $1, o.cause_id, o.rule, o.due_at
FROM unnest($2::uuid[], $3::text[], $4::timestamptz[]) AS o(cause_id, rule, due_at)
ORDER BY o.cause_id, o.rule ON CONFLICT DO NOTHING
"""
_CAUSES: Final = """
SELECT c.cause_id, c.kind, c.places, c.caused_at, c.reference, c.said, c.by_whom, c.person_key, c.recorded_at,
       array_agg(o.rule ORDER BY o.rule) AS rules, array_agg(o.due_at ORDER BY o.rule) AS dues,
       array_agg(o.outcome ORDER BY o.rule) AS outcomes, array_agg(o.answered_at ORDER BY o.rule) AS answered,
       array_agg(o.reference ORDER BY o.rule) AS answers, array_agg(o.by_whom ORDER BY o.rule) AS answerers
FROM duty_cause c LEFT JOIN duty_owed o USING (tenant, cause_id)
WHERE c.tenant = $1 AND {where} GROUP BY c.tenant, c.cause_id ORDER BY c.recorded_at, c.cause_id {limit}
"""
_FIND = _CAUSES.format(where="c.cause_id = ANY($2::uuid[])", limit="")
_OF_PERSONS = _CAUSES.format(
    where="c.person_key = ANY($2::bytea[]) AND c.kind = ANY($3::text[]) AND EXISTS (SELECT FROM duty_owed w "
    "WHERE w.tenant = $1 AND w.cause_id = c.cause_id AND w.answered_at IS NULL)",
    limit="",
)
_LIST = _CAUSES.format(
    where="($2::timestamptz IS NULL OR (c.recorded_at, c.cause_id) > ($2, $3::uuid)) AND (NOT $5::bool "
    "OR c.cause_id IN (SELECT w.cause_id FROM duty_owed w WHERE w.tenant = $1 AND w.answered_at IS NULL))",
    limit="LIMIT $4",
)
_WAITING = """
SELECT rule, count(*) AS waiting, count(*) FILTER (WHERE due_at <= $2) AS late, min(due_at) AS due_at
FROM duty_owed WHERE tenant = $1 AND answered_at IS NULL GROUP BY rule ORDER BY rule
"""
_ANSWER = """
UPDATE duty_owed SET outcome = $4, answered_at = $5, reference = $6, by_whom = $7, leaf_id = $8
WHERE tenant = $1 AND cause_id = $2 AND rule = $3 AND answered_at IS NULL
"""


_FORGET: Final = "SELECT party_id, forgotten FROM forget_duty_causes($1, $2::uuid[], $3::timestamptz[])"


@dataclass(frozen=True, slots=True)
class KeptCause:
    """A cause as it is kept: when it was recorded, and the digest of whom it is about (None: of nobody)."""

    cause: Cause
    recorded_at: datetime
    person_key: bytes | None


async def keep(uow: UnitOfWork, causes: Sequence[tuple[Cause, bytes | None, UUID]]) -> None:
    """Keep new causes, each with its person's digest and its leaf, and what is owed because of them."""
    rows = [
        (
            uow.tenant, one.cause_id, one.kind, person_key, list(one.places), one.caused_at, one.reference,
            json.dumps(dict(one.said)), one.by_whom, uow.now, uow.real_now, leaf_id,
        )
        for one, person_key, leaf_id in causes
    ]  # fmt: skip
    await uow.sql.executemany(_KEEP_CAUSES, rows)
    owed = [(one.cause_id, each.rule, each.due_at) for one, _, _ in causes for each in one.owed]
    await uow.sql.execute(
        _KEEP_OWED, uow.tenant, [one for one, _, _ in owed], [rule for _, rule, _ in owed], [due for _, _, due in owed]
    )


async def find(uow: UnitOfWork, cause_ids: Collection[UUID]) -> dict[UUID, KeptCause]:
    """The causes of these ids that are known."""
    rows = await uow.sql.fetch(_FIND, uow.tenant, sorted(cause_ids))
    return {row["cause_id"]: _kept(row) for row in rows}


async def open_of(uow: UnitOfWork, person_keys: Collection[bytes], kinds: Sequence[CauseKind]) -> list[KeptCause]:
    """The causes of these kinds and people because of which something is still owed."""
    if not person_keys:
        return []
    return [_kept(row) for row in await uow.sql.fetch(_OF_PERSONS, uow.tenant, sorted(person_keys), list(kinds))]


async def list_causes(
    uow: UnitOfWork, *, only_open: bool, after: tuple[datetime, UUID] | None, limit: int
) -> list[KeptCause]:
    """Causes in the order in which they were recorded."""
    since, last = (None, None) if after is None else after
    rows = await uow.sql.fetch(_LIST, uow.tenant, since, last, limit, only_open)
    return [_kept(row) for row in rows]


async def load_waiting(uow: UnitOfWork) -> list[OwedToCauses]:
    """Of each rule what is open and late by now (business time)."""
    return [OwedToCauses(**row) for row in await uow.sql.fetch(_WAITING, uow.tenant, uow.now)]


async def answer(uow: UnitOfWork, answers: Sequence[tuple[UUID, Answer, UUID]]) -> None:
    """Keep answers, each with its leaf; what was answered before stays."""
    await uow.sql.executemany(
        _ANSWER,
        [
            (uow.tenant, cause_id, one.rule, one.outcome, one.answered_at, one.reference, one.by_whom, leaf_id)
            for cause_id, one, leaf_id in answers
        ],
    )


async def forget(uow: UnitOfWork, until: Mapping[UUID, datetime]) -> dict[UUID, int]:
    """Delete what was owed because of each party and was answered by that time; how much there was. The leaves stay.

    What is still owed stays. The parties are locked.
    """
    parties = sorted(until)
    rows = await uow.sql.fetch(_FORGET, uow.tenant, parties, [until[one] for one in parties])
    return {row["party_id"]: row["forgotten"] for row in rows}


def _kept(row: Any) -> KeptCause:
    owed = zip(
        row["rules"], row["dues"], row["outcomes"], row["answered"], row["answers"], row["answerers"], strict=True
    )
    cause = Cause(
        cause_id=row["cause_id"], kind=row["kind"], places=tuple(row["places"]), caused_at=row["caused_at"],
        reference=row["reference"], by_whom=row["by_whom"], said=row["said"],
        owed=tuple(
            Owed(rule=rule, due_at=due, outcome=outcome, answered_at=at, reference=reference, by_whom=by_whom)
            for rule, due, outcome, at, reference, by_whom in owed
            if rule is not None
        ),
    )  # fmt: skip
    return KeptCause(cause, row["recorded_at"], row["person_key"])
