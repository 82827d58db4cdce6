"""Who is handed to the router, and for which area."""

from __future__ import annotations

from dataclasses import replace
from datetime import time
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from services.assignment.domain.candidacy import Candidacy
from services.assignment.domain.collectors import Pair, ReadyPair, Shift
from services.assignment.domain.selection import Selection, select
from shared.geo import Point
from shared.ids import entity_id
from shared.money import Money
from tests.unit.assignment.builders import POLICY, candidate, case

SHANGHAI = Point(lat=31.23, lon=121.47, crs="WGS84")
BEIJING = Point(lat=39.90, lon=116.40, crs="WGS84")


def pair(number: int, home: Point = SHANGHAI, *, languages: frozenset[str] = frozenset({"zh"})) -> ReadyPair:
    shift = Shift(start=time(9), end=time(18), time_zone="Asia/Shanghai")
    people = (UUID(int=2 * number + 100), UUID(int=2 * number + 101))
    plain = Pair(pair_id=UUID(int=number), collectors=people, device_id=f"d{number}", home=home, shift=shift)
    return ReadyPair(pair=plain, languages=languages)


def person(place: Point = SHANGHAI, *, bucket: str = "B3", minor: int = 100_000, language: str = "zh") -> Candidacy:
    totals = (Money(amount_minor=minor, currency="CNY"),)
    facts = case(bucket=bucket, overdue_totals=totals, language=language, cell=place.cell())
    return candidate(entity_id(1), case=facts)


def choose(people: list[Candidacy], pairs: list[ReadyPair], *, max_visits: int | None = None) -> Selection:
    return select(people, pairs, policy=POLICY, max_visits=max_visits)


def test_order_is_bucket_then_amount() -> None:
    people = [person(bucket="B2", minor=900_000), person(minor=60_000), person(minor=500_000)]
    (area,) = choose(people, [pair(1)]).areas
    assert area.parties == [people[2].party_id, people[1].party_id, people[0].party_id]


def test_capacity_and_reserve_bound_the_area() -> None:
    selection = choose([person() for _ in range(20)], [pair(1)])
    assert len(selection.areas[0].parties) == 15  # 12 visits a pair and 20 % reserve, rounded up
    assert selection.not_chosen == {"capacity": 5}


def test_wish_for_fewer_is_respected() -> None:
    selection = choose([person() for _ in range(9)], [pair(1)], max_visits=4)
    assert (len(selection.areas[0].parties), selection.not_chosen) == (4, {"capacity": 5})


def test_each_goes_to_the_nearest_area() -> None:
    people = [person(BEIJING), person(SHANGHAI)]
    pairs = [pair(number, SHANGHAI if number < 8 else BEIJING) for number in range(16)]
    areas = choose(people, pairs).areas
    by_party = {area.parties[0]: area for area in areas}
    assert by_party[people[0].party_id].pairs[0].pair.home == BEIJING
    assert by_party[people[1].party_id].pairs[0].pair.home == SHANGHAI


def test_nobody_is_planned_out_of_reach() -> None:
    assert choose([person(BEIJING)], [pair(1)]).not_chosen == {"no_pair_near": 1}


def test_language_nobody_speaks() -> None:
    assert choose([person(language="ug")], [pair(1)]).not_chosen == {"no_pair_speaks_language": 1}


def test_no_pair_at_all() -> None:
    assert choose([person()], []).not_chosen == {"no_pair_ready": 1}


@settings(max_examples=30, deadline=None)
@given(people=st.integers(0, 60), pairs=st.integers(0, 14), limit=st.one_of(st.none(), st.integers(1, 50)))
def test_everybody_is_chosen_once_or_counted(people: int, pairs: int, limit: int | None) -> None:
    crowd = [person(bucket=["B2", "B3", "B4"][n % 3], minor=50_000 + n) for n in range(people)]
    selection = choose(crowd, [pair(n) for n in range(pairs)], max_visits=limit)
    chosen = [party for area in selection.areas for party in area.parties]
    assert len(chosen) == len(set(chosen))
    assert len(chosen) + sum(selection.not_chosen.values()) == people
    assert limit is None or len(chosen) <= limit
    assert all(len(area.parties) <= POLICY.day.area_visits for area in selection.areas)
    homes = [each.pair.pair_id for area in selection.areas for each in area.pairs]
    assert len(homes) == len(set(homes))


def sharing(*shared: str, leads: bool = True, minor: int = 100_000) -> Candidacy:
    one = person(minor=minor)
    assert one.case is not None
    return replace(one, case=replace(one.case, shared=shared, leads=leads))


def test_people_of_one_home_get_one_visit() -> None:
    people = [sharing("household:a", minor=60_000), sharing("household:a", minor=500_000), sharing("household:b")]
    selection = choose(people, [pair(1)])
    assert set(selection.areas[0].parties) == {people[1].party_id, people[2].party_id}
    assert selection.not_chosen == {"one_visit_for_all": 1}


def test_the_lead_case_of_a_shared_debt_is_visited_however_much_the_other_owes() -> None:
    lead, linked = sharing("debt:1"), sharing("debt:1", leads=False, minor=900_000)
    selection = choose([linked, lead], [pair(1)])
    assert selection.areas[0].parties == [lead.party_id]
    assert selection.not_chosen == {"visited_with_lead_case": 1}


def test_whoever_shares_a_visit_that_is_planned_already_waits() -> None:
    selection = select([sharing("debt:1")], [pair(1)], policy=POLICY, max_visits=None, visited={"debt:1"})
    assert (selection.areas, selection.not_chosen) == ((), {"one_visit_for_all": 1})
