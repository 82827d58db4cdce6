"""Every catalogued event is told in a case's timeline, or it is said why not; details are where the contracts say."""

import json
from pathlib import Path

import pytest

from services.intake.api.timeline import DETAILS
from services.intake.domain.timeline import LEFT_OUT, tell, told_types
from shared.events.catalogue import CATALOGUE
from shared.events.examples import EXAMPLES

OPENAPI = Path(__file__).parents[2] / "contracts" / "openapi"
TOLD = sorted(set(CATALOGUE) - LEFT_OUT.keys())
INTERNAL = ("case", "visit", "plan", "contact", "compliance", "stop")


def test_each_type_is_told_or_left_out_with_a_reason() -> None:
    silent = {name for name in CATALOGUE if tell(name, EXAMPLES[name]) is None}
    assert silent == LEFT_OUT.keys()
    assert all(LEFT_OUT.values())


@pytest.mark.parametrize("name", TOLD)
def test_the_sentence_is_whole(name: str) -> None:
    told = tell(name, EXAMPLES[name])
    assert told is not None
    assert told.sentence.endswith(".")
    assert told.sentence[0].isupper()
    assert not {"{", "}", "amount_minor"} & set(told.sentence.split())
    assert "{'" not in told.sentence
    assert told.reference, "the example names the thing that it is about"


@pytest.mark.parametrize("name", TOLD)
def test_fields_that_are_not_told_yet_are_not_known(name: str) -> None:
    assert tell(name, {}) is not None


def test_types_are_subscribed_by_the_topic_on_which_they_appear() -> None:
    for topic in INTERNAL:
        expected = {name for name in TOLD if topic in CATALOGUE[name].topics}
        assert told_types(topic) == expected


@pytest.mark.parametrize("about", DETAILS)
def test_details_are_at_a_route_of_their_owner(about: str) -> None:
    service, path = DETAILS[about]
    assert "get" in json.loads((OPENAPI / f"{service}.json").read_text())["paths"][path]
