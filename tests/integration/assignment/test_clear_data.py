"""No table of assignment holds where exactly somebody lives: routes are worked out on points that stay nowhere."""

from typing import Any

from tests.clear_data import filled, holding

from .days import HOME, Neighbours, open_cases, plan, register
from .harness import Desk

OF_THE_PERSON = HOME | {"lat": HOME["lat"] + 0.000123, "lon": HOME["lon"] + 0.000321}


async def test_exact_places_are_kept_nowhere(desk: Desk, neighbours: Neighbours) -> None:
    """From the points that intake gave for the route to the proposal of a visit."""

    def points(_: str, body: Any) -> tuple[int, Any]:
        return 200, {"items": [{"party_id": one["party_id"], "point": OF_THE_PERSON} for one in body["items"]]}

    neighbours.intake.play = points
    await register(desk)
    await open_cases(desk, 2)
    assert (await plan(desk))["routes"] != []
    seen = await filled(desk.database)
    assert {"candidate", "outbox"} & seen, seen
    assert await holding(desk.database, [str(OF_THE_PERSON["lat"]), str(OF_THE_PERSON["lon"])]) == {}
