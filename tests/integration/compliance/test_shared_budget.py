"""One budget for everybody who shares a debt, a number or a home: reserved, used, moved, given back, told late."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4

from services.compliance.store import permits as permit_store
from shared.events.case import CaseOpened
from shared.ids import draw_shard, entity_id

from .conftest import Desk, opened_case, visit_contact, visit_request
from .test_debts import loan

SYDNEY = {"jurisdiction": "AU", "time_zones": ["Australia/Sydney"]}
HOME = "a" * 32
# What must be known of a person in Boston before anybody calls.
BOSTONIANS = {"employer_permits": True, "third_party_permitted": True, "work_calls_accepted": True}


def call(case: CaseOpened, *, day: int = 3, hour: int = 4, **changes: Any) -> dict[str, Any]:
    """A call of five minutes in March 2026, `hour` by UTC (noon in Shanghai, three o'clock in Sydney)."""
    start = datetime(2026, 3, day, hour, tzinfo=UTC)
    values: dict[str, Any] = {
        "channel": "call", "jurisdiction": case.jurisdiction, "time_zones": case.time_zones, "duration_minutes": 5,
        "window": {"start": start.isoformat(), "end": (start + timedelta(minutes=30)).isoformat()},
    }  # fmt: skip
    return visit_request(case, **(values | changes))


async def co_borrowers(desk: Desk, count: int = 2, **changes: Any) -> list[CaseOpened]:
    """People in Sydney, each with a case, bound by one debt."""
    people = [entity_id(draw_shard()) for _ in range(count)]
    debt_id = uuid4()
    cases = [
        opened_case(party_id=one, loans=[loan(*people[1:], debt_id=debt_id, lead=people[0])], **SYDNEY | changes)
        for one in people
    ]
    await desk.deliver("case", *(("case.opened", case) for case in cases))
    return cases


async def housemates(desk: Desk, count: int = 2, **changes: Any) -> list[CaseOpened]:
    """People in Boston of one home, each with a debt of their own, of whom everything is known that a call needs."""
    place = {"jurisdiction": "US-MA", "time_zones": ["America/New_York"], "household": HOME}
    cases = [await desk.open_case(loans=[loan()], **place | changes) for _ in range(count)]
    for case in cases:
        await desk.tell(case.party_id, **BOSTONIANS)
        told = {"party_id": str(case.party_id), "wishes": [], "told_at": desk.clock.business.isoformat()}
        assert (await desk.post("/v1/preferences", told)).status_code == 200
    return cases


def decided(answers: list[dict[str, Any]]) -> list[str]:
    return [one["decision"] for one in answers]


def refused_by(answer: dict[str, Any]) -> list[str]:
    return [one["rule"] for one in answer["reasons"]]


async def test_co_borrowers_share_the_debts_budget(desk: Desk) -> None:
    first, second = await co_borrowers(desk)
    assert decided(await desk.ask(call(first), call(first, day=4), call(second, day=4))) == ["allow"] * 3
    [answer] = await desk.ask(call(second, day=5))
    assert refused_by(answer) == ["AU-RG96-3W10M"]
    assert answer["reasons"][0]["values"]["count"] == 3


async def test_another_debt_has_a_budget_of_its_own(desk: Desk) -> None:
    first, second = await co_borrowers(desk)
    stranger = await desk.open_case(loans=[loan()], **SYDNEY)
    assert decided(await desk.ask(call(first), call(first, day=4), call(second, day=4))) == ["allow"] * 3
    assert decided(await desk.ask(call(stranger, day=5))) == ["allow"]


async def test_a_release_frees_every_key_and_a_move_swaps_all_at_once(desk: Desk) -> None:
    first, second = await co_borrowers(desk)
    [one, _, _] = await desk.ask(call(first), call(first, day=4), call(second, day=4))
    [moved] = await desk.ask(call(first, day=5, replaces=one["permit_id"]))
    assert moved["decision"] == "allow"
    assert decided(await desk.ask(call(second, day=6))) == ["deny"]
    released = await desk.post(f"/v1/permits/{moved['permit_id']}/release", {"cause": "customer_moved"})
    assert released.status_code == 200
    assert decided(await desk.ask(call(second, day=6))) == ["allow"]


async def test_in_one_batch_a_move_of_one_is_seen_by_the_other(desk: Desk) -> None:
    first, second = await co_borrowers(desk)
    [one, _, _] = await desk.ask(call(first), call(first, day=4), call(second, day=4))
    answers = await desk.ask(call(first, day=5, replaces=one["permit_id"]), call(second, day=6))
    assert decided(answers) == ["allow", "deny"]


async def test_a_contact_told_late_counts_on_the_debt(desk: Desk) -> None:
    first, second = await co_borrowers(desk)
    assert decided(await desk.ask(call(first), call(second, day=4))) == ["allow"] * 2
    late = visit_contact(
        first, None, channel="call", started_at=desk.clock.business - timedelta(days=1),
        ended_at=desk.clock.business - timedelta(days=1), crew=[],
    )  # fmt: skip
    await desk.deliver("contact", ("contact.recorded", late))
    assert decided(await desk.ask(call(second, day=5))) == ["deny"]


async def test_a_contact_that_took_over_its_reservation_counts_once(desk: Desk) -> None:
    first, second = await co_borrowers(desk)
    [one, _] = await desk.ask(call(first), call(second, day=4))
    start = datetime(2026, 3, 3, 4, tzinfo=UTC)
    made = visit_contact(first, one, channel="call", started_at=start, ended_at=start, crew=[])
    await desk.deliver("contact", ("contact.recorded", made))
    assert decided(await desk.ask(call(second, day=5), call(second, day=6))) == ["allow", "deny"]


async def test_a_number_is_one_however_it_is_written_and_whoever_it_reaches(desk: Desk) -> None:
    people = [await desk.open_case() for _ in range(3)]
    for number, hour in enumerate((2, 3, 4, 5, 6, 7)):
        written = ("+86 138-0000-0000", "0086 13800000000", "+8613800000000")[number % 3]
        asked = call(people[number % 3], hour=hour, contact_point=written)
        assert decided(await desk.ask(asked)) == ["allow"]
    [answer] = await desk.ask(call(people[0], hour=8, contact_point="+8613800000000"))
    assert refused_by(answer) == ["CN-CBA2026-UNANS6"]
    assert decided(await desk.ask(call(people[0], hour=8, contact_point="+8613900000000"))) == ["allow"]


async def test_a_number_is_kept_only_as_a_commitment(desk: Desk) -> None:
    case = await desk.open_case()
    asked = call(case, contact_point="+86 138-0000-0000", address="Road 1")
    [granted] = await desk.ask(asked)
    assert await desk.ask(asked) == [granted]
    async with desk.database.read_only() as uow:
        [permit] = (await permit_store.load_permits(uow, desk.instruments.cipher, [granted["permit_id"]])).values()
    assert not [row for _, row in await desk.kept() if "0000-0000" in row or "13800000000" in row or "Road 1" in row]
    assert set(permit.keys) == {"contact_point", "address"}


async def test_people_of_one_home_share_its_budget(desk: Desk) -> None:
    people = await housemates(desk, 3)
    answers = await desk.ask(*(call(one, hour=16) for one in people))
    assert decided(answers) == ["allow", "allow", "deny"]
    assert refused_by(answers[2]) == ["US-MA-HOUSEHOLD"]
    elsewhere = await housemates(desk, 1, household="b" * 32)
    assert decided(await desk.ask(call(elsewhere[0], hour=16))) == ["allow"]


async def test_where_nobody_knows_who_shares_a_key_the_rule_refuses(desk: Desk) -> None:
    """A case of before debts and homes were told."""
    untold = loan().model_copy(update={"debt_id": None})
    case = await desk.open_case(loans=[untold], **SYDNEY)
    [answer] = await desk.ask(call(case))
    assert answer["decision"] == "needs-fact"
    assert {one["lawful_after"] for one in answer["reasons"]} == {"party.debts"}


async def test_contacts_of_before_keys_were_kept_count_on_the_debts_of_their_person(desk: Desk) -> None:
    first, second = await co_borrowers(desk)
    assert decided(await desk.ask(call(first), call(first, day=4), call(first, day=5))) == ["allow"] * 3
    async with desk.database.unit_of_work() as uow:
        await uow.sql.execute("UPDATE permit SET budget_keys = NULL")
    assert decided(await desk.ask(call(second, day=6))) == ["deny"]


async def test_a_contact_too_many_on_a_shared_debt_is_a_finding(desk: Desk) -> None:
    first, second = await co_borrowers(desk)
    made = [
        visit_contact(
            case, None, channel="call", started_at=(start := datetime(2026, 3, 2, hour, tzinfo=UTC)), ended_at=start,
            started_real=desk.clock.real, crew=[],
        )
        for case, hour in ((first, 0), (second, 1), (first, 2), (second, 3))
    ]  # fmt: skip
    for one in made:
        await desk.deliver("contact", ("contact.recorded", one))
    async with desk.database.read_only() as uow:
        rows = await uow.sql.fetch("SELECT contact_id FROM finding WHERE rule = 'AU-RG96-3W10M'")
    assert [row[0] for row in rows] == [made[3].contact_id]


async def test_a_contact_about_one_debt_counts_on_that_one_only(desk: Desk) -> None:
    first, second = await co_borrowers(desk)
    own = loan(loan_ref="L-2")
    await desk.deliver("case", ("case.opened", first.model_copy(update={"version": 2, "loans": [*first.loans, own]})))
    about = {"debt_ids": [str(own.debt_id)]}
    assert decided(await desk.ask(call(first, **about), call(first, day=4, **about))) == ["allow"] * 2
    assert decided(await desk.ask(*(call(second, day=day) for day in (3, 4, 5, 6)))) == ["allow"] * 3 + ["deny"]


async def test_a_debt_that_is_paid_is_counted_when_it_is_named(desk: Desk) -> None:
    """What is not overdue any more is not collected; who names it counts on it all the same."""
    first, second = await co_borrowers(desk)
    assert decided(await desk.ask(*(call(first, day=day) for day in (3, 4, 5)))) == ["allow"] * 3
    own = loan(loan_ref="L-2")
    for case in (first, second):
        paid = case.model_copy(update={"version": 2, "loans": [own.model_copy(update={"debt_id": uuid4()})]})
        await desk.deliver("case", ("case.opened", paid))
    named = {"debt_ids": [str(first.loans[0].debt_id)]}
    assert decided(await desk.ask(call(second, day=6, **named), call(second, day=6))) == ["deny", "allow"]


async def test_visits_count_on_the_opaque_key_of_their_address(desk: Desk) -> None:
    """Reserved by the permit and told by the contact, under a name of its own: nobody knows the address here."""
    case = await desk.open_case()
    key = "c" * 32
    [permit] = await desk.ask(visit_request(case, address_key=key))
    assert permit["decision"] == "allow", permit
    other = await desk.open_case()
    await desk.deliver("contact", ("contact.recorded", visit_contact(other, None, address_key=key)))
    async with desk.database.read_only() as uow:
        rows = await uow.sql.fetch("SELECT party_id FROM key_use WHERE kind = 'address' AND key = $1", f"home.{key}")
        reserved = await uow.sql.fetchval("SELECT budget_keys FROM permit")
    assert {row["party_id"] for row in rows} == {case.party_id, other.party_id}
    assert f"address:home.{key}" in reserved


async def test_an_address_is_visited_once_in_thirty_days_whoever_lives_there(desk: Desk) -> None:
    desk.clock.business = datetime(2027, 1, 13, 2, tzinfo=UTC)
    window = {"start": "2027-01-13T06:00:00Z", "end": "2027-01-13T08:00:00Z"}
    first, second, neighbour = [await desk.open_case(history_known_from=date(2026, 1, 1)) for _ in range(3)]
    [granted] = await desk.ask(visit_request(first, window=window, address_key=HOME))
    assert granted["decision"] == "allow", granted
    refused, elsewhere = await desk.ask(
        visit_request(second, window=window, address_key=HOME),
        visit_request(neighbour, window=window, address_key="b" * 32),
    )
    assert (decided([refused, elsewhere]), refused_by(refused)) == (["deny", "allow"], ["BANK-VISIT-ADDRESS-30D"])
    made = visit_contact(
        first, granted, address_key=HOME, started_at=datetime(2027, 1, 13, 6, 10, tzinfo=UTC),
        ended_at=datetime(2027, 1, 13, 6, 40, tzinfo=UTC),
    )  # fmt: skip
    await desk.deliver("contact", ("contact.recorded", made))
    later = {"start": "2027-01-20T06:00:00Z", "end": "2027-01-20T08:00:00Z"}
    [refused] = await desk.ask(visit_request(second, window=later, address_key=HOME))
    assert refused_by(refused) == ["BANK-VISIT-ADDRESS-30D"]
