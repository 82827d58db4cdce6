"""Personal data under purpose: cards, points and searches; each reading is kept and told."""

import json
from datetime import date, timedelta
from uuid import uuid4

import pytest

from services.intake.indexing import LearnIndexes, learn_indexes
from services.intake.store.erasing import erase
from shared.events.base import TimeWindow
from shared.events.compliance import PermitGranted, PermitRevoked
from shared.events.loan import ContactPoint
from tests.integration.intake.conftest import NOW, carry_out
from tests.integration.intake.test_facts import party_of
from tests.unit.intake.facts import person

BORN = date(1980, 5, 17)
SECOND = ContactPoint(kind="mobile", value="+86 139 9999 0000", source="on_file")


async def permit_for(intake, party, *, channel="visit", starts=NOW, hours=1):
    fact = {"permit_id": uuid4(), "party_id": party, "channel": channel, "purpose": "collection", "subject_id": uuid4()}
    window = TimeWindow(start=starts, end=starts + timedelta(hours=hours))
    await intake.hear(PermitGranted(**fact, decision_id=uuid4(), window=window, rule_set="0" * 64), topic="compliance")
    return fact


async def told(intake):
    return [data for name, data in await intake.told() if name == "party.card_read"]


async def test_card_is_open_only_under_a_standing_permit_and_each_reading_is_told(intake):
    await intake.tell(person(1))
    party = await party_of(intake)
    path = f"/v1/parties/{party}/contact-card?purpose=visit"
    async with intake.api() as api:
        unnamed = await api.get(path)
        unheard = await api.get(f"{path}&permit_id={uuid4()}")
        permit = await permit_for(intake, party)
        opened = await api.get(f"{path}&permit_id={permit['permit_id']}")
        call = await api.get(f"/v1/parties/{party}/contact-card?purpose=call&permit_id={permit['permit_id']}")
        revoked = PermitRevoked(**permit, cause="payment", fact_arrived_at=NOW, revoked_at=NOW, used=False)
        await intake.hear(revoked, topic="compliance")
        void = await api.get(f"{path}&permit_id={permit['permit_id']}")
    assert [one.status_code for one in (unnamed, unheard, opened, call, void)] == [403, 403, 200, 403, 403]
    card = opened.json()
    assert card["clear"] == ["home", "name", "point"]
    assert [(one["kind"], one["masked"]) for one in card["contacts"]] == [("home", False), ("mobile", True)]
    assert unnamed.json()["rule"] == "CARD-PERMIT"
    assert unnamed.json()["citation"].startswith("PIPL")
    kept = await intake.fetch("SELECT what, refused_for, caller FROM contact_reading ORDER BY reading_id")
    reasons = ["no_permit", "permit_unknown", None, "other_channel", "permit_void"]
    assert [row["refused_for"] for row in kept] == reasons
    assert {row["caller"] for row in kept} == {"tester@demo-driver"}
    events = await told(intake)
    assert [one["refused_for"] for one in events] == reasons
    assert events[2]["fields"] == ["home", "name", "point"]
    assert "Synthetic" not in json.dumps(events)


async def test_before_its_window_the_refusal_names_the_earliest_time(intake):
    await intake.tell(person(1))
    party = await party_of(intake)
    permit = await permit_for(intake, party, starts=NOW + timedelta(hours=3))
    path = f"/v1/parties/{party}/contact-card?purpose=visit&permit_id={permit['permit_id']}"
    async with intake.api() as api:
        early = (await api.get(path)).json()
        intake.clock.business = NOW + timedelta(hours=3)
        assert (await api.get(path)).status_code == 200
    assert (early["reason"], early["earliest_lawful"]) == ("not_yet", "2026-03-10T05:00:00+00:00")


async def test_a_permit_of_somebody_else_opens_nothing(intake):
    await intake.tell(person(1), person(1, party="P-2"))
    others = await permit_for(intake, await party_of(intake, "P-2"))
    async with intake.api() as api:
        path = f"/v1/parties/{await party_of(intake)}/contact-card?purpose=visit&permit_id={others['permit_id']}"
        assert (await api.get(path)).json()["reason"] == "permit_unknown"


async def test_recognition_is_masked_and_a_request_of_the_person_is_answered(intake):
    await intake.tell(person(1, born_on=BORN))
    party = await party_of(intake)
    async with intake.api() as api:
        masked = await api.get(f"/v1/parties/{party}/contact-card?purpose=recognition")
        answered = await api.get(f"/v1/parties/{party}/contact-card/for-request?purpose=access_request")
        wrong = await api.get(f"/v1/parties/{party}/contact-card?purpose=access_request")
    assert masked.json()["masked"]
    assert "0000 0000" not in masked.text
    assert "05-17" not in masked.text
    assert answered.json()["born_on"] == "1980-05-17"
    assert wrong.status_code == 422
    assert [one["what"] for one in await told(intake)] == ["masked_card", "card"]


async def test_points_are_given_and_recorded(intake):
    await intake.tell(person(1))
    party, stranger = await party_of(intake), uuid4()
    async with intake.api() as api:
        body = {"items": [{"party_id": str(party)}, {"party_id": str(stranger)}], "purpose": "route"}
        items = (await api.post("/v1/parties/points", json=body)).json()["items"]
    assert items[0]["point"] == {"lat": 31.23, "lon": 121.47, "crs": "WGS84"}
    assert items[1]["point"] is None
    assert [(one["what"], one["party_id"]) for one in await told(intake)] == [("point", str(party))]


async def search(api, **body):
    answer = await api.post("/v1/parties/search", json={"purpose": "inbound_call", **body})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_search_finds_by_number_name_and_reference_and_shows_nothing_clear(intake):
    two = person(1, born_on=BORN)
    two = two.model_copy(update={"contact_points": [*two.contact_points, SECOND]})
    await intake.tell(two)
    party = str(await party_of(intake))
    async with intake.api() as api:
        ways = [
            {"mobile": "+86-138-0000-0000"}, {"mobile": "+86 139 99990000"},
            {"name": two.name.upper().replace(" ", "  "), "born_on": "1980-05-17"},
            {"core": "core-a", "party_ref": "P-1"},
        ]  # fmt: skip
        found = [await search(api, **way) for way in ways]
        nobody = await search(api, name=two.name, born_on="1980-05-18")
    assert [one["party_ids"] for one in found] == [[party]] * 4
    assert nobody == {"party_ids": [], "items": []}
    assert two.name not in json.dumps(found)
    assert "9999 0000" not in json.dumps(found)
    assert [one["what"] for one in await told(intake)] == ["search"] * 4
    kept = await intake.fetch("SELECT found_by, found FROM person_search ORDER BY search_id")
    assert [tuple(row) for row in kept] == [
        ("mobile", 1), ("mobile", 1), ("name", 1), ("reference", 1), ("name", 0),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "body", [{}, {"name": "A"}, {"mobile": "+8613800000000", "core": "c", "party_ref": "p"}, {"mobile": "-----"}]
)
async def test_a_search_is_by_exactly_one_way(intake, body):
    async with intake.api() as api:
        answer = await api.post("/v1/parties/search", json={"purpose": "inbound_call", **body})
    assert answer.status_code == 422


async def test_searching_much_is_refused_for_a_while(intake):
    async with intake.api() as api:
        for number in range(30):
            await search(api, mobile=f"+86 138 0000 {number:04}")
        refused = await api.post("/v1/parties/search", json={"purpose": "inbound_call", "mobile": "+86 1380000"})
        assert refused.status_code == 429
        assert 0 < int(refused.headers["Retry-After"]) <= 60
        intake.clock.real += timedelta(minutes=2)
        await search(api, mobile="+86 138 0000 0000")


async def test_people_of_before_are_indexed_from_their_cards(intake):
    people = [person(1, party=f"P-{number}", born_on=BORN) for number in range(3)]
    await intake.tell(*(one.model_copy(update={"contact_points": [*one.contact_points, SECOND]}) for one in people))
    async with intake.database.unit_of_work() as uow:
        await uow.sql.execute("UPDATE person SET further_mobiles = NULL, name_index = NULL")
        uow.intend(learn_indexes(uow))
    assert await carry_out(intake, LearnIndexes(intake.folding.cipher, page=2)) == 2
    async with intake.api() as api:
        assert len((await search(api, mobile=SECOND.value))["party_ids"]) == 3
        assert len((await search(api, mobile=SECOND.value, limit=2))["party_ids"]) == 2
        assert len((await search(api, name=people[0].name, born_on="1980-05-17"))["party_ids"]) == 3


async def test_erasure_deletes_the_indexes_with_the_key(intake):
    await intake.tell(person(1, born_on=BORN))
    party = await party_of(intake)
    async with intake.database.unit_of_work() as uow:
        await uow.lock_parties([party])
        await erase(uow, intake.folding.cipher, [party])
    async with intake.api() as api:
        assert (await search(api, mobile="+86 138 0000 0000"))["party_ids"] == []
        assert (await search(api, name=person(1).name, born_on="1980-05-17"))["party_ids"] == []
        assert (await search(api, core="core-a", party_ref="P-1"))["party_ids"] == []
        gone = await api.get(f"/v1/parties/{party}/contact-card?purpose=recognition")
    assert gone.status_code == 404
    assert await intake.fetch("SELECT FROM person WHERE party_id = $1", party) == []
