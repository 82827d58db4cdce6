"""The SQL of choices that were made, with what each looked at: append-only, deleted with the person."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple
from uuid import UUID

import asyncpg
import msgspec

from services.intake.strategy.decision import Choice
from services.intake.strategy.seen import MadeChoice, Seen
from shared.database import UnitOfWork
from shared.database.columns import joined

_seen = msgspec.json.Decoder(Seen).decode
_COLUMNS: Final = "party_id, seen_on, seen, facts_to, action, reasons, rule, next_on, strategy_sha256, arm"
_NEWEST: Final = f"""
SELECT n.* FROM unnest($2::uuid[]) AS k(party_id), LATERAL (
    SELECT {_COLUMNS} FROM choice_made c WHERE c.tenant = $1 AND c.party_id = k.party_id
    ORDER BY c.choice_id DESC LIMIT 1
) AS n
"""  # noqa: S608 - own text
_ALL: Final = f"""
SELECT {_COLUMNS} FROM choice_made WHERE tenant = $1 AND party_id = ANY($2::uuid[]) ORDER BY party_id, choice_id
"""  # noqa: S608 - own text
_ADD: Final = """
INSERT INTO choice_made (tenant, party_id, case_id, seen_on, seen, facts_to, action, reasons, rule, next_on,
                         strategy_sha256, arm, chosen_at)
SELECT $1, party_id, case_id, seen_on, seen, facts_to, action, reasons::text[], rule, nullif(next_on, '-')::date,
       sha256, arm, $13
FROM unnest(string_to_array($2, chr(31))::uuid[], string_to_array($3, chr(31))::uuid[],
            string_to_array($4, chr(31))::date[], string_to_array($5, chr(31)),
            string_to_array($6, chr(31))::bigint[], string_to_array($7, chr(31)), string_to_array($8, chr(31)),
            string_to_array($9, chr(31)), string_to_array($10, chr(31)), string_to_array($11, chr(31)),
            string_to_array($12, chr(31)))
  AS n(party_id, case_id, seen_on, seen, facts_to, action, reasons, rule, next_on, sha256, arm)
"""


class NewChoice(NamedTuple):
    """A choice to be kept."""

    party_id: UUID
    case_id: UUID
    made: MadeChoice


async def newest(uow: UnitOfWork, party_ids: Iterable[UUID]) -> dict[UUID, MadeChoice]:
    """The last choice that was kept of each party."""
    rows = await uow.sql.fetch(_NEWEST, uow.tenant, sorted(set(party_ids)))
    return {row["party_id"]: _made(row) for row in rows}


async def all_of(uow: UnitOfWork, party_ids: Iterable[UUID]) -> dict[UUID, list[MadeChoice]]:
    """Every choice that was kept, in order, by party."""
    found: dict[UUID, list[MadeChoice]] = {}
    for row in await uow.sql.fetch(_ALL, uow.tenant, sorted(set(party_ids))):
        found.setdefault(row["party_id"], []).append(_made(row))
    return found


async def add(uow: UnitOfWork, new: Sequence[NewChoice]) -> None:
    """Keep choices, in order of party."""
    if not new:
        return
    made = [one.made for one in new]
    await uow.sql.execute(
        _ADD,
        uow.tenant,
        joined(one.party_id.hex for one in new),
        joined(one.case_id.hex for one in new),
        joined(one.on for one in made),
        joined(msgspec.json.encode(one.seen).decode() for one in made),
        joined(one.facts_to for one in made),
        joined(one.choice.action for one in made),
        joined(f"{{{','.join(one.choice.reasons)}}}" for one in made),
        joined(one.choice.rule for one in made),
        joined("-" if one.choice.next_on is None else one.choice.next_on for one in made),
        joined(one.strategy_sha256 for one in made),
        joined(one.arm for one in made),
        uow.now,
    )


def _made(row: asyncpg.Record) -> MadeChoice:
    choice = Choice(row["action"], tuple(row["reasons"]), row["rule"], row["next_on"])
    return MadeChoice(row["seen_on"], _seen(row["seen"]), row["facts_to"], choice, row["strategy_sha256"], row["arm"])
