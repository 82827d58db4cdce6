"""Standing: what the rules answer that look at little, recalled together by all that they look at."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Final, NamedTuple

from services.compliance.domain.compiled.asked import Asked
from services.compliance.domain.packs import remember
from services.compliance.domain.rules.known import seen
from services.compliance.domain.rulings import Answer, Ruling

Judges = tuple[tuple[int, Callable[[Asked], Ruling]], ...]
"""Judges with the place of their rule in the order of the rules."""

OF_STANDING: Final = frozenset(
    {
        "party_known", "case_open", "jurisdiction_known", "zones_known", "versions_seen", "channel_has_hours",
        "bound_to_place", "crew", "closed_days",
    }
)  # fmt: skip
"""The kinds of rules that look at nothing but what `_looked_at` returns."""


class Answered(NamedTuple):
    """A ruling for each place of the plan, as usual or by the standing, and the places of those that refuse."""

    rulings: list[Ruling]
    refusing: tuple[int, ...]


class Standing:
    """The rules of these kinds that a plan asks."""

    def __init__(self, usual: tuple[Ruling, ...], judges: Judges) -> None:
        self._usual = usual
        self._judges = judges
        self._recalled: dict[Hashable, Answered] = {}

    def of(self, asked: Asked) -> Answered:
        """What they answer; the usual rulings stand in the other places."""
        looked_at = _looked_at(asked)
        answered = None if looked_at is None else self._recalled.get(looked_at)
        if answered is None:
            answered = self._judged(asked)
            if looked_at is not None:
                remember(self._recalled, looked_at, answered)
        return answered

    def _judged(self, asked: Asked) -> Answered:
        rulings = list(self._usual)
        for place, judge in self._judges:
            rulings[place] = judge(asked)
        refusing = tuple(place for place, _ in self._judges if rulings[place].answer is not Answer.ALLOW)
        return Answered(rulings, refusing)


def _looked_at(asked: Asked) -> Hashable | None:
    """None where it is not worth recalling: the asker has seen more than compliance."""
    question, facts = asked.first_question, asked.facts
    versions = question.versions
    for kind, version in versions.items():
        if seen(kind, question, facts) < version:
            return None
    return (
        facts.known, facts.held, question.case_id is None or question.case_id == facts.case_id, facts.case_open,
        facts.case_version, question.jurisdiction, asked.zones, asked.dates, question.device_id is None,
        question.place_cell is None, len(set(question.crew)), *versions.items(),
    )  # fmt: skip
