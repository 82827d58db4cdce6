"""The desk of subject access in visits: everything kept about one person in plain words, and none of our staff."""

from __future__ import annotations

import json
from typing import Any, Final
from uuid import UUID

from services.visits.store import access as store
from shared.access.lists import AccessList, list_of
from shared.access.texts import Texts, access_texts
from shared.database import UnitOfWork
from shared.money import Money
from shared.security.callers import Caller

Row = dict[str, Any]
LISTS: Final = (
    "known", "visits", "outcomes", "messages", "recalls", "refused_check_ins", "permits_used", "permits_revoked",
    "permits_held", "alarms",
)  # fmt: skip
"""Names of the lists, in the order in which they are given."""


def visits_texts() -> Texts:
    """The sentences of visits."""
    return access_texts("services.visits")


async def give_lists(uow: UnitOfWork, party_id: UUID, _: Caller) -> list[AccessList]:
    """Every list of the person, who is locked."""
    found = await store.load_lists(uow, party_id)
    found["outcomes"] = [_outcome(row) for row in found["visits"] if row["record"] is not None]
    found["visits"] = [{name: value for name, value in row.items() if name != "record"} for row in found["visits"]]
    texts = visits_texts()
    return [list_of(name, found[name], texts) for name in LISTS]


def _outcome(row: Row) -> Row:
    """What was recorded at the door: closed codes, so nothing about anybody else fits in."""
    record: Row = json.loads(row["record"])
    promise = record.pop("promise", None)
    return {"visit_id": row["visit_id"], **record, "promise": None if promise is None else str(Money(**promise))}
