"""What was kept in the clear before version 0019 is sealed, and reads the same; what is new is never in the clear."""

from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from services.compliance.sealing_desk import seal_page
from services.compliance.store.leaves import erase_people
from tests.integration.compliance.conftest import CREW, Desk, visit_contact, visit_request

_TABLES = ("decision", "contact_audit", "permit", "dossier_entry")
_COLUMNS = "tenant, party_id, request_id, answer, channel, purpose, refused_by, record_sha256, leaf_id, decided_at"
_OLD_DECISION = f"""
INSERT INTO decision ({_COLUMNS}, recorded_real, decision_id, record)
SELECT {_COLUMNS}, recorded_real, $1, $2 FROM decision
"""
_OLD_PERMIT = "UPDATE permit SET crew = $1, place_cell = '88309a5915fffff', token = $2, sealed_terms = NULL"
_OLD_WORD = """
UPDATE dossier_entry SET value = '"creditor"', reference = 'letter:1', sealed_word = NULL
"""


async def told_and_visited(desk: Desk) -> tuple[Any, dict[str, Any]]:
    case = await desk.open_case()
    await desk.tell(case.party_id, collector="creditor")
    (permit,) = await desk.ask(visit_request(case))
    await desk.deliver("contact", ("contact.recorded", visit_contact(case, permit)))
    return case, permit


async def test_nothing_personal_is_kept_in_the_clear(desk: Desk) -> None:
    _, permit = await told_and_visited(desk)
    async with desk.database.read_only() as uow:
        kept = {table: [dict(row) for row in await uow.sql.fetch(f"SELECT * FROM {table}")] for table in _TABLES}
    assert all(kept.values())
    assert {row["record"] for table in ("decision", "contact_audit") for row in kept[table]} == {None}
    assert {(row["crew"], row["place_cell"], row["token"]) for row in kept["permit"]} == {(None, None, None)}
    assert {(row["value"], row["reference"]) for row in kept["dossier_entry"]} == {(None, None)}
    shown = (await desk.get(f"/v1/permits/{permit['permit_id']}")).json()
    assert (shown["permit"], len(shown["crew"])) == (permit["permit"], 2)


async def test_rows_of_before_are_sealed_and_read_the_same(desk: Desk) -> None:
    case, permit = await told_and_visited(desk)
    record = (await desk.get(f"/v1/decisions/{permit['decision_id']}")).json()["record_canonical"]
    old = uuid4()
    async with desk.database.unit_of_work() as uow:
        await uow.sql.execute(_OLD_DECISION, old, record.encode())
        await uow.sql.execute(_OLD_PERMIT, CREW, permit["permit"])
        await uow.sql.execute(_OLD_WORD)
    for sealed in (3, 0):
        shown = (await desk.get(f"/v1/permits/{permit['permit_id']}")).json()
        assert (shown["permit"], shown["crew"]) == (permit["permit"], [str(one) for one in CREW])
        assert (await desk.get(f"/v1/decisions/{old}")).json()["record_canonical"] == record
        facts = (await desk.get("/v1/facts", party_id=str(case.party_id))).json()["items"]
        assert [(one["value"], one["reference"]) for one in facts] == [("creditor", "letter:1")]
        async with desk.database.unit_of_work() as uow:
            assert await seal_page(uow, desk.instruments) == sealed
    async with desk.database.read_only() as uow:
        assert await uow.sql.fetchval("SELECT count(*) FROM decision WHERE record IS NOT NULL") == 0


async def test_append_only_tables_let_nothing_else_through(desk: Desk) -> None:
    await told_and_visited(desk)
    for change in ("record = NULL, sealed_record = NULL", "sealed_record = ''"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with desk.database.unit_of_work() as uow:
                await uow.sql.execute(f"UPDATE decision SET {change}")


async def test_rows_of_the_erased_answer_so(desk: Desk) -> None:
    case, permit = await told_and_visited(desk)
    async with desk.database.unit_of_work() as uow:
        await uow.lock_parties([case.party_id])
        await erase_people(uow, desk.instruments.cipher, [case.party_id])
    # A contact that is told late gives the person a key again: it opens nothing of before.
    await desk.deliver("contact", ("contact.recorded", visit_contact(case, permit)))
    for path in (f"decisions/{permit['decision_id']}", f"permits/{permit['permit_id']}"):
        response = await desk.get(f"/v1/{path}")
        assert (response.status_code, response.json()["type"].rsplit("/", 1)[1]) == (410, "party-erased"), path
