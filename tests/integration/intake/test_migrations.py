"""Migrations of intake with rows of before."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from shared.database.migrations import migrate
from shared.embedded.provision import ServiceDatabase, create_database, drop_database
from shared.embedded.servers import EmbeddedServers

PACKAGE = "services.intake"
LEAD, OTHER = uuid4(), uuid4()
_ALIAS = "INSERT INTO party_alias VALUES ('bank', 'core-a', $1, $2, '2026-01-01T00:00:00Z')"
_LOAN = "INSERT INTO loan (tenant, party_id, core, loan_ref, loan_id, terms) VALUES ('bank', $1, 'core-a', $2, $3, $4)"


@pytest.fixture
async def database(postgres: str, servers: EmbeddedServers, prefix: str) -> Any:
    """An empty database of intake's."""
    made = await create_database(postgres, prefix + "m", role="test_intake", password=servers.home.password)
    yield made
    await drop_database(postgres, prefix + "m")


def terms(*obligors: tuple[str, str, str]) -> str:
    return json.dumps({"product_class": "card", "obligors": obligors})


async def test_loans_of_before_name_everyone_bound_under_our_ids(database: ServiceDatabase) -> None:
    """0003. Whom the core has not told of gets one id for all loans; what binds its own party only stays as it is."""
    await migrate(database.owner_url, PACKAGE, revision="0002")
    lead, other, unknown = (("P-1", "borrower", "full"), ("P-2", "co_borrower", "joint"), ("P-9", "guarantor", "joint"))
    loans = {
        "L-several": (LEAD, terms(lead, other, unknown)),
        "L-again": (OTHER, terms(other, unknown)),
        "L-own": (LEAD, terms(lead)),
        "L-of-another": (LEAD, terms(unknown)),
        "L-awaited": (LEAD, None),
    }
    connection = await asyncpg.connect(database.owner_url)
    await connection.executemany(_ALIAS, [("P-1", LEAD), ("P-2", OTHER)])
    await connection.executemany(_LOAN, [(party, ref, uuid4(), kept) for ref, (party, kept) in loans.items()])
    await migrate(database.owner_url, PACKAGE)
    kept = {row["loan_ref"]: row["terms"] for row in await connection.fetch("SELECT loan_ref, terms FROM loan")}
    aliases = dict(await connection.fetch("SELECT party_ref, party_id FROM party_alias"))
    await connection.close()
    bound = {
        ref: [(UUID(one[0]), *one[1:]) for one in json.loads(kept[ref])["bound"]]
        for ref in loans
        if "bound" in (kept[ref] or "")
    }
    ids = {"P-1": LEAD, "P-2": OTHER, "P-9": aliases["P-9"]}
    assert aliases == ids
    assert bound == {
        "L-several": [(ids[ref], role, liability) for ref, role, liability in (lead, other, unknown)],
        "L-again": [(ids[ref], role, liability) for ref, role, liability in (other, unknown)],
        "L-of-another": [(ids["P-9"], "guarantor", "joint")],
    }
    assert (kept["L-own"], kept["L-awaited"]) == (terms(lead), None)


async def test_with_nobody_known_nobody_is_bound(database: ServiceDatabase) -> None:
    await migrate(database.owner_url, PACKAGE)
    connection = await asyncpg.connect(database.owner_url)
    assert await connection.fetchval("SELECT count(*) FROM party_alias") == 0
    await connection.close()
