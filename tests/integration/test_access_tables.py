"""No table about people is forgotten when a person asks what is kept: it is told, or it is said here why not."""

import re
from importlib import import_module
from typing import Any

import pytest

from services.intake.store.access import TOLD_ELSEWHERE
from shared.access import store as shared_store
from shared.clock import FixedClock
from tests.databases import Shelf
from tests.integration.intake.conftest import NOW

STORES = {
    "intake": "services.intake.store.access",
    "assignment": "services.assignment.store.access",
    "visits": "services.visits.store.access",
    "plans": "services.plans.store.access",
}
# Whatever says whom a row is about: our id, a core's reference, or the ids of two who are one.
_TABLES = """
SELECT DISTINCT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
WHERE a.attname IN ('party_id', 'party_ids', 'party_ref', 'merged_id', 'survivor_id', 'into_id')
  AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND NOT a.attisdropped
  AND c.relnamespace = 'public'::regnamespace
"""


def told_by(statements: str) -> set[str]:
    """The tables that statements read."""
    return set(re.findall(r"\b(?:FROM|JOIN)\s+(\w+)", statements))


@pytest.mark.parametrize("service", STORES)
async def test_every_table_about_people_is_told_or_said_why_not(
    service: str, service_settings: Any, shelf: Shelf
) -> None:
    own = import_module(STORES[service])
    settings = await service_settings(service, with_kafka=False)
    async with shelf.opened(settings, FixedClock(NOW, NOW), service=service) as database, database.read_only() as uow:
        tables = {row["relname"] for row in await uow.sql.fetch(_TABLES)}
    told = told_by(own.statements()) | told_by(shared_store.statements())
    elsewhere = TOLD_ELSEWHERE if service == "intake" else {}
    reasons = {**own.NOT_TOLD, **shared_store.NOT_TOLD, **elsewhere}
    assert tables - told - reasons.keys() == set()
    assert {name for name in reasons if name not in tables or name in told} == set(), "a reason for nothing"
