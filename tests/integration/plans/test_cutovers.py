"""Plans of another system run on: imported once, paid here, never shown as signed with us."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date
from typing import Any
from uuid import uuid4

import pytest
from fastapi import APIRouter

from services.plans.api.cutovers import build_cutover_router
from services.plans.api.plans import build_router
from services.plans.consumers import subscriptions
from services.plans.cutover_desk import Cutovers
from services.plans.domain.protected_minimum import ProtectedMinimumTable
from services.plans.holds import HoldEndings, Holds
from services.plans.plan_desk import PlanDesk
from services.plans.store.plans import PlanStore
from shared.events.case import CaseOpened
from shared.security.key_management import LocalKeyManagement
from shared.security.party_keys import PartyCipher
from tests.databases import Shelf
from tests.integration.assignment.harness import ISSUER, Desk, Neighbour, open_desk

from .test_plans import NOW, money, open_case, paid, proposal, propose

ROOT = "/v1/cutovers/old-2026"
HOLD = str(uuid4())


class Compliance(Neighbour):
    """Says how far the cut-over is, and ends holds."""

    def __init__(self) -> None:
        super().__init__(self._says)
        self.state = "importing"
        self.ended: list[str] = []

    def _says(self, path: str, _body: Any) -> tuple[int, Any]:
        if path.startswith("/v1/cutovers/"):
            return 200, {"state": self.state, "business_date": "2026-03-01"}
        self.ended.append(path.split("/")[3])
        return 200, {"state": "ended"}


@pytest.fixture
def compliance() -> Compliance:
    return Compliance()


@pytest.fixture
async def desk(service_settings: Any, compliance: Compliance, shelf: Shelf) -> AsyncIterator[Desk]:
    settings = await service_settings("plans", with_kafka=False, oidc_issuer=ISSUER)
    store = PlanStore(PartyCipher(LocalKeyManagement.open(settings.key_folder, "plans"), tenant=settings.tenant))
    client = compliance.client("compliance")
    holds = Holds(client)

    def build(_: Any) -> Any:
        router = APIRouter()
        router.include_router(build_router(PlanDesk(store, ProtectedMinimumTable.load(), holds), store))
        router.include_router(build_cutover_router(Cutovers(store, client)))
        return subscriptions(store), [HoldEndings(holds)], router

    async with client, open_desk(settings, shelf=shelf, service="plans", now=NOW, build=build) as made:
        yield made


def old_plan(case: CaseOpened, reference: str = "p-1", **changes: Any) -> dict[str, Any]:
    values = {
        "record_ref": reference, "party_id": str(case.party_id), "basis": "signed_plan", "kind": "instalments",
        "instalments": [{"due_date": "2026-03-12", "rest": money(20_000)}, {"due_date": "2026-04-12", "rest": money(0)},
                        {"due_date": "2026-05-12", "rest": money(30_000)}],
        "debt": money(500_000), "agreed_at": "2025-11-12T02:00:00Z", "review_on": "2026-06-01",
        "document_ref": "agreement-1", "document_sha256": "a" * 64, "hold_id": HOLD,
    }  # fmt: skip
    return values | changes


async def send(desk: Desk, *items: dict[str, Any]) -> list[dict[str, Any]]:
    answer = await desk.post(f"{ROOT}/plans", {"items": list(items)})
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


async def imported(desk: Desk) -> tuple[CaseOpened, dict[str, Any]]:
    assert (await desk.post("/v1/cutovers", {"cutover_id": "old-2026"})).status_code == 201
    case = await open_case(desk)
    (result,) = await send(desk, old_plan(case))
    assert result["status"] == "imported", result
    return case, (await desk.get(f"/v1/plans/{result['plan_id']}")).json()


async def test_an_imported_plan_is_never_shown_as_signed_with_us(desk: Desk) -> None:
    case, plan = await imported(desk)
    assert (plan["state"], plan["signed_at"], plan["monthly_surplus"], plan["document"]) == ("imported", None, None, "")
    assert plan["imported"]["document_ref"] == "agreement-1"
    assert [one["amount"]["amount_minor"] for one in plan["instalments"]] == [20_000, 30_000]
    summary = (await desk.get("/v1/summary")).json()
    assert (summary["kinds_signed"], summary["agreed"]) == ({}, [money(0)])
    again = await desk.post("/v1/plans", proposal(case))
    assert again.status_code == 409, "nothing else is agreed while it runs"


async def test_payments_after_the_cut_over_count_and_the_last_completes_it(desk: Desk, compliance: Compliance) -> None:
    case, plan = await imported(desk)
    before = paid(case, 2, "T-0", 20_000, day=date(2026, 3, 1))
    await desk.deliver("case", ("case.payment_posted", before))
    assert (await desk.get(f"/v1/plans/{plan['plan_id']}")).json()["paid"] == money(0), "its rest knows it already"
    await desk.deliver("case", ("case.payment_posted", paid(case, 3, "T-1", 50_000)))
    after = (await desk.get(f"/v1/plans/{plan['plan_id']}")).json()
    assert (after["state"], after["paid"], after["signed_at"]) == ("completed", money(50_000), None)
    await desk.work()
    assert compliance.ended == [HOLD]


async def test_each_plan_is_imported_once_and_a_bad_one_harms_no_other(desk: Desk) -> None:
    case, plan = await imported(desk)
    other = await open_case(desk)
    unsigned = old_plan(other, "p-2", document_ref=None)
    promise = old_plan(other, "p-3", basis="promise", document_ref=None, document_sha256=None)
    late = old_plan(await open_case(desk), "p-4", agreed_at="2026-03-02T01:00:00Z")
    unknown = old_plan(other, "p-5", party_id="019d2f00-0000-8a01-8000-000000000001")
    results = await send(desk, old_plan(case), unsigned, promise, late, unknown)
    assert [one["status"] for one in results] == ["repeated", "refused", "imported", "refused", "refused"]
    assert results[0]["plan_id"] == plan["plan_id"]
    assert [one["problem"]["type"].rpartition("/")[2] for one in results[3:]] == [
        "imported-plan-in-future", "case_not_open",
    ]  # fmt: skip
    view = (await desk.get(ROOT)).json()
    assert (view["held"], view["total"]) == (2, [money(100_000)])


async def test_the_hold_of_a_plan_that_is_refused_for_good_ends_unless_a_running_plan_stands_on_it(
    desk: Desk, compliance: Compliance
) -> None:
    case, _ = await imported(desk)
    other = str(uuid4())
    items = [old_plan(case, "p-2"), old_plan(case, "p-3", hold_id=other)]
    assert {one["status"] for one in await send(desk, *items)} == {"refused"}
    await desk.work()
    assert compliance.ended == [], "it may be tried again"
    assert (await desk.post(f"{ROOT}/plans", {"items": items, "final": True})).status_code == 200
    await desk.work()
    assert compliance.ended == [other]
    late = old_plan(await open_case(desk), "p-9", hold_stands=False)
    again = await send(desk, old_plan(case, hold_stands=False), late)
    assert [one["status"] for one in again] == ["repeated", "refused"]


async def test_a_plan_of_an_earlier_cut_over_that_says_the_same_is_held_once_and_counted_in_both(desk: Desk) -> None:
    case, plan = await imported(desk)
    again = "/v1/cutovers/again-2026"
    assert (await desk.post("/v1/cutovers", {"cutover_id": "again-2026"})).status_code == 201
    changed = old_plan(case, debt=money(400_000))
    for _ in range(2):
        answer = (await desk.post(f"{again}/plans", {"items": [old_plan(case), changed]})).json()["items"]
        assert [one["status"] for one in answer] == ["repeated", "refused"]
        assert answer[0]["plan_id"] == plan["plan_id"]
    left_out = {"items": [{"record_ref": "p-9", "total": money(700)}]}
    for _ in range(2):
        view = (await desk.post(f"{again}/left-out-plans", left_out)).json()
    assert (view["held"], view["total"]) == (1, [money(50_000)])
    assert (view["left_out"], view["left_out_total"]) == (1, [money(700)])


async def test_nothing_is_imported_before_and_after_compliance_imports(desk: Desk, compliance: Compliance) -> None:
    compliance.state = "accepted"
    assert (await desk.post("/v1/cutovers", {"cutover_id": "old-2026"})).status_code == 409
    compliance.state = "importing"
    case, _ = await imported(desk)
    assert (await desk.post(f"{ROOT}/close", {})).status_code == 409
    compliance.state = "accepted"
    assert (await desk.post(f"{ROOT}/close", {})).json()["state"] == "closed"
    assert (await desk.post(f"{ROOT}/plans", {"items": [old_plan(case, "p-9")]})).status_code == 409


async def test_plans_of_our_own_are_as_they_were(desk: Desk) -> None:
    plan = await propose(desk, await open_case(desk))
    assert (plan["imported"], plan["state"]) == (None, "proposed")
