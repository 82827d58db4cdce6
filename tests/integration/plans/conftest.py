"""Plans on a real database, with compliance played."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from functools import partial
from typing import Any
from uuid import uuid4

import pytest

from services.plans.access_desk import give_lists, plans_texts
from services.plans.api.follow_ups import build_follow_up_router
from services.plans.api.plans import build_router
from services.plans.consumers import subscriptions
from services.plans.domain.follow_up_policy import FollowUpPolicies
from services.plans.domain.ladder import USE_PERMIT
from services.plans.domain.protected_minimum import ProtectedMinimumTable
from services.plans.following_desk import AskForFollowUps, FollowingDesk, LookAtPlans
from services.plans.holds import HoldEndings, Holds, SigningTimeout
from services.plans.known_holds import LearnHolds
from services.plans.permits import RELEASE_PERMIT
from services.plans.plan_desk import PlanDesk
from services.plans.store.plans import PlanStore
from shared.access.routes import access_router
from shared.permits import PermitReleases, PermitUses
from shared.security.key_management import LocalKeyManagement
from shared.security.party_keys import PartyCipher
from tests.databases import Shelf
from tests.integration.assignment.harness import ISSUER, Desk, Neighbour, open_desk

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)


class Compliance(Neighbour):
    """Holds: one per idempotency key, as compliance replays them. Permits: as `permit` says."""

    def __init__(self) -> None:
        super().__init__(self._answered)
        self.open: dict[str, str] = {}
        self.by_source: dict[str, str] = {}
        self.permit: dict[str, Any] = {"decision": "allow"}
        self.stood: list[dict[str, Any]] = []

    def _answered(self, path: str, body: Any) -> tuple[int, Any]:
        if path == "/v1/permits":
            return 200, {"items": [self._permit(item) for item in body["items"]]}
        if path.startswith("/v1/permits/"):
            return 200, {}
        if path == "/v1/holds" and body is None:
            return 200, {"items": self.stood}
        if path == "/v1/holds":
            hold_id = self.by_source.setdefault(body["source_ref"], str(uuid4()))
            self.open[hold_id] = body["party_id"]
            return 201, {"hold_id": hold_id}
        hold_id = path.split("/")[3]
        return (200, {"state": "ended"}) if self.open.pop(hold_id, None) else (404, {})

    def _permit(self, item: dict[str, Any]) -> dict[str, Any]:
        granted = {"permit_id": str(uuid4())} if self.permit["decision"] == "allow" else {}
        return {"request_id": item["request_id"], "reasons": []} | self.permit | granted


@pytest.fixture
def compliance() -> Compliance:
    return Compliance()


@pytest.fixture
async def desk(service_settings: Any, compliance: Compliance, shelf: Shelf) -> AsyncIterator[Desk]:
    settings = await service_settings("plans", with_kafka=False, oidc_issuer=ISSUER)
    cipher = PartyCipher(LocalKeyManagement.open(settings.key_folder, "plans"), tenant=settings.tenant)
    store = PlanStore(cipher)
    client = compliance.client("compliance")
    holds = Holds(client)
    following = FollowingDesk(store, FollowUpPolicies.load())

    def build(database: Any) -> Any:
        plan_desk = PlanDesk(store, ProtectedMinimumTable.load(), holds)
        handlers = [
            SigningTimeout(store), HoldEndings(holds), LookAtPlans(following),
            LearnHolds(client, lambda: database),
            AskForFollowUps(following, client, lambda: database), PermitUses(USE_PERMIT, lambda: client),
            PermitReleases(RELEASE_PERMIT, lambda: client),
        ]  # fmt: skip
        giving = access_router("plans", plans_texts(), partial(give_lists, cipher))
        return subscriptions(store), handlers, [
            build_router(plan_desk, store), build_follow_up_router(following, store), giving,
        ]  # fmt: skip

    async with client, open_desk(settings, shelf=shelf, service="plans", now=NOW, build=build) as made:
        yield made
