"""What comes out late about one person is held against everybody who shares a key with them."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4

from services.compliance import hold_desk, sharing_desk
from services.compliance.store.facts import load_facts
from services.compliance.watch import Timer
from shared.events.case import CaseOpened
from shared.ids import draw_shard, entity_id
from shared.messaging import intent_store
from shared.messaging.intents import TimerDue

from .conftest import Desk, opened_case, visit_contact
from .test_debts import loan, updated
from .test_shared_budget import HOME, SYDNEY, call, co_borrowers, decided, housemates, refused_by
from .test_third_persons import NEIGHBOUR, borrower, inquiry

BOSTON = {"jurisdiction": "US-MA", "time_zones": ["America/New_York"], "household": HOME}


async def carry(desk: Desk) -> int:
    """What the workers do with the intents that wait; how many there were."""
    return sum([await _work(desk, timer) for timer in timers(desk)])


def timers(desk: Desk) -> tuple[Timer, ...]:
    return (
        sharing_desk.reach_timer(desk.instruments), sharing_desk.inquiries_timer(desk.instruments),
        hold_desk.ends_timer(desk.instruments),
    )  # fmt: skip


async def _work(desk: Desk, timer: Timer) -> int:
    async with desk.database.unit_of_work() as uow:
        leased = await intent_store.lease(uow, timer.kind, limit=50, lease_id=uuid4(), duration=timedelta(minutes=1))
    for intent in leased:
        async with desk.database.unit_of_work() as uow:
            await timer.commit(uow, [(intent, TimerDue())])
    return len(leased)


async def tell(desk: Desk, case: CaseOpened, **changes: Any) -> None:
    """A call without a permit, told a day late."""
    started_at = desk.clock.business - timedelta(days=1)
    late = {"channel": "call", "started_at": started_at, "ended_at": started_at, "crew": []}
    await desk.deliver("contact", ("contact.recorded", visit_contact(case, None, **(late | changes))))


async def revoked(desk: Desk, answers: list[dict[str, Any]]) -> list[bool]:
    return [(await desk.get(f"/v1/permits/{one['permit_id']}")).json()["revoked"] for one in answers]


async def test_late_contact_takes_back_the_last_permit_of_whoever_shares_the_debt(desk: Desk) -> None:
    first, second, third = await co_borrowers(desk, 3)
    granted = await desk.ask(call(second), call(third, day=4), call(second, day=5))
    assert decided(granted) == ["allow"] * 3
    await tell(desk, first)
    assert await revoked(desk, granted) == [False] * 3, "another transaction looks at the others"
    await carry(desk)
    assert await revoked(desk, granted) == [False, False, True]
    assert await carry(desk) == 0
    events = await desk.events("compliance.permit_revoked")
    assert [(one["party_id"], one["cause"]) for one in events] == [(str(second.party_id), "AU-RG96-3W10M")]


async def test_own_late_contact_leaves_what_was_granted_before_to_another(desk: Desk) -> None:
    """The one order of all grants: the late contact's own person gives way only where theirs came last."""
    first, second = await co_borrowers(desk)
    granted = await desk.ask(call(first), call(second, day=4), call(second, day=5))
    await tell(desk, first)
    await carry(desk)
    assert await revoked(desk, granted) == [False, False, True]


async def test_late_contact_reaches_the_people_of_one_home(desk: Desk) -> None:
    first, second, third = await housemates(desk, 3)
    granted = await desk.ask(call(second, hour=16), call(third, hour=16))
    assert decided(granted) == ["allow"] * 2
    started_at = datetime(2026, 3, 2, 0, tzinfo=UTC)
    await tell(desk, first, started_at=started_at, ended_at=started_at, outcome="met_customer")
    await carry(desk)
    assert await revoked(desk, granted) == [False, True]


async def test_contact_on_its_permit_concerns_nobody_else(desk: Desk) -> None:
    first, _ = await co_borrowers(desk)
    [permit] = await desk.ask(call(first))
    started_at = datetime(2026, 3, 3, 4, tzinfo=UTC)
    made = visit_contact(first, permit, channel="call", started_at=started_at, ended_at=started_at, crew=[])
    await desk.deliver("contact", ("contact.recorded", made))
    assert await carry(desk) == 0


async def test_use_after_a_release_reaches_those_who_took_what_it_freed(desk: Desk) -> None:
    first, second = await co_borrowers(desk)
    [given_back, *_] = await desk.ask(call(first), call(first, day=4), call(first, day=5))
    await desk.post(f"/v1/permits/{given_back['permit_id']}/release", {"cause": "customer_moved"})
    granted = await desk.ask(call(second, day=6))
    assert decided(granted) == ["allow"]
    used = {"used_at": "2026-03-03T04:00:00Z"}
    assert (await desk.post(f"/v1/permits/{given_back['permit_id']}/use", used)).status_code == 409
    await carry(desk)
    assert await revoked(desk, granted) == [True]


async def test_late_contact_is_held_against_later_ones_with_those_who_share_the_debt(desk: Desk) -> None:
    first, second = await co_borrowers(desk)
    made = [datetime(2026, 3, 1, hour, tzinfo=UTC) for hour in (1, 2, 3)]
    for moment in made:
        await tell(desk, second, started_at=moment, ended_at=moment)
    assert await _over(desk) == []
    earlier = datetime(2026, 2, 28, 4, tzinfo=UTC)
    await tell(desk, first, started_at=earlier, ended_at=earlier)
    await carry(desk)
    assert await _over(desk) == [(second.party_id, False, True)], "harm: nobody knew when it was made"


async def _over(desk: Desk) -> list[tuple[Any, ...]]:
    async with desk.database.read_only() as uow:
        rows = await uow.sql.fetch("SELECT party_id, conduct, harm FROM finding WHERE rule = 'AU-RG96-3W10M'")
    return [tuple(row) for row in rows]


async def test_refusal_takes_back_what_others_were_granted_to_ask(desk: Desk) -> None:
    first, second = await borrower(desk, 1), await borrower(desk, 2)
    granted = await desk.ask(inquiry(first), inquiry(first, "+1 617 555 0199"))
    assert decided(granted) == ["allow"] * 2
    now = desk.clock.business
    await tell(
        desk, second, channel="third_party_location", started_at=now, ended_at=now, third_person_refused=True,
        contact_point=desk.instruments.contact_point_commitment(NEIGHBOUR),
    )  # fmt: skip
    await carry(desk)
    assert await revoked(desk, granted) == [True, False]
    [answer] = await desk.ask(inquiry(second))
    assert "BANK-THIRD-PERSON" in refused_by(answer)


async def test_look_back_before_a_co_borrowers_attested_history_counts_as_full(desk: Desk) -> None:
    first, second = await co_borrowers(desk)
    attested = updated(second, history_known_from=date(2026, 3, 1))
    await desk.deliver("case", ("case.updated", attested))
    assert decided(await desk.ask(call(first), call(second))) == ["deny", "deny"]
    [answer] = await desk.ask(call(first))
    assert answer["reasons"][0]["detail"].startswith("the look-back reaches before the attested history")


async def test_co_borrower_of_whom_nothing_is_attested_is_a_missing_fact(desk: Desk) -> None:
    case = await desk.open_case(loans=[loan(entity_id(draw_shard()))], **SYDNEY)
    [answer] = await desk.ask(call(case))
    assert {one["lawful_after"] for one in answer["reasons"]} == {"party.sharers_known_from"}


async def test_a_visit_told_before_its_case_counts_only_for_who_shares_home_and_debt(desk: Desk) -> None:
    lead, second = entity_id(draw_shard()), entity_id(draw_shard())
    joint = [loan(second, debt_id=uuid4(), lead=lead)]
    first, bound = (opened_case(party_id=one, loans=joint, **BOSTON) for one in (lead, second))
    lodger = opened_case(loans=[loan()], **BOSTON)
    await desk.deliver("contact", ("contact.recorded", visit_contact(first, None)))
    await desk.deliver("case", *(("case.opened", case) for case in (first, lodger, bound)))
    for case, shares in ((lodger, False), (bound, True)):
        async with desk.database.unit_of_work() as uow:
            facts = (await load_facts(uow, desk.instruments.cipher, [case.party_id]))[case.party_id]
        [made] = facts.shared
        assert made.shares("household", facts.keys["household"])
        assert made.shares("debt", facts.keys["debt"]) is shares
