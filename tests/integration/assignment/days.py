"""Days in the field: neighbours of assignment, cases, plans, and what others say of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

from services.assignment.domain.policy import SelectionPolicy
from services.assignment.feeds import on_heartbeats
from shared.events.base import TimeWindow
from shared.events.case import CaseActionChosen, CaseOpened
from shared.events.platform import ServiceHeartbeat
from shared.events.stop import PartyStopped
from shared.events.visit import VisitAgreed, VisitOffered
from shared.geo import Point
from shared.ids import draw_shard, entity_id
from tests.integration.assignment.harness import Desk, Neighbour

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


async def heartbeat(desk: Desk, seconds: int, **suspended: str) -> None:
    """Intake says, so many seconds from now, which cores it does not believe."""
    at = desk.clock.real + timedelta(seconds=seconds)
    beat = ServiceHeartbeat(
        service="intake", topic="case", partition=0, sent_at=at, low_watermark=at, suspended_feeds=suspended
    )
    async with desk.database.unit_of_work() as uow:
        await on_heartbeats(uow, [SimpleNamespace(data=beat)])  # type: ignore[list-item]
