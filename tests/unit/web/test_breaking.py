"""What counts as a break of an API, and what does not."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from shared.web.breaking import breaking_changes

Document = dict[str, Any]


def released() -> Document:
    """One operation that reads and answers the same small model."""
    thing = {
        "type": "object",
        "required": ["name", "kind"],
        "properties": {
            "name": {"type": "string", "maxLength": 20},
            "kind": {"type": "string", "enum": ["big", "small"]},
            "note": {"anyOf": [{"type": "string"}, {"type": "null"}]},
            "parts": {"type": "array", "items": {"$ref": "#/components/schemas/Thing"}},
        },
    }
    media = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Thing"}}}}
    limit = {"name": "limit", "in": "query", "required": False, "schema": {"type": "integer", "maximum": 200}}
    return {
        "info": {"version": "1.0.0"},
        "paths": {
            "/v1/things": {
                "post": {
                    "security": [{"oidc": ["things.write"]}],
                    "parameters": [limit],
                    "requestBody": copy.deepcopy(media),
                    "responses": {"201": copy.deepcopy(media), "422": {}},
                }
            }
        },
        "components": {"schemas": {"Thing": thing}},
    }


def thing(document: Document) -> Document:
    found: Document = document["components"]["schemas"]["Thing"]
    return found


def post(document: Document) -> Document:
    found: Document = document["paths"]["/v1/things"]["post"]
    return found


def answer_only(document: Document) -> Document:
    """Nothing is read: only what concerns answers is left."""
    post(document).pop("requestBody", None)
    return document


def request_only(document: Document) -> Document:
    """Nothing is answered: only what concerns requests is left."""
    post(document)["responses"] = {"204": {}}
    return document


Change = Callable[[Document], object]
BREAKS: dict[str, tuple[Change, str]] = {
    "path": (lambda d: d["paths"].clear(), "POST /v1/things: the operation is gone"),
    "method": (lambda d: d["paths"]["/v1/things"].clear(), "the operation is gone"),
    "scope": (lambda d: post(d)["security"][0].update(oidc=["things.own"]), "another scope"),
    "status": (lambda d: post(d)["responses"].pop("201"), "status 201 is gone"),
    "parameter gone": (lambda d: post(d)["parameters"].clear(), "parameter limit is gone"),
    "parameter required": (lambda d: post(d)["parameters"][0].update(required=True), "limit became required"),
    "parameter bound": (lambda d: post(d)["parameters"][0]["schema"].update(maximum=100), "maximum is narrower"),
    "field gone": (lambda d: thing(d)["properties"].pop("note"), "field note is gone"),
    "type": (lambda d: thing(d)["properties"]["name"].update(type="integer"), "its type changed"),
    "value gone": (lambda d: thing(d)["properties"]["kind"].update(enum=["big"]), "values small are gone"),
}
REQUEST_BREAKS: dict[str, tuple[Change, str]] = {
    "new required": (
        lambda d: (thing(d)["properties"].update(age={"type": "integer"}), thing(d)["required"].append("age")),
        "field age became required",
    ),
    "no null": (lambda d: thing(d)["properties"]["note"].update(anyOf=[{"type": "string"}]), "its type changed"),
    "shorter": (lambda d: thing(d)["properties"]["name"].update(maxLength=10), "maxLength is narrower (20 → 10)"),
    "pattern": (lambda d: thing(d)["properties"]["name"].update(pattern="^a"), "its pattern changed"),
}
ANSWER_BREAKS: dict[str, tuple[Change, str]] = {
    "now optional": (lambda d: thing(d)["required"].remove("name"), "field name may now be left out"),
    "new value": (lambda d: thing(d)["properties"]["kind"]["enum"].append("tiny"), "values tiny are new to readers"),
    "now null": (
        lambda d: thing(d)["properties"].update(name={"anyOf": [{"type": "string"}, {"type": "null"}]}),
        "its type changed",
    ),
}


def changed(document: Document, change: Change) -> Document:
    built = copy.deepcopy(document)
    change(built)
    return built


@pytest.mark.parametrize("name", BREAKS)
def test_break_is_named(name: str) -> None:
    change, line = BREAKS[name]

    found = breaking_changes(released(), changed(released(), change))

    assert found
    assert all(line in each for each in found)


@pytest.mark.parametrize("name", REQUEST_BREAKS)
def test_break_of_a_request_is_named_once(name: str) -> None:
    change, line = REQUEST_BREAKS[name]
    before = request_only(released())

    found = breaking_changes(before, changed(before, change))

    assert len(found) == 1
    assert line in found[0]


@pytest.mark.parametrize("name", ANSWER_BREAKS)
def test_break_of_an_answer_is_named_once(name: str) -> None:
    change, line = ANSWER_BREAKS[name]
    before = answer_only(released())

    found = breaking_changes(before, changed(before, change))

    assert len(found) == 1
    assert line in found[0]


@pytest.mark.parametrize("name", REQUEST_BREAKS)
def test_what_breaks_requests_only_does_not_break_answers(name: str) -> None:
    before = answer_only(released())

    assert breaking_changes(before, changed(before, REQUEST_BREAKS[name][0])) == []


@pytest.mark.parametrize("name", ANSWER_BREAKS)
def test_what_breaks_answers_only_does_not_break_requests(name: str) -> None:
    before = request_only(released())

    assert breaking_changes(before, changed(before, ANSWER_BREAKS[name][0])) == []


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d["paths"].update({"/v1/others": {"get": {"responses": {}}}}),
        lambda d: thing(d)["properties"].update(age={"type": "integer"}),
        lambda d: thing(d)["properties"]["name"].update(maxLength=40, description="Longer."),
        lambda d: post(d)["responses"].update({"409": {}}),
        lambda d: post(d)["parameters"].append({"name": "after", "in": "query", "schema": {"type": "string"}}),
    ],
    ids=["operation", "optional field", "longer", "problem", "optional parameter"],
)
def test_growth_breaks_nobody(change: Change) -> None:
    assert breaking_changes(released(), changed(released(), change)) == []


def test_a_renamed_model_breaks_nobody() -> None:
    built = changed(released(), lambda d: d["components"]["schemas"].update(Item=thing(d)))
    for part in (post(built)["requestBody"], post(built)["responses"]["201"]):
        part["content"]["application/json"]["schema"]["$ref"] = "#/components/schemas/Item"

    assert breaking_changes(released(), built) == []


def test_a_new_major_version_may_break() -> None:
    built = changed(released(), lambda d: (d["paths"].clear(), d["info"].update(version="2.0.0")))

    assert breaking_changes(released(), built) == []


def test_a_new_minor_version_may_not() -> None:
    built = changed(released(), lambda d: (d["paths"].clear(), d["info"].update(version="1.7.0")))

    assert len(breaking_changes(released(), built)) == 1
