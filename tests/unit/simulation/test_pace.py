"""The clock's driver: two looks at everybody in a row find nothing, or it does not step."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from shared.clock import SteppedClock
from simulation.api import Answer
from simulation.demo import START
from simulation.pace import SERVICES, NotQuiet, Pace

QUIET: dict[str, Any] = {"quiet": True}
BUSY: dict[str, Any] = {"quiet": False, "intents": 1}


class Services:
    """Each answers what is left in its list, then that it is quiet; `asked` are the questions."""

    def __init__(self, **answers: Sequence[dict[str, Any]]) -> None:
        self._answers = {service: list(said) for service, said in answers.items()}
        self.asked: list[str] = []

    async def get(self, service: str, path: str) -> Answer:
        self.asked.append(service)
        left = self._answers.get(service, [])
        return Answer(path, 200, left.pop(0) if left else QUIET)


def pace_of(services: Any, folder: Path) -> Pace:
    return Pace(services, SteppedClock.create(folder / "clock", start=START))


async def test_only_those_at_work_are_asked_between_looks_at_all(tmp_path: Path) -> None:
    services = Services(visits=[BUSY, BUSY])
    await pace_of(services, tmp_path).settle()
    assert services.asked == [*SERVICES, "visits", "visits", *SERVICES, *SERVICES]


async def test_one_quiet_look_is_not_enough(tmp_path: Path) -> None:
    services = Services(plans=[QUIET, BUSY])
    await pace_of(services, tmp_path).settle()
    assert services.asked == [*SERVICES, *SERVICES, "plans", *SERVICES, *SERVICES]


async def test_what_never_rests_is_named(tmp_path: Path) -> None:
    services = Services(intake=[BUSY] * 9)
    with pytest.raises(NotQuiet, match="intake"):
        await pace_of(services, tmp_path).settle(timeout_seconds=0.01)
