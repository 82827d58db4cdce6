"""What people have consented to: told when it is new, once, and refused where it cannot be read."""

from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from services.intake.store.erasing import erase
from tests.integration.intake.conftest import Service
from tests.unit.intake.facts import person

SAID = {"kind": "electronic_contact", "given": True, "said_at": datetime(2026, 3, 1, tzinfo=UTC), "evidence": "DOC-1"}


async def told(intake: Service) -> list[list[bool]]:
    return [
        [one["given"] for one in data["consents"]]
        for name, data in await intake.told()
        if name == "party.consents_told"
    ]


async def test_a_consent_is_told_once_until_it_changes(intake):
    await intake.tell(person(1, consents=[SAID]), person(2, consents=[SAID]))
    await intake.tell(person(3), person(4, consents=[SAID]))
    assert await told(intake) == [[True]]
    await intake.tell(person(5, consents=[SAID | {"given": False}]))
    assert await told(intake) == [[True], [False]]
    async with intake.database.unit_of_work() as uow:
        party_id = await uow.sql.fetchval("SELECT party_id FROM told_consent")
        await uow.lock_parties([party_id])
        await erase(uow, intake.folding.cipher, [party_id])
    assert not await intake.fetch("SELECT FROM told_consent")


@pytest.mark.parametrize(
    "wrong", [{"consents": [SAID, SAID | {"given": False}]}, {"zone_sources": ["declared", "branch"]}]
)
def test_two_words_on_one_consent_and_sources_of_no_zone_are_refused(wrong):
    with pytest.raises(ValidationError):
        person(1, **wrong)


def test_each_zone_has_its_source():
    zones = ["Asia/Shanghai", "Asia/Urumqi"]
    assert person(1, time_zones=zones, zone_sources=["residence", "telephone"]).zone_sources[1] == "telephone"
