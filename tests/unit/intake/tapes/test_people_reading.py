"""Rows about people: every kind of bad row is refused by the field that spoils it; its neighbours are understood."""

from datetime import UTC, date, datetime
from uuid import UUID

import pytest

from services.intake.tapes.agreement import ContractError
from services.intake.tapes.contract import read_contract
from services.intake.tapes.people_facts import PeopleOrigin
from services.intake.tapes.preview import preview
from services.intake.tapes.reading import understood
from services.intake.tapes.sheets import read_sheets
from services.intake.tapes.survey import survey
from services.intake.tapes.verdict import on_content, on_manifest
from tests.unit.intake.tapes.people import (
    people_contract,
    people_contract_text,
    people_manifest,
    person,
    write_people,
)
from tests.unit.intake.tapes.tapes import DAY, FORMS, WATERMARK

BAD_PEOPLE = {
    "no person": ({"party": ""}, ("party_ref", "missing")),
    "a person with spaces": ({"party": "P 1"}, ("party_ref", "not_a_reference")),
    "nameless": ({"name": ""}, ("name", "missing")),
    "born tomorrow": ({"born": "2026-03-11"}, ("born_on", "future_date")),
    "born in antiquity": ({"born": "1801-01-01"}, ("born_on", "absurd_date")),
    "born on no day": ({"born": "1999-02-29"}, ("born_on", "not_a_date")),
    "no language": ({"lang": "Z"}, ("language", "not_a_language")),
    "no zone": ({"zone": "Asia/Atlantis"}, ("time_zone", "unknown_time_zone")),
    "one zone of two": ({"zone": "Asia/Shanghai;Mars"}, ("time_zone", "unknown_time_zone")),
    "no place": ({"place": "China"}, ("jurisdiction", "not_a_place")),
    "unknown source": ({"src": "X"}, ("contact.0.source", "unknown_code")),
    "no source": ({"src": ""}, ("contact.0.source", "missing")),
    "unreachable": ({"mobile": "", "home": ""}, ("contact.0.value", "missing")),
    "a home without position": ({"lat": ""}, ("contact.1.lat", "missing")),
    "beyond the pole": ({"lat": "91.5"}, ("contact.1.lat", "not_a_position")),
    "degrees in words": ({"lon": "121E"}, ("contact.1.lon", "not_a_position")),
}


def _read(path, agreed):
    (sheet,) = read_sheets(path, agreed)
    return understood(sheet, agreed, DAY)


def _origin(agreed):
    return PeopleOrigin(
        tenant="bank", contract=agreed, file_id=UUID(int=1), business_date=DAY, watermark=WATERMARK, number=100,
        learned_at=datetime(2026, 3, 11, tzinfo=UTC),
    )  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_every_kind_of_bad_row_names_its_field(tmp_path, form):
    rows, expected = [], []
    for number, (changes, refusal) in enumerate(BAD_PEOPLE.values()):
        rows += [person(2 * number) | changes, person(2 * number + 1)]
        expected += [refusal, None]
    agreed, found = people_contract(form), {}
    for sheet in read_sheets(write_people(tmp_path, f"bad.{form}", form, rows), agreed):
        read = understood(sheet, agreed, DAY)
        found |= {int(sheet.numbers[place]): (why.field, why.reason) for place, why in read.refused.items()}
    assert [found.get(number) for number in range(1, len(rows) + 1)] == expected


@pytest.mark.parametrize(
    ("raw", "reason"),
    [(b"\xff\xfe", "wrong_encoding"), (b"W\x00ng", "nul_byte"), (b"W\x07ng", "control_character")],
)
@pytest.mark.parametrize("form", ["csv", "fixed"])
def test_bytes_that_are_no_name(tmp_path, form, raw, reason):
    path = write_people(tmp_path, "t", form, [person(1, name="#" * len(raw)), person(2)])
    path.write_bytes(path.read_bytes().replace(b"#" * len(raw), raw))
    refused = _read(path, people_contract(form)).refused
    assert {place: (why.field, why.reason) for place, why in refused.items()} == {0: ("name", reason)}


@pytest.mark.parametrize("form", ["csv", "fixed"])
def test_a_row_becomes_the_event_of_the_topic(tmp_path, form):
    agreed = people_contract(form, encoding="gb18030")
    rows = [person(1, zone="Asia/Shanghai;Asia/Urumqi", born=""), person(2, home="", lat="", lon="")]
    read = _read(write_people(tmp_path, "t", form, rows, encoding="gb18030"), agreed)
    assert read.refused == {}
    first, second = (_origin(agreed).stated(read, place, is_overdue=False) for place in (0, 1))
    assert (first.type, first.key, first.data.core_sequence) == ("party.updated", "bank|core-a|P-1", 100)
    assert (first.data.name, first.data.born_on) == ("王小明1", None)
    assert first.data.time_zones == ["Asia/Shanghai", "Asia/Urumqi"]
    assert [one.kind for one in first.data.contact_points] == ["mobile", "home"]
    assert (second.data.born_on, second.data.history_known_from) == (date(1980, 5, 1), date(2025, 1, 1))
    assert [(one.kind, one.point) for one in second.data.contact_points] == [("mobile", None)]


_CONSENTS = b"""
[consent.electronic_contact]
given = { column = "seq", codes = { 7 = "yes", 8 = "no", 0 = "" } }
said_on = { column = "born" }
evidence = { column = "lang" }
"""


def test_consents_and_sources_of_zones_are_told_and_what_is_empty_is_not_said(tmp_path):
    agreed = read_contract(
        people_contract_text().replace(b"[[contact]]", b'zone_source = { value = "declared" }\n[[contact]]', 1)
        + _CONSENTS
    )
    rows = [person(1, born="2026-03-09"), person(2, born="2026-03-10", seq="8"), person(3, seq="0")]
    read = _read(write_people(tmp_path, "t", "csv", rows), agreed)
    assert read.refused == {}
    told = [_origin(agreed).stated(read, place, is_overdue=False).data for place in range(3)]
    assert [one.zone_sources for one in told] == [["declared"]] * 3
    (given,), (withdrawn,) = told[0].consents, told[1].consents
    assert (given.kind, given.given, given.evidence) == ("electronic_contact", True, "zh")
    assert given.said_at == datetime(2026, 3, 8, 10, tzinfo=UTC), "the first moment of the day anywhere"
    assert (withdrawn.given, withdrawn.said_at) == (False, WATERMARK), "the last one, and no later than the file"
    assert told[2].consents == []


@pytest.mark.parametrize(
    ("source", "changes", "refusal"),
    [
        ("declared", {"born": ""}, ("consent.electronic_contact.said_on", "missing")),
        ("declared", {"seq": "9"}, ("consent.electronic_contact.given", "unknown_code")),
        ("declared", {"zone": "Asia/Shanghai;Asia/Urumqi"}, ("zone_source", "not_one_for_each_zone")),
        ("guessed", {}, ("zone_source", "unknown_zone_source")),
    ],
)
def test_what_is_said_of_consents_and_zones_is_said_whole(tmp_path, source, changes, refusal):
    place = f'zone_source = {{ value = "{source}" }}\n[[contact]]'.encode()
    agreed = read_contract(people_contract_text().replace(b"[[contact]]", place, 1) + _CONSENTS)
    read = _read(write_people(tmp_path, "t", "csv", [person(1) | changes]), agreed)
    assert [(why.field, why.reason) for why in read.refused.values()] == [refusal]


def test_control_totals_count_filled_places_as_they_are_written(tmp_path):
    rows = [person(1, born=""), person(2, born="soon"), person(3)]
    path, agreed = write_people(tmp_path, "t", "csv", rows), people_contract(refused_per_mille=1000)
    found = survey(path, agreed, DAY)
    assert {slot: int(filled) for slot, (filled, _) in found.sums.items()} == people_manifest(path, rows).counts
    assert on_content(people_manifest(path, rows), agreed, found, None, 0) == []
    counts = people_manifest(path, rows).counts
    wrong = people_manifest(path, rows, counts=counts | {"born_on": 3})
    (objection,) = on_content(wrong, agreed, found, None, 0)
    assert str(objection) == "totals_differ: born_on is filled in 2 rows, the manifest says 3"
    (objection,) = on_manifest(people_manifest(path, rows, counts={}), agreed, None, DAY)
    assert objection.code == "no_totals"


def test_the_preview_shows_only_the_form_of_personal_data(tmp_path):
    path = write_people(tmp_path, "t", "csv", [person(1)])
    (row,) = preview(path, people_contract(), DAY, limit=5)
    assert (row.values["name"], row.values["born_on"]) == ("xxx9", "9999-99-99")
    assert (row.values["party_ref"], row.values["language"]) == ("P-1", "zh")


def test_a_contract_that_contradicts_itself():
    with pytest.raises(ContractError, match="belong together"):
        read_contract(people_contract_text().replace(b'order = "manifest"', b'order = "row"'))
    with pytest.raises(ContractError, match="fields"):
        read_contract(people_contract_text() + b"[fields]\n")
