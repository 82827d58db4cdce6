"""No table of visits holds where exactly somebody lives, nor what identifies the customer."""

from typing import Any

from tests.clear_data import filled, holding

from .test_door import OTHER_PERSON


async def test_exact_places_are_kept_nowhere(world: Any) -> None:
    """A refused check-in, then a visit from arrival to departure: cells of about 500 m are all that stays."""
    await world.assigned()
    await world.check_in(permit=None)
    await world.check_in()
    await world.post(f"/v1/visits/{world.visit_id}/check-out", OTHER_PERSON)
    await world.work()
    seen = await filled(world.database)
    assert {"visit", "check_in_refusal", "outbox", "intent"} <= seen, seen
    assert await holding(world.database, ["30.1558", "119.9634"]) == {}
