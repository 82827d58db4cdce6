"""Assignment on a real database, with neighbours that answer as a test says."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest

from services.assignment.access_desk import assignment_texts, give_lists
from services.assignment.api import routers
from services.assignment.consumers import subscriptions
from services.assignment.domain.saga import RELEASE_INTENT
from services.assignment.domain.travel import CalibratedHaversine
from services.assignment.feeds import WithdrawOfFeed
from services.assignment.opened import OpenedDatabase
from services.assignment.permits import VisitGuard, VisitPermits
from services.assignment.planning import RouteFieldDay, SelectFieldDay
from services.assignment.route_solver import RouteSolver
from shared.access.routes import access_router
from shared.permits import PermitReleases
from tests.databases import Shelf
from tests.integration.assignment.days import (
    NOW,
    POLICY,
    Neighbours,
)
from tests.integration.assignment.harness import ISSUER, Desk, open_desk


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
            PermitReleases(RELEASE_INTENT, lambda: compliance),
            VisitGuard(POLICY),
            WithdrawOfFeed(POLICY),
        ]
        giving = access_router("assignment", assignment_texts(), partial(give_lists, POLICY))
        return subscriptions(POLICY), handlers, [*routers(POLICY), giving]

    async with compliance, intake, open_desk(settings, shelf=shelf, service="assignment", now=NOW, build=build) as made:
        yield made
