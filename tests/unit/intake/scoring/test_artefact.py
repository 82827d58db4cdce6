"""The file of a model: the same bytes for the same model, and no other byte is taken."""

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.intake.scoring.artefact import ArtefactError, Gate, decode, encode, model_hash
from services.intake.scoring.features import SEGMENTS
from services.intake.scoring.shipped import MODEL_FILE, SHIPPED
from tests.unit.intake.scoring.models import MODEL, OPEN, SHUT

CONTENT = encode(MODEL)
CARD = Path(__file__).parents[4] / "docs" / "model-card.md"


def test_model_comes_back_from_its_file() -> None:
    assert decode(CONTENT) == MODEL
    assert encode(decode(CONTENT)) == CONTENT


@given(place=st.integers(0, len(CONTENT) - 1), other=st.integers(0, 255))
@settings(max_examples=150)
def test_changed_byte_is_refused(place: int, other: int) -> None:
    changed = CONTENT[:place] + bytes([other]) + CONTENT[place + 1 :]

    if changed == CONTENT:
        assert decode(changed) == MODEL
    else:
        with pytest.raises(ArtefactError):
            decode(changed)


def test_shipped_model_is_for_demonstration_and_has_a_card() -> None:
    content = (SHIPPED / MODEL_FILE).read_bytes()

    assert decode(content).purpose == "demonstration"
    assert f"SHA-256 of the model `{model_hash(content)}`" in CARD.read_text(), "run ./doorstep score train"


def test_shipped_model_shows_no_segment_with_a_closed_gate() -> None:
    card = CARD.read_text()

    for target, gates in decode((SHIPPED / MODEL_FILE).read_bytes()).gates.items():
        section = re.search(rf"^### {target}$(.*?)^###? ", card, re.MULTILINE | re.DOTALL)
        assert section is not None
        for name, gate in gates.items():
            row = next(line for line in section[1].splitlines() if line.startswith(f"| {name} |"))
            assert row.endswith("| yes |" if gate.is_open else "| **no** |")


@pytest.mark.parametrize(
    ("gate", "is_open"),
    [
        (OPEN, True),
        (SHUT, False),
        (Gate(900, 0.7, 0.55, 0.8, 0.18, 0.2), False),
        (Gate(900, 0.7, 0.65, 0.75, 0.21, 0.2), False),
    ],
)
def test_gate_needs_an_interval_above_chance_and_a_better_brier_score(gate: Gate, is_open: bool) -> None:
    assert gate.is_open is is_open


def test_untested_segment_is_closed() -> None:
    assert MODEL.shown("cure") == (True, *[False] * (len(SEGMENTS) - 1))
