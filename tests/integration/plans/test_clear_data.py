"""No table of plans holds in clear what a household told of its money, nor what it signed."""

from tests.clear_data import filled, holding
from tests.integration.assignment.harness import Desk

from .test_plans import money, open_case, propose, sign

# Long enough that no random key, hash or id holds them by chance.
TOLD = {"monthly_income": money(3_543_217), "monthly_rent": money(1_076_539), "other_commitments": money(1_011_173)}


async def test_what_a_household_told_is_kept_sealed(desk: Desk) -> None:
    """Proposed, refused for more than it can pay, signed."""
    case = await open_case(desk)
    plan = await propose(desk, case, **TOLD)
    assert (await sign(desk, plan)).status_code == 200
    seen = await filled(desk.database)
    assert {"plan", "outbox"} <= seen, seen
    words = ["3543217", "1076539", "1011173", "35,432.17", "35432.17", "10,765.39", "10765.39", "10,111.73", "10111.73"]
    assert await holding(desk.database, words) == {}
