"""Assignment on a real database: from cases to assigned visits, and every way back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from functools import partial
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest

from services.assignment.access_desk import LISTS, assignment_texts, give_lists
from services.assignment.api import routers
from services.assignment.consumers import subscriptions
from services.assignment.domain.policy import SelectionPolicy
from services.assignment.domain.travel import CalibratedHaversine
from services.assignment.feeds import WithdrawOfFeed, on_heartbeats
from services.assignment.opened import OpenedDatabase
from services.assignment.permits import PermitReleases, VisitGuard, VisitPermits
from services.assignment.planning import RouteFieldDay, SelectFieldDay
from services.assignment.route_solver import RouteSolver
from shared.access.routes import access_router
from shared.events.base import TimeWindow
from shared.events.case import CaseActionChosen, CaseCured, CaseOpened, CaseUpdated
from shared.events.compliance import PartyErased
from shared.events.platform import ServiceHeartbeat
from shared.events.stop import PartyStopped
from shared.events.visit import VisitAgreed, VisitDeclined, VisitOffered
from shared.geo import Point
from shared.ids import draw_shard, entity_id
from shared.messaging.liveness import Pulse
from shared.messaging.worker import Worker
from tests.databases import Shelf
from tests.integration.assignment.harness import ISSUER, Desk, Neighbour, open_desk

NOW = datetime(2026, 3, 2, 2, tzinfo=UTC)
DAY = "2026-03-05"
NEXT_DAY = "2026-03-06"
LAWFUL = {"start": "2026-03-05T01:00:00Z", "end": "2026-03-05T12:00:00Z"}
HOME = {"lat": 31.2304, "lon": 121.4737, "crs": "WGS84"}
POLICY = SelectionPolicy.load()


class Neighbours:
    """Compliance and intake as the contract describes them."""

    def __init__(self) -> None:
        self.refused: set[str] = set()
        self.decision = "allow"
        self.compliance = Neighbour(self._compliance)
        self.intake = Neighbour(self._intake)

    def _compliance(self, path: str, body: Any) -> tuple[int, Any]:
        if path == "/v1/windows":
            return 200, {"items": [self._windows(item) for item in body["items"]]}
        if path == "/v1/permits":
            return 200, {"items": [self._permit(item) for item in body["items"]]}
        return 200, {"permit_id": path.split("/")[3], "state": "released"}

    def _windows(self, item: dict[str, Any]) -> dict[str, Any]:
        if item["party_id"] in self.refused:
            rule = {"rule": "CN-PLAN-STOP", "citation": "c", "detail": "d"}
            return {"party_id": item["party_id"], "windows": [], "refused": [rule]}
        (day,) = item["days"]
        lawful = {name: moment.replace(DAY, day) for name, moment in LAWFUL.items()}
        return {"party_id": item["party_id"], "windows": [lawful], "refused": []}

    def _permit(self, item: dict[str, Any]) -> dict[str, Any]:
        answer = {"request_id": item["request_id"], "decision_id": str(uuid4()), "decision": self.decision}
        if self.decision == "allow":
            return answer | {"reasons": [], "permit_id": str(uuid4()), "permit": "a.b.c"}
        return answer | {"reasons": [{"rule": "BANK-VISIT-30D", "citation": "c", "detail": "d"}]}

    def _intake(self, path: str, body: Any) -> tuple[int, Any]:
        assert path == "/v1/parties/points"
        assert body["purpose"] == "route"
        return 200, {"items": [{"party_id": item["party_id"], "point": HOME} for item in body["items"]]}


@pytest.fixture
def neighbours() -> Neighbours:
    return Neighbours()


@pytest.fixture
async def desk(service_settings: Any, neighbours: Neighbours, shelf: Shelf) -> AsyncIterator[Desk]:
    settings = await service_settings("assignment", with_kafka=False, oidc_issuer=ISSUER)
    compliance, intake = neighbours.compliance.client("compliance"), neighbours.intake.client("intake")
    travel, opened = CalibratedHaversine(POLICY.travel), OpenedDatabase()

    def build(database: Any) -> Any:
        opened.database = database
        handlers = [
            SelectFieldDay(opened, POLICY, travel),
            RouteFieldDay(
                opened, POLICY, travel, solver=RouteSolver(max_processes=1), compliance=compliance, intake=intake
            ),
            VisitPermits(compliance, POLICY),
            PermitReleases(compliance),
            VisitGuard(POLICY),
            WithdrawOfFeed(POLICY),
        ]
        giving = access_router("assignment", assignment_texts(), partial(give_lists, POLICY))
        return subscriptions(POLICY), handlers, [*routers(POLICY), giving]

    async with compliance, intake, open_desk(settings, shelf=shelf, service="assignment", now=NOW, build=build) as made:
        yield made


def opened_case(**changes: Any) -> CaseOpened:
    shard = draw_shard()
    values = {
        "case_id": entity_id(shard), "party_id": entity_id(shard), "version": 1, "business_date": "2026-03-01",
        "bucket": "B3", "dpd_contractual": 65, "dpd_effective": 65, "loans": [],
        "overdue_totals": [{"amount_minor": 300_000, "currency": "CNY"}], "jurisdiction": "CN",
        "time_zones": ["Asia/Shanghai"], "language": "zh", "cell": Point.model_validate(HOME).cell(),
    }  # fmt: skip
    return CaseOpened.model_validate(values | changes)


async def register(desk: Desk, *, until: str = "2026-12-31") -> None:
    certificate = {"kind": "home_visit", "reference": "c1", "valid_from": "2026-01-01", "valid_to": until}
    people = [
        {"staff_ref": f"s{n}", "name": f"Collector {n}", "languages": ["zh"], "certificates": [certificate]}
        for n in (1, 2)
    ]
    answer = await desk.post("/v1/collectors", {"items": people})
    assert answer.status_code == 200, answer.text
    shift = {"start": "09:00", "end": "18:00", "time_zone": "Asia/Shanghai"}
    pair = {
        "collectors": [each["collector_id"] for each in answer.json()["items"]], "device_id": "dev-1", "home": HOME,
        "shift": shift,
    }  # fmt: skip
    answer = await desk.post("/v1/pairs", {"items": [pair]})
    assert answer.status_code == 200, answer.text


def chosen(case: CaseOpened, number: int, action: str) -> CaseActionChosen:
    return CaseActionChosen(
        case_id=case.case_id, party_id=case.party_id, number=number, action=action, reasons=["step_due"],  # type: ignore[arg-type]
        rule="visit", strategy="s", strategy_version=1, strategy_sha256="0" * 64, arm="champion",
    )  # fmt: skip


async def open_cases(desk: Desk, count: int, **changes: Any) -> list[CaseOpened]:
    cases = [opened_case(**changes) for _ in range(count)]
    await desk.deliver("case", *(("case.opened", case) for case in cases))
    await desk.deliver("case", *(("case.action_chosen", chosen(case, 1, "field_visit")) for case in cases))
    return cases


async def plan(desk: Desk) -> dict[str, Any]:
    """Plan the day; the field day as the API shows it."""
    answer = await desk.post(f"/v1/field-days/{DAY}/plan", {})
    assert answer.status_code == 202, answer.text
    await desk.work("field_day.select", "field_day.route")
    return await field_day(desk)


async def field_day(desk: Desk) -> dict[str, Any]:
    answer = await desk.get(f"/v1/field-days/{DAY}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def planned(desk: Desk) -> tuple[CaseOpened, UUID, TimeWindow]:
    """One case with one proposed visit."""
    await register(desk)
    (case,) = await open_cases(desk, 1)
    stop = (await plan(desk))["routes"][0]["stops"][0]
    return case, UUID(stop["visit_id"]), TimeWindow.model_validate(stop["window"])


async def agree(desk: Desk, case: CaseOpened, visit_id: UUID, window: TimeWindow) -> None:
    base = {"visit_id": visit_id, "case_id": case.case_id, "party_id": case.party_id}
    offered = VisitOffered(**base, version=2, permit_id=uuid4(), channel="sms", window=window, answer_by=window.start)
    agreed = VisitAgreed(**base, version=3, window=window, answered_at=NOW)
    await desk.deliver("visit", ("visit.offered", offered), ("visit.agreed", agreed))


def stopped(case: CaseOpened, cause: Any = "stop_request") -> PartyStopped:
    return PartyStopped(party_id=case.party_id, cause=cause, scope="party", since=NOW, arrived_at=NOW, reference="r-1")


async def test_day_is_planned_with_routes_figures_and_proposals(desk: Desk) -> None:
    await register(desk)
    await open_cases(desk, 6)
    view = await plan(desk)
    assert (view["status"], view["eligible"], view["areas"]) == ("planned", 6, {"total": 1, "planned": 1, "failed": 0})
    assert view["figures"]["planned_visits"] == len(view["routes"][0]["stops"]) == 6
    assert view["travel_model"] == "haversine-prior-1"
    assert view["figures"]["cost_per_visit"]["amount_minor"] > 0
    assert await desk.types() == ["visit.proposed"] * 6
    for stop in view["routes"][0]["stops"]:
        assert LAWFUL["start"] <= stop["window"]["start"] < stop["window"]["end"] <= LAWFUL["end"]


async def test_only_those_are_planned_for_whom_the_strategy_chose_a_visit(desk: Desk) -> None:
    await register(desk)
    letter, visited = await open_cases(desk, 2)
    await desk.deliver("case", ("case.action_chosen", chosen(letter, 2, "letter")), ("case.opened", opened_case()))
    view = await plan(desk)
    assert view["eligible"] == 1
    assert [data["party_id"] for _, data in await desk.events()] == [str(visited.party_id)]

    await desk.deliver("case", ("case.action_chosen", chosen(visited, 2, "offer_help")))
    name, withdrawn = (await desk.events())[-1]
    assert (name, withdrawn["cause"]) == ("visit.withdrawn", "action_changed")


async def test_expired_certificate_keeps_the_pair_at_home(desk: Desk) -> None:
    await register(desk, until="2026-03-04")
    await open_cases(desk, 2)
    view = await plan(desk)
    assert view["routes"] == []
    assert list(view["refused_pairs"].values()) == ["certificate_expired"]
    assert view["not_chosen"] == {"no_pair_ready": 2}


async def test_refused_window_is_a_reason_with_its_rule(desk: Desk, neighbours: Neighbours) -> None:
    await register(desk)
    cases = await open_cases(desk, 2)
    neighbours.refused.add(str(cases[0].party_id))
    view = await plan(desk)
    assert view["unassigned"] == [
        {"party_id": str(cases[0].party_id), "reason": "no_lawful_window", "rules": ["CN-PLAN-STOP"]}
    ]


async def test_stop_while_the_route_is_computed_leaves_the_party_out(desk: Desk, neighbours: Neighbours) -> None:
    await register(desk)
    cases = await open_cases(desk, 2)
    await desk.post(f"/v1/field-days/{DAY}/plan", {})
    await desk.work("field_day.select")
    await desk.deliver("stop", ("party.stopped", stopped(cases[0])))
    await desk.work("field_day.route")
    view = await field_day(desk)
    assert [each["reason"] for each in view["unassigned"]] == ["stopped:stop_request"]
    assert len(await desk.types()) == 1


async def test_planning_waits_for_compliance(desk: Desk, neighbours: Neighbours) -> None:
    await register(desk)
    await open_cases(desk, 1)
    neighbours.compliance.down = True
    view = await plan(desk)
    assert (view["status"], view["areas"]["planned"]) == ("routing", 0)
    assert await desk.types() == []


async def test_day_is_planned_once(desk: Desk) -> None:
    assert (await desk.post(f"/v1/field-days/{DAY}/plan", {}, key="k")).status_code == 202
    assert (await desk.post(f"/v1/field-days/{DAY}/plan", {}, key="k")).status_code == 202
    again = await desk.post(f"/v1/field-days/{DAY}/plan", {})
    assert (again.status_code, again.json()["type"].rsplit("/", 1)[1]) == (409, "field_day_exists")


class Together:
    """A step of planning that ends its reading only when another planner has ended its own, too."""

    batch_size = 1

    def __init__(self, handler: Any, barrier: asyncio.Barrier) -> None:
        self.kind, self.commit = handler.kind, handler.commit
        self._handler, self._barrier = handler, barrier

    async def call(self, intents: Any) -> Any:
        answers = await self._handler.call(intents)
        await self._barrier.wait()
        return answers


async def test_two_planners_at_once_choose_nobody_twice_and_one_of_each_home(desk: Desk) -> None:
    await register(desk)
    homes = [opened_case(household=f"{number // 2:032x}") for number in range(6)]
    await desk.deliver("case", *(("case.opened", case) for case in homes))
    await desk.deliver("case", *(("case.action_chosen", chosen(case, 1, "field_visit")) for case in homes))
    for day in (DAY, NEXT_DAY):
        assert (await desk.post(f"/v1/field-days/{day}/plan", {})).status_code == 202
    barrier = asyncio.Barrier(2)
    planners = [Worker(desk.database, [], pulse=Pulse("planner")) for _ in range(2)]
    await asyncio.gather(*(planner.work_once(Together(desk.handlers[0], barrier)) for planner in planners))
    async with desk.database.read_only() as uow:
        areas = await uow.sql.fetch("SELECT party_ids FROM field_area")
    picked = [party_id for area in areas for party_id in area["party_ids"]]
    home_of = {case.party_id: case.household for case in homes}
    assert len({home_of[party_id] for party_id in picked}) == len(picked) == 3
    views = [(await desk.get(f"/v1/field-days/{day}")).json() for day in (DAY, NEXT_DAY)]
    assert sorted(view["not_chosen"].get("chosen_for_another_day", 0) for view in views) == [0, 3]


async def test_a_home_that_is_learned_while_two_days_are_routed_is_visited_once(desk: Desk) -> None:
    await register(desk)
    first, second = await open_cases(desk, 2)
    for day in (DAY, NEXT_DAY):
        assert (await desk.post(f"/v1/field-days/{day}/plan", {"max_visits": 1})).status_code == 202
    await desk.work("field_day.select")
    one_home = {"version": 2, "household": "a" * 32}
    moved = [CaseUpdated(**(case.model_dump() | one_home), cause="party.updated") for case in (first, second)]
    await desk.deliver("case", *(("case.updated", case) for case in moved))
    barrier = asyncio.Barrier(2)
    planners = [Worker(desk.database, [], pulse=Pulse("planner")) for _ in range(2)]
    await asyncio.gather(*(planner.work_once(Together(desk.handlers[1], barrier)) for planner in planners))
    assert await desk.types() == ["visit.proposed"]
    views = [(await desk.get(f"/v1/field-days/{day}")).json() for day in (DAY, NEXT_DAY)]
    assert [each["reason"] for view in views for each in view["unassigned"]] == ["one_visit_for_all"]


async def heartbeat(desk: Desk, seconds: int, **suspended: str) -> None:
    """Intake says, so many seconds from now, which cores it does not believe."""
    at = desk.clock.real + timedelta(seconds=seconds)
    beat = ServiceHeartbeat(
        service="intake", topic="case", partition=0, sent_at=at, low_watermark=at, suspended_feeds=suspended
    )
    async with desk.database.unit_of_work() as uow:
        await on_heartbeats(uow, [SimpleNamespace(data=beat)])  # type: ignore[list-item]


async def test_what_waits_is_taken_back_while_a_core_is_not_believed_and_planned_anew_afterwards(desk: Desk) -> None:
    await register(desk)
    (ours,), others = await open_cases(desk, 1, core="core-a"), await open_cases(desk, 1, core="core-b")
    await plan(desk)
    await heartbeat(desk, 1, **{"core-a": "books_differ"})
    await desk.work("visit.withdraw_of_feed")
    name, withdrawn = (await desk.events())[-1]
    assert (name, withdrawn["party_id"], withdrawn["cause"]) == (
        "visit.withdrawn", str(ours.party_id), "feed_suspended",
    )  # fmt: skip

    await heartbeat(desk, 0)  # older: still on its way when the newer one came
    desk.clock.business += timedelta(days=4)
    late, *_ = await open_cases(desk, 1, core="core-a")
    assert (await desk.post("/v1/field-days/2026-03-09/plan", {})).status_code == 202
    await desk.work("field_day.select")
    view = (await desk.get("/v1/field-days/2026-03-09")).json()
    assert (view["eligible"], view["not_chosen"]) == (0, {"feed_suspended": 2})

    await heartbeat(desk, 2)
    assert (await desk.post("/v1/field-days/2026-03-10/plan", {})).status_code == 202
    await desk.work("field_day.select")
    async with desk.database.read_only() as uow:
        chosen_anew = await uow.sql.fetchval(
            "SELECT array_agg(p) FROM field_area, unnest(party_ids) p WHERE status = 'waiting'"
        )
    assert set(chosen_anew) == {ours.party_id, late.party_id}
    assert str(others[0].party_id) not in map(str, chosen_anew), "planned already, and never taken back"


async def test_a_core_that_is_disbelieved_while_the_route_is_computed_gets_no_proposal(desk: Desk) -> None:
    await register(desk)
    await open_cases(desk, 1)  # nobody said of which core: any that is not believed counts
    await desk.post(f"/v1/field-days/{DAY}/plan", {})
    await desk.work("field_day.select")
    await heartbeat(desk, 1, **{"core-a": "tape_missing"})
    await desk.work("field_day.route", "visit.withdraw_of_feed")
    assert [each["reason"] for each in (await field_day(desk))["unassigned"]] == ["feed_suspended"]
    assert await desk.types() == []


@pytest.mark.parametrize("day", ["2026-02-27", "2026-04-01"])
async def test_day_out_of_reach_is_refused(desk: Desk, day: str) -> None:
    answer = await desk.post(f"/v1/field-days/{day}/plan", {})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/day")


async def test_agreed_visit_gets_its_permit_and_is_assigned(desk: Desk, neighbours: Neighbours) -> None:
    case, visit_id, window = await planned(desk)
    await agree(desk, case, visit_id, window)
    await desk.work()
    name, data = (await desk.events())[-1]
    assert (name, data["visit_id"], data["permit"], data["version"]) == ("visit.assigned", str(visit_id), "a.b.c", 4)
    _, body, _ = next(each for each in neighbours.compliance.asked if each[0] == "/v1/permits")
    assert body["items"][0]["versions"] == {"case": 1, "visit": 3}
    assert len(body["items"][0]["crew"]) == 2


async def test_denied_permit_withdraws_with_the_rules(desk: Desk, neighbours: Neighbours) -> None:
    case, visit_id, window = await planned(desk)
    neighbours.decision = "deny"
    await agree(desk, case, visit_id, window)
    await desk.work()
    name, data = (await desk.events())[-1]
    assert (name, data["cause"], data["rules"]) == ("visit.withdrawn", "permit_denied", ["BANK-VISIT-30D"])


@pytest.mark.parametrize("trouble", ["down", "needs-fact"])
async def test_missing_answer_leaves_the_visit_agreed(desk: Desk, neighbours: Neighbours, trouble: str) -> None:
    case, visit_id, window = await planned(desk)
    neighbours.compliance.down = trouble == "down"
    neighbours.decision = trouble
    await agree(desk, case, visit_id, window)
    await desk.work()
    assert (await desk.types()) == ["visit.proposed"]
    assert (await field_day(desk))["routes"][0]["stops"][0]["state"] == "agreed"


async def test_permit_for_a_party_who_stopped_meanwhile_is_given_back(desk: Desk, neighbours: Neighbours) -> None:
    case, visit_id, window = await planned(desk)
    await agree(desk, case, visit_id, window)
    await desk.deliver("stop", ("party.stopped", stopped(case)))
    await desk.work()
    assert await desk.types() == ["visit.proposed", "visit.withdrawn"]
    assert neighbours.compliance.paths()[-1].endswith("/release")


async def test_guard_withdraws_what_nobody_answered(desk: Desk) -> None:
    _, _, window = await planned(desk)
    await desk.work()
    assert await desk.types() == ["visit.proposed"]
    desk.clock.business = window.start
    await desk.work()
    assert await desk.types() == ["visit.proposed", "visit.withdrawn"]


async def test_cure_withdraws_and_repeats_change_nothing(desk: Desk) -> None:
    case, _, _ = await planned(desk)
    cured = CaseCured(
        case_id=case.case_id, party_id=case.party_id, version=2, business_date=NOW.date(), cause="payment",
        overdue_totals=[],
    )  # fmt: skip
    await desk.deliver("case", ("case.cured", cured))
    repeated = await desk.deliver("case", ("case.cured", cured))
    assert list(repeated.values()) == ["ignored"]
    assert await desk.types() == ["visit.proposed", "visit.withdrawn"]


async def test_whole_life_in_one_batch_is_saved_once(desk: Desk) -> None:
    case, visit_id, window = await planned(desk)
    base = {"visit_id": visit_id, "case_id": case.case_id, "party_id": case.party_id}
    offered = VisitOffered(**base, version=2, permit_id=uuid4(), channel="sms", window=window, answer_by=NOW)
    declined = VisitDeclined(**base, version=3, cause="declined")
    await desk.deliver("visit", ("visit.offered", offered), ("visit.declined", declined))
    stop = (await field_day(desk))["routes"][0]["stops"][0]
    assert (stop["state"], stop["cause"]) == ("declined", "declined")
    summary = (await desk.get("/v1/summary")).json()
    assert summary["visits"] == {"declined": 1}
    assert summary["visit_causes"] == {"declined:declined": 1}


async def test_payment_stop_passes(desk: Desk) -> None:
    await register(desk)
    cases = await open_cases(desk, 1)
    await desk.deliver("stop", ("party.stopped", stopped(cases[0], "payment")))
    desk.clock.business = NOW + timedelta(days=14)
    await desk.post("/v1/field-days/2026-03-18/plan", {})
    await desk.work("field_day.select")
    assert (await desk.get("/v1/field-days/2026-03-18")).json()["eligible"] == 1


async def test_unknown_collector_is_named(desk: Desk) -> None:
    shift = {"start": "09:00", "end": "18:00", "time_zone": "Asia/Shanghai"}
    pair = {"collectors": [str(uuid4()), str(uuid4())], "device_id": "d", "home": HOME, "shift": shift}
    answer = await desk.post("/v1/pairs", {"items": [pair]})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/items/0/collectors")


@pytest.mark.parametrize(
    ("changes", "pointer", "kind"),
    [
        ([{"staff_ref": "s1"}], "/items/0/staff_ref", "staff_ref_taken"),
        ([{"staff_ref": "s8"}, {"staff_ref": "s9"}], "/items/1/collector_id", "repeated"),
    ],
)
async def test_staff_number_and_id_have_one_holder(desk: Desk, changes: Any, pointer: str, kind: str) -> None:
    await register(desk)
    person = {"collector_id": str(uuid4()), "name": "Another", "languages": ["zh"]}
    answer = await desk.post("/v1/collectors", {"items": [person | one for one in changes]})
    assert answer.status_code == 422, answer.text
    assert [(one["pointer"], one["kind"]) for one in answer.json()["errors"]] == [(pointer, kind)]


async def test_collectors_are_listed_with_their_lock(desk: Desk) -> None:
    await register(desk, until="2026-03-01")
    listed = (await desk.get("/v1/collectors")).json()["items"]
    assert [each["refused_today"] for each in listed] == ["certificate_expired"] * 2


async def test_nothing_of_an_erased_person_stays(desk: Desk) -> None:
    [case] = await open_cases(desk, 1)
    await desk.deliver("stop", ("party.stopped", stopped(case)))
    erased = PartyErased(party_id=case.party_id, erasure_id=uuid4(), erased_at=NOW, complete_from=NOW)
    await desk.deliver("compliance", ("compliance.party_erased", erased))
    async with desk.database.read_only() as uow:
        for table in ("candidate", "block", "visit"):
            assert await uow.sql.fetchval(f"SELECT count(*) FROM {table}") == 0, table


async def access_lists(desk: Desk, party_id: UUID) -> Any:
    return await desk.get(f"/v1/parties/{party_id}/access-lists", received_at=NOW.isoformat())


async def test_person_is_told_why_a_visit_was_planned_or_not_and_nothing_of_staff(desk: Desk) -> None:
    await register(desk)
    [case, other] = await open_cases(desk, 2)
    await plan(desk)
    answer = await access_lists(desk, case.party_id)
    lists = {one["name"]: one["rows"] for one in answer.json()["lists"]}
    assert list(lists)[: len(LISTS)] == list(LISTS)
    assert (len(lists["candidacy"]), len(lists["visits"]), len(lists["areas"])) == (1, 1, 1)
    assert lists["candidacy"][0]["values"]["why_not"] == "already_planned"
    assert "a visit is planned already" in lists["candidacy"][0]["words"]["en"]
    assert lists["visits"][0]["values"]["crew_size"] == 2
    async with desk.database.read_only() as uow:
        staff = await uow.sql.fetch("SELECT collector_id::text, name, staff_ref, device_id FROM collector, pair")
    for secret in (str(other.party_id), *(value for row in staff for value in row)):
        assert secret not in answer.text


async def test_withdrawn_visit_is_told_with_its_cause(desk: Desk) -> None:
    await register(desk)
    [case] = await open_cases(desk, 1)
    await plan(desk)
    await desk.deliver("stop", ("party.stopped", stopped(case)))
    lists = {one["name"]: one["rows"] for one in (await access_lists(desk, case.party_id)).json()["lists"]}
    assert [row["values"]["state"] for row in lists["visits"]] == ["withdrawn"]
    assert lists["blocks"][0]["values"]["cause"] == lists["visits"][0]["values"]["cause"]


async def test_who_was_erased_is_told_just_that(desk: Desk) -> None:
    [case] = await open_cases(desk, 1)
    erased = PartyErased(party_id=case.party_id, erasure_id=uuid4(), erased_at=NOW, complete_from=NOW)
    await desk.deliver("compliance", ("compliance.party_erased", erased))
    answer = await access_lists(desk, case.party_id)
    assert (answer.status_code, answer.json()["type"].rsplit("/", 1)[-1]) == (410, "party-erased")
