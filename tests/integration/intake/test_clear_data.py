"""No table of intake holds what the core told of a person in clear."""

from datetime import date

from shared.events.loan import ContactPoint
from shared.geo import Point
from shared.messaging.records import KeptRecord
from tests.clear_data import filled, holding
from tests.integration.intake.conftest import record_of
from tests.integration.intake.test_cards import permit_for, search
from tests.integration.intake.test_facts import party_of
from tests.unit.intake.facts import overdue, person

NAME, ROAD, MOBILE, BORN = "Zhuang Mingxia", "Sunflower Lane 4711", "+86 138 5551 2345", date(1971, 8, 9)
PLACE = Point(lat=31.234567, lon=121.987654, crs="WGS84")
WORDS = (NAME, "Zhuang", ROAD, "Sunflower", MOBILE, "5551 2345", "1971-08-09", "31.234567", "121.987654")


def told(sequence: int, **changes: object) -> object:
    points = [
        ContactPoint(kind="home", value=ROAD, point=PLACE, source="contract"),
        ContactPoint(kind="mobile", value=MOBILE, source="contract"),
    ]
    return person(sequence, name=NAME, born_on=BORN, contact_points=points, **changes)


async def test_nothing_told_of_a_person_is_kept_in_clear(intake):
    """Told, told again, in a record that cannot be read, searched for, read and refused."""
    await intake.tell(told(1), overdue(2), told(3, language="en"))
    party = await party_of(intake)
    permit = await permit_for(intake, party)
    async with intake.api() as api:
        await search(api, mobile=MOBILE)
        await search(api, name=NAME, born_on="1971-08-09")
        path = f"/v1/parties/{party}/contact-card"
        card = await api.get(f"{path}?purpose=visit&permit_id={permit['permit_id']}")
        await api.get(f"{path}/for-request?purpose=access_request")
        points = await api.post("/v1/parties/points", json={"items": [{"party_id": str(party)}], "purpose": "route"})
    damaged = record_of(told(1, party="P-2"))
    await intake.tell(KeptRecord(0, 0, 0, damaged.key, damaged.value[:-3], damaged.headers))
    assert ROAD in card.text
    assert "31.234567" in points.text
    seen = await filled(intake.database)
    assert {"person", "contact_reading", "person_search", "outbox", "dead_letter"} <= seen, seen
    assert await holding(intake.database, WORDS) == {}
