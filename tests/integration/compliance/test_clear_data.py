"""No table of compliance holds in clear what it was told of a person."""

from datetime import timedelta

from tests.clear_data import filled, holding

from .conftest import Desk, visit_contact
from .test_erased_schema import known_everywhere
from .test_shared_budget import call

NUMBER, ROAD = "+86 138 5551 2345", "Sunflower Lane 4711"
WORDS = (NUMBER, "5551 2345", ROAD, "Sunflower", "Too loud.", "settled with the person", "a letter", "+8613800000000")


async def test_nothing_told_of_a_person_is_kept_in_clear(desk: Desk) -> None:
    """Numbers, addresses and words of people, however they came: permits, contacts, holds, complaints."""
    case, _ = await known_everywhere(desk)
    await desk.ask(call(case, contact_point=NUMBER, address=ROAD))
    commitment = desk.instruments.contact_point_commitment(NUMBER)
    now = desk.clock.business
    made = visit_contact(
        case, None, channel="call", started_at=now - timedelta(hours=1), ended_at=now, crew=[],
        contact_point=commitment,
    )  # fmt: skip
    await desk.deliver("contact", ("contact.recorded", made))
    seen = await filled(desk.database)
    assert {"permit", "contact_audit", "hold", "complaint_version", "log_entry", "outbox"} <= seen, seen
    assert await holding(desk.database, WORDS) == {}
