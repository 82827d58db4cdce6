"""No table of plans holds in clear what a household told of its money, nor what it signed."""

from tests.clear_data import filled, holding
from tests.integration.assignment.harness import Desk

from .test_plans import money, open_case, propose, sign

TOLD = {"monthly_income": money(354_321), "monthly_rent": money(107_653), "other_commitments": money(11_117)}


async def test_what_a_household_told_is_kept_sealed(desk: Desk) -> None:
    """Proposed, refused for more than it can pay, signed."""
    case = await open_case(desk)
    plan = await propose(desk, case, **TOLD)
    assert (await sign(desk, plan)).status_code == 200
    seen = await filled(desk.database)
    assert {"plan", "outbox"} <= seen, seen
    words = ["354321", "107653", "11117", "3,543.21", "3543.21", "1,076.53", "1076.53", "111.17"]
    assert await holding(desk.database, words) == {}
