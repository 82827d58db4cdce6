"""Record and frame together say what was decided, whatever frame it is; a record of before says it alone."""

import json
import random
from typing import Any

import pytest

from services.compliance.domain.canonical import Json, canonical
from services.compliance.domain.decisions import encoded_record, record
from services.compliance.domain.frames import Frame, FrameError, shortened, told
from services.compliance.domain.judged_on import JudgedOn
from services.compliance.rule_book import rule_book

from .conftest import CASE, facts, question
from .test_replay import a_case


def decided(judged_on: JudgedOn, frame: bytes | None) -> dict[str, Any]:
    request: dict[str, Json] = {"channel": judged_on.question.channel}
    made = record(
        judged_on.decide(rule_book()), question=judged_on.question, facts=judged_on.facts, book=rule_book(),
        decision_id=CASE, request=request, frame=frame,
    )  # fmt: skip
    return json.loads(canonical(made))  # type: ignore[no-any-return]


def frame_of(judged_on: JudgedOn) -> Frame:
    frame = judged_on.decide(rule_book()).frame
    assert frame is not None
    return frame


def test_record_of_before_frames_says_everything_itself() -> None:
    whole = decided(JudgedOn(question=question(), facts=facts()), None)
    assert "frame" not in whole
    assert told(whole, None) == whole
    assert all(len(rule["citation"]) > 9 for rule in whole["rules"])


def test_any_frame_gives_the_same_rules_back() -> None:
    """Of another sort of contact, too: what does not fit is said whole, and nothing is lost."""
    draw = random.Random("frames")
    cases = [a_case(draw) for _ in range(40)]
    for one, other in zip(cases, reversed(cases), strict=True):
        whole = decided(one, None)
        for frame in (frame_of(one).content, frame_of(other).content):
            short = decided(one, frame)
            assert told(short, frame) == whole
            assert short["rules"] == shortened(whole["rules"], frame)


def test_what_the_desk_refused_stands_behind_the_rules_of_the_frame() -> None:
    judged_on = JudgedOn(question=question(), facts=facts(), refused_by="request_reused")
    frame = frame_of(judged_on)
    written = encoded_record(
        judged_on.decide(rule_book()), frame, question=judged_on.question, facts=judged_on.facts, book=rule_book(),
        decision_id=CASE, request={"channel": "visit"},
    )  # fmt: skip
    last = told(json.loads(written), frame.content)["rules"][-1]
    assert (last["rule"], last["answer"]) == ("REQUEST-REUSED", "deny")
    assert last["citation"].startswith("Doorstep")


def test_record_is_a_third_of_what_it_says() -> None:
    judged_on = JudgedOn(question=question(), facts=facts())
    frame = frame_of(judged_on).content
    assert len(canonical(decided(judged_on, frame))) * 3 < len(canonical(decided(judged_on, None)))


@pytest.mark.parametrize("change", [lambda _: None, lambda frame: frame + b" ", lambda _: b""])
def test_other_frame_than_the_one_named_is_refused(change: Any) -> None:
    frame = frame_of(JudgedOn(question=question(), facts=facts())).content
    short = decided(JudgedOn(question=question(), facts=facts()), frame)
    with pytest.raises(FrameError):
        told(short, change(frame))


def test_frame_says_nothing_of_the_person() -> None:
    """Two people in the same place and circumstances have the same frame."""
    first = JudgedOn(question=question(), facts=facts())
    other = JudgedOn(question=question(versions={"case": 1}), facts=facts(case_version=17, counted=()))
    assert frame_of(first).content == frame_of(other).content
