"""Legal holds and erasures: refused with the reason and its end, carried out by two, and final."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from services.compliance import erasure_desk
from services.compliance.domain.keeping import RESTRICTED_FOR
from services.compliance.retention_desk import PAGE, RetentionPages
from services.compliance.store import access as store_of_access
from services.compliance.store import erasures, keeping
from services.compliance.store.leaves import alias_of
from shared.events.case import CaseCured
from shared.events.codec import format_time
from shared.messaging import Intent
from shared.messaging.intents import TimerDue
from tests.integration.compliance.conftest import CREW, NOW, Desk, visit_contact, visit_request

FIVE_YEARS = timedelta(days=5 * 365 + 5)

_TABLES_OF_PEOPLE = """
SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
WHERE a.attname = 'party_id' AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND NOT a.attisdropped
"""
# Keys and proofs; the platform's own; what repeats a row that is shown; whom an examiner may read; why it is kept.
_NOT_IN_THE_PACK = {
    "party_key", "party_chain", "leaf_salt", "log_entry", "dead_letter", "parked_party", "waiting_record", "intent",
    "version_seen", "revocation", "reported_contact", "examination_grant", "legal_hold_version", "restriction",
    "erasure_version", "key_use", "record_ending", "told_moratorium", "erasure_trail",
}  # fmt: skip


async def visited(desk: Desk, *, cured: bool = True) -> Any:
    """A person in China who was told about, visited, and whose case is over."""
    case = await desk.open_case()
    await desk.tell(case.party_id, collector="creditor")
    (permit,) = await desk.ask(visit_request(case))
    await desk.deliver("contact", ("contact.recorded", visit_contact(case, permit)))
    if cured:
        over = CaseCured(
            case_id=case.case_id, party_id=case.party_id, version=2, business_date=NOW.date(), cause="payment",
            overdue_totals=[],
        )  # fmt: skip
        await desk.deliver("case", ("case.cured", over))
    return case, permit


async def ask(desk: Desk, case: Any, *, by: str = "rights-1") -> Any:
    body = {"party_id": str(case.party_id), "received_at": desk.clock.business.isoformat()}
    return await desk.post("/v1/erasures", body, by=by)


def refusals(response: Any) -> dict[str, str | None]:
    document = response.json()
    assert (response.status_code, document["type"].rsplit("/", 1)[1]) == (409, "erasure-refused"), document
    return {one["rule"]: one["earliest"] for one in document["reasons"]}


async def test_law_claims_and_debts_refuse_with_their_end(desk: Desk) -> None:
    case, _ = await visited(desk, cured=False)
    await desk.post("/v1/complaints", {
        "party_id": str(case.party_id), "channel": "web", "received_at": NOW.isoformat(), "reference": "c-1",
    })  # fmt: skip
    await desk.post("/v1/legal-holds", {
        "party_id": str(case.party_id), "matter": "file:1", "custodian": "counsel-9", "reason": "a court asks",
    })  # fmt: skip
    response = await ask(desk, case)
    found = refusals(response)
    assert found == {
        "RIGHTS-LEGAL-HOLD": None, "RIGHTS-COMPLAINT-OPEN": None, "RIGHTS-CASE-OPEN": None,
        "CN-CFC2024-5Y": "2031-03-03", "BANK-CN-KEEP": "2031-03-03",
    }  # fmt: skip
    assert response.json()["earliest"] is None
    kept = (await desk.get(f"/v1/erasures/{response.json()['erasure_id']}")).json()
    assert (kept["state"], kept["refused_by"]) == ("refused", sorted(found))


async def test_two_people_erase_and_nothing_can_be_read_any_more(desk: Desk) -> None:
    case, permit = await visited(desk)
    desk.clock.business = NOW + FIVE_YEARS
    asked = (await ask(desk, case)).json()
    assert asked["state"] == "requested"
    path = f"/v1/erasures/{asked['erasure_id']}/carry-out"
    alone = await desk.post(path, {}, by="rights-1")
    assert (alone.status_code, alone.json()["type"].rsplit("/", 1)[1]) == (403, "second-person-erases")
    erased = await desk.post(path, {}, by="rights-2")
    assert (erased.status_code, erased.json()["state"]) == (200, "erased")
    for read in (f"decisions/{permit['decision_id']}", f"permits/{permit['permit_id']}"):
        assert (await desk.get(f"/v1/{read}")).status_code == 410
    (event,) = await desk.events("compliance.party_erased")
    assert (event["party_id"], event["erasure_id"]) == (str(case.party_id), asked["erasure_id"])
    assert (await ask(desk, case)).status_code == 410
    async with desk.database.read_only() as uow:
        for table in ("party_key", "dossier_entry", "given_override", "liable_party", "key_use"):
            assert await uow.sql.fetchval(f"SELECT count(*) FROM {table} WHERE party_id = $1", case.party_id) == 0


async def test_what_came_up_in_between_refuses_the_second_person(desk: Desk) -> None:
    case, _ = await visited(desk)
    desk.clock.business = NOW + FIVE_YEARS
    asked = (await ask(desk, case)).json()
    await desk.post("/v1/complaints", {
        "party_id": str(case.party_id), "channel": "web", "received_at": NOW.isoformat(), "reference": "c-2",
    })  # fmt: skip
    late = await desk.post(f"/v1/erasures/{asked['erasure_id']}/carry-out", {}, by="rights-2")
    assert set(refusals(late)) == {"RIGHTS-COMPLAINT-OPEN", "BANK-CN-KEEP", "CN-CFC2024-5Y"}


async def test_complete_once_its_date_has_come_and_everybody_heard(desk: Desk) -> None:
    case, _ = await visited(desk)
    desk.clock.business = NOW + FIVE_YEARS
    asked = (await ask(desk, case)).json()
    await desk.post(f"/v1/erasures/{asked['erasure_id']}/carry-out", {}, by="rights-2")
    for days, done in ((34, 0), (100, 0), (100, 1)):
        desk.clock.real += timedelta(days=days) if not done else timedelta()
        if done:
            await desk.hear()
        async with desk.database.unit_of_work() as uow:
            assert await erasure_desk.complete(uow, desk.instruments) == done
    async with desk.database.read_only() as uow:
        kept = await erasures.find(uow, UUID(asked["erasure_id"]))
        assert kept is not None
        assert kept.state == "complete"
        leaves = await uow.sql.fetch("SELECT party_id, leaf FROM log_entry WHERE kind = 'erasure'")
    alias = alias_of(desk.instruments.cipher, case.party_id)
    assert {json.loads(row["leaf"])["version"]: row["party_id"] for row in leaves} == {1: alias, 2: alias, 3: None}


async def test_legal_hold_takes_two_people_to_lift(desk: Desk) -> None:
    case, _ = await visited(desk)
    body = {"party_id": str(case.party_id), "matter": "file:1", "custodian": "counsel-9", "reason": "a court asks"}
    placed = (await desk.post("/v1/legal-holds", body, by="counsel-1")).json()
    assert (await desk.post("/v1/legal-holds", body, by="counsel-1")).json()["version"] == 1
    path, why = f"/v1/legal-holds/{placed['legal_hold_id']}/lift", {"reason": "the court has closed it"}
    answers = [await desk.post(path, why, by=by) for by in ("counsel-1", "counsel-1", "counsel-2", "counsel-2")]
    assert [one.status_code for one in answers] == [200, 403, 200, 409]
    assert [one.json().get("step") for one in answers] == ["ask_lift", None, "lift", None]
    assert (await desk.get("/v1/legal-holds")).json()["items"] == []


async def look(desk: Desk) -> None:
    """One round of retention, page by page, as the worker takes it."""
    pages = RetentionPages(desk.instruments)
    intents = [Intent(
        id=uuid4(), kind=PAGE, key="k", party_id=None, payload={"round": NOW.isoformat(), "after": str(UUID(int=0))},
        due_at=desk.clock.real, clock="real", traceparent="", attempts=0,
    )]  # fmt: skip
    while intents:
        try:
            async with desk.database.unit_of_work() as uow:
                await pages.commit(uow, [(intents[0], TimerDue())])
                intents = [
                    replace(intents[0], payload=one.payload, attempts=0) for one in uow.intents if one.kind == PAGE
                ]
        except ValueError:
            intents = [replace(intents[0], attempts=intents[0].attempts + 1)]


async def test_retention_restricts_then_erases(desk: Desk) -> None:
    case, permit = await visited(desk)
    other, kept = await visited(desk)
    matter = {"party_id": str(other.party_id), "matter": "file:1", "custodian": "c-9", "reason": "a court asks"}
    await desk.post("/v1/legal-holds", matter)
    read = f"/v1/decisions/{permit['decision_id']}"
    await look(desk)
    assert (await desk.get(read)).status_code == 200
    desk.clock.business = NOW + FIVE_YEARS
    await look(desk)
    refused = await desk.get(read)
    assert (refused.status_code, refused.json()["type"].rsplit("/", 1)[1]) == (403, "party-restricted")
    restricted = (await desk.get("/v1/restrictions")).json()["items"]
    assert [one["party_id"] for one in restricted] == [str(case.party_id)]
    desk.clock.business += RESTRICTED_FOR + timedelta(days=1)
    await look(desk)
    assert (await desk.get(read)).status_code == 410
    assert (await desk.get(f"/v1/decisions/{kept['decision_id']}")).status_code == 200
    (event,) = await desk.events("compliance.party_erased")
    assert event["party_id"] == str(case.party_id)
    assert (await desk.get("/v1/restrictions")).json()["items"] == []


async def test_one_who_cannot_be_judged_keeps_nobody_waiting(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    people = sorted([(await visited(desk))[0].party_id for _ in range(3)])
    desk.clock.business = NOW + FIVE_YEARS
    load = keeping.load_holdings

    async def broken(uow: Any, party_ids: Any) -> Any:
        if people[1] in party_ids:
            raise ValueError("damaged")
        return await load(uow, party_ids)

    monkeypatch.setattr(keeping, "load_holdings", broken)
    await look(desk)
    restricted = {one["party_id"] for one in (await desk.get("/v1/restrictions")).json()["items"]}
    assert restricted == {str(people[0]), str(people[2])}


async def test_complaint_ends_the_restriction(desk: Desk) -> None:
    case, permit = await visited(desk)
    desk.clock.business = NOW + FIVE_YEARS
    await look(desk)
    complaint = {"party_id": str(case.party_id), "channel": "web", "received_at": NOW.isoformat(), "reference": "c-3"}
    assert (await desk.post("/v1/complaints", complaint)).status_code == 201
    assert (await desk.get(f"/v1/decisions/{permit['decision_id']}")).status_code == 200
    await look(desk)
    assert (await desk.get("/v1/restrictions")).json()["items"] == []


async def test_person_is_given_everything_in_plain_words_and_nobody_else(desk: Desk) -> None:
    case, permit = await visited(desk)
    other, _ = await visited(desk)
    party = str(case.party_id)
    await desk.post("/v1/complaints", {
        "party_id": party, "channel": "web", "received_at": NOW.isoformat(), "reference": "c-4",
        "words": "Someone of yours, dispatcher-77, shouted.", "about": ["dispatcher-77"],
    }, by="branch-5")  # fmt: skip
    given = await desk.get(f"/v1/parties/{party}/access-pack", received_at=NOW.isoformat())
    assert given.status_code == 200, given.text
    pack = given.json()
    lists = {one["name"]: one["rows"] for one in pack["lists"]}
    assert {name: len(rows) for name, rows in lists.items() if rows} == {
        "place": 1, "places": 1, "told": 1, "contacts": 1, "decisions": 1, "permits": 1, "complaints": 1, "holds": 1,
        "kept": 3,
    }  # fmt: skip
    for text in (str(other.party_id), "dispatcher-77", "branch-5", *(str(one) for one in CREW), permit["permit"]):
        assert text not in given.text
    assert "a member of our staff" in lists["complaints"][0]["words"]["en"]
    assert "met_customer" in lists["contacts"][0]["words"]["zh"]
    assert "上门拜访" in lists["decisions"][0]["words"]["zh"]
    assert (pack["rule"], pack["answer_by"]) == ("BANK-CN-REQUEST", format_time(NOW + timedelta(days=15)))
    async with desk.database.read_only() as uow:
        leaves = await uow.sql.fetch("SELECT leaf_id FROM log_entry WHERE kind = 'access'")
    assert [str(row["leaf_id"]) for row in leaves] == [pack["leaf_id"]]


async def test_no_table_about_people_is_forgotten_by_the_pack(desk: Desk) -> None:
    """A new table with a party in it is shown to the person, or it is said here why not."""
    async with desk.database.read_only() as uow:
        rows = await uow.sql.fetch(_TABLES_OF_PEOPLE)
    told = " ".join(store_of_access._LISTS.values())
    forgotten = {row["relname"] for row in rows if row["relname"] not in told} - _NOT_IN_THE_PACK
    assert forgotten == set()
