"""After an erasure no row of any table leads back to the person, but through our key."""

import base64
import hashlib
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

from services.compliance import erasure_desk
from services.compliance.store import erasures
from services.compliance.store.leaves import alias_of, erase_people, load_erased
from shared.ids import derived_id
from shared.security.party_keys import bound
from tests.integration.compliance.conftest import NOW, Desk, visit_contact
from tests.integration.compliance.test_debts import loan, updated
from tests.integration.compliance.test_refused_check_ins import refused
from tests.integration.compliance.test_rights import _TABLES_OF_PEOPLE, FIVE_YEARS, ask, visited

_TABLES = """
SELECT c.relname FROM pg_class c
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relnamespace = 'public'::regnamespace ORDER BY 1
"""
# What is published or answered, or was intended, is forgotten by the day on which the erasure is complete; until then
# events of the person are numbered on.
_UNTIL_COMPLETE = {"outbox", "idempotency_key", "intent", "sequence_issued", "erasure_trail"}


def traces_of(party_id: UUID, references: list[str]) -> Iterator[str]:
    """The id in every form in which a column could hold it, and what anybody derives from it without a key."""
    derived = [derived_id(space, str(party_id), one) for space in ("complaint", "legal-hold") for one in references]
    for one in (party_id, *derived):
        yield str(one)
        yield one.hex
        yield str(one).encode().hex()
        yield base64.b64encode(one.bytes).decode().rstrip("=")
    yield hashlib.blake2b(bound("mark/1", "bank", party_id.bytes), digest_size=4).hexdigest()
    for digest in (hashlib.sha256, hashlib.sha1, hashlib.md5, hashlib.blake2b):
        for form in (party_id.bytes, str(party_id).encode(), party_id.hex.encode()):
            yield digest(form).hexdigest()


async def tables_with(desk: Desk, traces: list[str]) -> dict[str, str]:
    """The tables of which a row holds one of the traces, with the first such trace."""
    found: dict[str, str] = {}
    async with desk.database.read_only() as uow:
        for row in await uow.sql.fetch(_TABLES):
            table = row["relname"]
            for held in await uow.sql.fetch(f"SELECT t::text AS row FROM {table} t"):
                found.update((table, one) for one in traces if one in held["row"])
    return found


async def known_everywhere(desk: Desk) -> tuple[Any, list[str]]:
    """A person of whom most tables know something, and the references under which it was told."""
    case, permit = await visited(desk)
    party = str(case.party_id)
    other = await desk.open_case(loans=[loan(case.party_id)])
    await desk.deliver("case", ("case.updated", updated(other, loans=[])))
    await desk.post("/v1/holds", {
        "party_id": str(other.party_id), "kind": "breathing_space", "valid_from": NOW.isoformat(), "source_ref": "r-1",
    })  # fmt: skip
    complaint = await desk.post("/v1/complaints", {
        "party_id": party, "channel": "web", "received_at": NOW.isoformat(), "reference": "c-1", "words": "Too loud.",
    })  # fmt: skip
    step = f"/v1/complaints/{complaint.json()['complaint_id']}"
    for name, by in (("take", "ann"), ("answer", "ann"), ("close", "bob")):
        await desk.post(f"{step}/{name}", {"words": "settled with the person", "reference": "letter-1"}, by=by)
    hold = await desk.post("/v1/holds", {
        "party_id": party, "kind": "represented", "valid_from": NOW.isoformat(), "source_ref": "lawyer-1",
        "scope": "contact_point", "contact_point": {"kind": "phone", "value": "+8613800000000"}, "reason": "a letter",
    })  # fmt: skip
    await desk.post(f"/v1/holds/{hold.json()['hold_id']}/end", {"cause": "over", "evidence": "letter-2"}, by="ann")
    await refused(desk, case, "permit_forged")
    body = {"party_id": party, "matter": "file:1", "custodian": "counsel-9", "reason": "a court asks"}
    legal = (await desk.post("/v1/legal-holds", body, by="counsel-1")).json()
    for by in ("counsel-1", "counsel-2"):
        await desk.post(f"/v1/legal-holds/{legal['legal_hold_id']}/lift", {"reason": "it is closed"}, by=by)
    await desk.post("/v1/examinations", {
        "examiner": "examiner-1", "authority": "regulator", "scope": {"kind": "party", "party_id": party},
        "valid_from": NOW.isoformat(), "valid_to": (NOW + timedelta(days=30)).isoformat(),
    })  # fmt: skip
    return case, ["c-1", "file:1", permit["permit_id"]]


async def test_nothing_outside_what_is_still_forgotten_leads_back(desk: Desk) -> None:
    case, references = await known_everywhere(desk)
    traces = list(traces_of(case.party_id, references))
    before = await tables_with(desk, traces)
    assert {"decision", "permit", "contact_audit", "hold", "complaint_version", "log_entry", "debt"} <= before.keys()
    assert "refused_check_in" in before
    desk.clock.business = NOW + FIVE_YEARS
    asked = (await ask(desk, case)).json()
    assert asked.get("state") == "requested", asked
    done = await desk.post(f"/v1/erasures/{asked['erasure_id']}/carry-out", {}, by="rights-2")
    assert done.status_code == 200, done.text
    again = {"party_id": str(case.party_id), "channel": "web", "received_at": NOW.isoformat(), "reference": "c-1"}
    assert (await desk.post("/v1/complaints", again)).status_code == 201, "told again it is the same, closed one"
    left = await tables_with(desk, traces)
    assert {table: one for table, one in left.items() if table not in _UNTIL_COMPLETE} == {}
    desk.clock.real += timedelta(days=100)
    await desk.hear()
    async with desk.database.unit_of_work() as uow:
        assert await erasure_desk.complete(uow, desk.instruments) == 1
    assert set(await tables_with(desk, traces)) <= {"outbox", "idempotency_key", "intent"}
    alias = alias_of(desk.instruments.cipher, case.party_id)
    async with desk.database.read_only() as uow:
        kept = await erasures.find(uow, UUID(asked["erasure_id"]))
    assert kept is not None
    assert (kept.state, kept.party_id) == ("complete", alias)


async def test_no_table_about_people_is_forgotten(desk: Desk) -> None:
    """A new table with a party in it is emptied or renamed when the person is erased, or it is said here why not."""
    async with desk.database.read_only() as uow:
        rows = await uow.sql.fetch(_TABLES_OF_PEOPLE)
        functions = await uow.sql.fetch(
            "SELECT pg_get_functiondef(oid) AS text FROM pg_proc WHERE proname ~ '^(forget_|erase_people)'"
        )
    told = " ".join(row["text"] for row in functions)
    assert {row["relname"] for row in rows if not re.search(rf"\b{row['relname']}\b", told)} == {
        "party_key",  # the cipher's
        "dead_letter", "waiting_record",  # `forget_records` of the platform
        "intent", "erasure_trail",  # until the erasure is complete
    }  # fmt: skip


async def test_what_comes_late_about_an_erased_person_is_refused_or_kept_apart(desk: Desk) -> None:
    case, permit = await visited(desk)
    async with desk.database.unit_of_work() as uow:
        await uow.lock_parties([case.party_id])
        await erase_people(uow, desk.instruments.cipher, [case.party_id])
    late = visit_contact(case, permit)
    await desk.deliver("contact", ("contact.recorded", late))
    async with desk.database.unit_of_work() as uow:
        assert await load_erased(uow, desk.instruments.cipher, [case.party_id]) == {case.party_id}
        owners = await uow.sql.fetch("SELECT party_id FROM contact_audit WHERE contact_id = $1", late.contact_id)
        assert [row["party_id"] for row in owners] == [case.party_id]
        await uow.lock_parties([case.party_id])
        await erase_people(uow, desk.instruments.cipher, [case.party_id])
        owners = await uow.sql.fetch("SELECT DISTINCT party_id FROM contact_audit")
    assert [row["party_id"] for row in owners] == [alias_of(desk.instruments.cipher, case.party_id)]


async def test_people_erased_before_are_renamed_by_the_worker(desk: Desk) -> None:
    case, _ = await visited(desk)
    async with desk.database.unit_of_work() as uow:
        await uow.sql.execute(
            "UPDATE party_chain SET sealed_salt = '', erased = true WHERE party_id = $1", case.party_id
        )
    async with desk.database.unit_of_work() as uow:
        assert await erasure_desk.rename_erased(uow, desk.instruments) == 1
    async with desk.database.unit_of_work() as uow:
        assert await erasure_desk.rename_erased(uow, desk.instruments) == 0
    traces = list(traces_of(case.party_id, []))
    assert set(await tables_with(desk, traces)) <= _UNTIL_COMPLETE
