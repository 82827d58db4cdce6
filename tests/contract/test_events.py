"""The released contracts equal the models, their examples are valid, and the check against breaks can fail."""

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from shared.events.catalogue import CATALOGUE
from shared.events.codec import REQUIRED_HEADERS
from shared.events.contracts import asyncapi, breaking_changes, catalogue_page, schema_of, stale_files
from shared.events.effects import EFFECTS
from shared.events.examples import EXAMPLES
from shared.events.topics import TOPICS

ROOT = Path(__file__).parents[2]


def test_generated_files_are_fresh() -> None:
    assert stale_files(ROOT / "contracts", page=ROOT / "docs/events.md") == [], "run ./doorstep contracts export"


def test_nothing_breaks_the_last_release() -> None:
    assert breaking_changes(ROOT / "contracts") == []


@pytest.mark.parametrize("name", sorted(CATALOGUE))
def test_example_satisfies_its_closed_schema(name: str) -> None:
    jsonschema.validate(
        EXAMPLES[name], schema_of(CATALOGUE[name]), format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
    )


@pytest.mark.parametrize("name", sorted(CATALOGUE))
def test_unknown_field_must_fail_for_producers(name: str) -> None:
    with pytest.raises(jsonschema.ValidationError, match="Additional properties"):
        jsonschema.validate(EXAMPLES[name] | {"note_of_nobody": 1}, schema_of(CATALOGUE[name]))


@pytest.mark.parametrize("name", sorted(CATALOGUE))
def test_every_field_is_described(name: str) -> None:
    schema = schema_of(CATALOGUE[name])

    assert [n for n, field in schema["properties"].items() if "description" not in field and "$ref" not in field] == []


@pytest.mark.parametrize("change", ["drop", "require", "retype"])
def test_a_break_is_found(tmp_path: Path, change: str) -> None:
    schema = schema_of(CATALOGUE["visit.agreed"])
    if change == "drop":
        schema["properties"]["gone"] = {"type": "string"}
    elif change == "require":
        schema["required"].remove("window")
    else:
        schema["properties"]["version"]["type"] = "string"
    (tmp_path / "events").mkdir()
    (tmp_path / "events/visit.agreed.v1.json").write_text(json.dumps(schema))

    assert len(breaking_changes(tmp_path)) == 1


def test_a_removed_type_is_found(tmp_path: Path) -> None:
    (tmp_path / "events").mkdir()
    (tmp_path / "events/visit.teleported.v1.json").write_text("{}")

    assert breaking_changes(tmp_path) == ["visit.teleported.v1: the type is gone"]


def test_asyncapi_names_every_type_and_topic() -> None:
    document = yaml.safe_load((ROOT / "contracts/asyncapi.yaml").read_text())

    assert {message["name"] for message in document["components"]["messages"].values()} == set(CATALOGUE)
    assert set(document["channels"]) == {name for name in TOPICS if not name.endswith(".dlq")}


def test_only_intake_reads_what_the_core_says() -> None:
    assert {TOPICS["loan"].readers, TOPICS["loan-urgent"].readers} == {frozenset({"intake"})}


def test_no_personal_field_leaves_the_loan_topics() -> None:
    personal = {"name", "phone", "address", "note", "contact_points", "email"}
    leaking = {
        (event_type.name, field)
        for event_type in CATALOGUE.values()
        if not set(event_type.topics) & {"loan", "loan-urgent"} and event_type.name != "compliance.checkpoint_published"
        for field in event_type.model.model_fields
        if field in personal
    }

    assert leaking == set()


def test_every_fact_of_a_core_says_what_it_does() -> None:
    assert EFFECTS.keys() == {name for name, event_type in CATALOGUE.items() if "loan" in event_type.topics}


@pytest.mark.parametrize(
    ("name", "key"), [("loan.overdue.v1", "tenant|core|party_ref"), ("visit.offered.v1", "party_id as in the data")]
)
def test_a_producer_reads_what_its_record_needs(name: str, key: str) -> None:
    message = asyncapi()["components"]["messages"][name]

    assert set(REQUIRED_HEADERS) == set(message["headers"]["required"]) <= message["headers"]["properties"].keys()
    assert message["bindings"]["kafka"]["key"]["description"].startswith(key)
    assert all(f"| `{header}` | yes |" in catalogue_page() for header in REQUIRED_HEADERS)
