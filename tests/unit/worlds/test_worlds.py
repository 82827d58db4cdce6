"""Worlds keep every promise, are the same again by their seed, and reach what they are meant to reach."""

import re
from collections import Counter

import pytest

from cli.worlds import judge_worlds, tell_story
from worlds import run
from worlds.checker import Checked


@pytest.fixture(scope="module")
def tally() -> run.Tally:
    return run.judge_range(50_000, 60)


def test_every_promise_is_kept(tally: run.Tally) -> None:
    assert tally.breaches == []


@pytest.mark.parametrize(
    "what",
    [
        "granted", "refused", "contacts by the protocol", "contacts unlawful", "within F after a fact",
        "permits before a change of rules", "asked again at the earliest",
    ],
)  # fmt: skip
def test_worlds_reach(tally: run.Tally, what: str) -> None:
    assert tally.counts[what] > 0


def test_same_seed_same_world() -> None:
    first, second, other = run.live(12), run.live(12), run.live(13)
    assert (first.events, first.leaves) == (second.events, second.leaves)
    assert first.events != other.events


def test_broken_world_is_a_breach_and_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def judge(seed: int) -> Checked:
        if seed == 1:
            raise ZeroDivisionError
        return Checked(counts=Counter(granted=1))

    monkeypatch.setattr(run, "judge", judge)
    tally = run.judge_range(0, 3)
    assert [seed for seed, _ in tally.breaches] == [1]
    assert (tally.worlds, tally.counts["granted"]) == (3, 2)


def test_many_processes_judge_each_world_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "_WORLDS_PER_TASK", 5)
    told: list[int] = []
    tally = run.judge_many(0, 11, on_progress=told.append, processes=2)
    assert (tally.worlds, told, tally.breaches) == (11, [5, 5, 1], [])
    assert tally.counts == run.judge_range(0, 11).counts


def test_story_is_readable(capsys: pytest.CaptureFixture[str]) -> None:
    assert tell_story(7) == 0
    told = capsys.readouterr().out
    assert re.search(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ  \w+ lives in ", told, re.MULTILINE)
    assert "every promise was kept" in told


def test_breach_names_the_seed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worlds.run.judge", lambda seed: Checked(breaches=[run.Breach("a budget was passed", "x")]))
    assert judge_worlds(first=33, count=1) == 1
    assert "./doorstep worlds --seed 33" in capsys.readouterr().out
