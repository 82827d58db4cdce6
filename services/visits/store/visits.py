"""Visits and what is committed with each of their steps."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final
from uuid import UUID

from pydantic import TypeAdapter

from services.visits.domain.visit import Alarm, Change, Message, PermitUse, Recall, Visit
from services.visits.store.devices import hold
from shared.database import UnitOfWork

_ROWS: Final = TypeAdapter(list[Visit])
_ROW: Final = TypeAdapter(Visit)
_COLUMNS: Final = tuple(field.name for field in fields(Visit))
_KEY: Final = ("tenant", "party_id", "visit_id")

# One JSON document carries the whole batch, nested arrays included, and PostgreSQL types it by the table's own columns.
_SAVE: Final = f"""
INSERT INTO visit ({", ".join(_COLUMNS)})
SELECT {", ".join(_COLUMNS)} FROM jsonb_populate_recordset(NULL::visit, $1::text::jsonb) ORDER BY party_id, visit_id
ON CONFLICT (tenant, party_id, visit_id) DO UPDATE
SET {", ".join(f"{column} = EXCLUDED.{column}" for column in _COLUMNS if column not in _KEY)}
"""  # noqa: S608  # names come from the code
_OF_PARTIES: Final = """
SELECT to_jsonb(visit)::text AS row FROM visit
WHERE tenant = $1 AND party_id = ANY($2::uuid[]) ORDER BY party_id, visit_id
"""
_BY_IDS: Final = "SELECT to_jsonb(visit)::text AS row FROM visit WHERE tenant = $1 AND visit_id = ANY($2::uuid[])"
_OF_COLLECTOR: Final = """
SELECT to_jsonb(visit)::text AS row FROM visit
WHERE tenant = $1 AND crew @> ARRAY[$2::uuid] AND state IN ('assigned', 'en_route', 'checked_in')
ORDER BY state = 'checked_in' DESC, state = 'en_route' DESC, window_start, visit_id LIMIT 1
"""


@dataclass(frozen=True, slots=True)
class _Table:
    """A table whose columns are the tenant and the fields of a domain record."""

    name: str
    record: type[Any]
    on_conflict: str = "ON CONFLICT DO NOTHING"

    def insert(self) -> str:
        """Set-wise insert of a JSON array."""
        names = ", ".join(("tenant", *(field.name for field in fields(self.record))))
        return (
            f"INSERT INTO {self.name} ({names}) SELECT {names} "  # noqa: S608  # names come from the code
            f"FROM jsonb_populate_recordset(NULL::{self.name}, $1::text::jsonb) {self.on_conflict}"
        )


_MESSAGES: Final = _Table("message_out", Message)
_RECALLS: Final = _Table("recall", Recall)
_ALARMS: Final = _Table("alarm", Alarm)
# A second use of a permit must fail loudly: the party lock makes it impossible, the key proves it.
_USES: Final = _Table("permit_use", PermitUse, on_conflict="")


async def load_visits_of(uow: UnitOfWork, party_ids: Iterable[UUID]) -> dict[UUID, Visit]:
    """All visits of the parties, by visit id."""
    return _visits(await uow.sql.fetch(_OF_PARTIES, uow.tenant, sorted(set(party_ids))))


async def load_visits(uow: UnitOfWork, visit_ids: Iterable[UUID]) -> dict[UUID, Visit]:
    """The visits that exist among `visit_ids`."""
    return _visits(await uow.sql.fetch(_BY_IDS, uow.tenant, sorted(set(visit_ids))))


async def load_visit_of_collector(uow: UnitOfWork, collector_id: UUID) -> Visit | None:
    """The visit that a collector is at, is driving to, or has next; the nearest to a door first."""
    row = await uow.sql.fetchrow(_OF_COLLECTOR, uow.tenant, collector_id)
    return None if row is None else _ROW.validate_json(row["row"])


async def save_changes(uow: UnitOfWork, changes: Sequence[Change]) -> None:
    """Commit steps with everything that they bring: each visit's last state once, events and intents in the steps'
    order.
    """
    last: dict[UUID, Visit] = {}
    for change in changes:
        last[change.visit.visit_id] = change.visit
        for event in change.events:
            uow.emit(event)
        for intent in change.intents:
            uow.intend(intent)
    if last:
        await uow.sql.execute(_SAVE, _ROWS.dump_json(list(last.values())).decode())
    await _insert(uow, _MESSAGES, [change.message for change in changes if change.message])
    await _insert(uow, _RECALLS, [change.recall for change in changes if change.recall])
    await _insert(uow, _ALARMS, [change.alarm for change in changes if change.alarm])
    await _insert(uow, _USES, [change.permit_use for change in changes if change.permit_use])
    await hold(uow, [change.held for change in changes if change.held])


async def save_alarm(uow: UnitOfWork, alarm: Alarm) -> None:
    """Keep an alarm that belongs to no visit."""
    await _insert(uow, _ALARMS, [alarm])


async def _insert(uow: UnitOfWork, table: _Table, records: Sequence[Any]) -> None:
    if records:
        rows = TypeAdapter(list[table.record]).dump_python(list(records), mode="json")  # type: ignore[name-defined]
        await uow.sql.execute(table.insert(), json.dumps([{"tenant": uow.tenant, **row} for row in rows]))


def _visits(rows: Sequence[Mapping[str, Any]]) -> dict[UUID, Visit]:
    visits = (_ROW.validate_json(row["row"]) for row in rows)
    return {visit.visit_id: visit for visit in visits}
