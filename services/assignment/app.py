"""The composition root of assignment."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from fastapi import FastAPI

from services.assignment.access_desk import assignment_texts, give_lists
from services.assignment.api import routers
from services.assignment.consumers import subscriptions
from services.assignment.domain.policy import SelectionPolicy
from services.assignment.domain.saga import RELEASE_INTENT
from services.assignment.domain.travel import CalibratedHaversine
from services.assignment.examples import EXAMPLES
from services.assignment.feeds import WithdrawOfFeed, on_heartbeats
from services.assignment.opened import OpenedDatabase
from services.assignment.permits import VisitGuard, VisitPermits
from services.assignment.planning import RouteFieldDay, SelectFieldDay
from services.assignment.route_solver import RouteSolver
from shared.access.routes import access_router
from shared.messaging import IntentHandler
from shared.permits import PermitReleases
from shared.security.token_source import ClientCredentials
from shared.security.tokens import TokenVerifier
from shared.service import ServiceDefinition, ServiceRuntime
from shared.settings import ServiceSettings
from shared.web.app import ApiDefinition, create_app
from shared.web.client import ServiceClient

_DESCRIPTION = """Who visits whom, when, at what cost: collectors and their certificates, pairs, candidates by a policy
that says "do not visit" unless every line of it says yes, routes of the field day, the visit until it is assigned."""


def define(settings: ServiceSettings) -> ServiceDefinition:
    """What assignment is made of."""
    policy = SelectionPolicy.load()
    tokens = ClientCredentials.from_settings(settings)
    compliance = ServiceClient(service="compliance", base_url=settings.compliance_url, token_source=tokens)
    intake = ServiceClient(service="intake", base_url=settings.intake_url, token_source=tokens)

    opened = OpenedDatabase()
    travel = CalibratedHaversine(policy.travel)
    intent_handlers: list[IntentHandler] = [
        SelectFieldDay(opened, policy, travel),
        RouteFieldDay(opened, policy, travel, solver=RouteSolver(), compliance=compliance, intake=intake),
        VisitPermits(compliance, policy),
        PermitReleases(RELEASE_INTENT, lambda: compliance),
        VisitGuard(policy),
        WithdrawOfFeed(policy),
    ]

    def build_api(runtime: ServiceRuntime) -> FastAPI:
        return create_app(
            ApiDefinition(
                service="assignment",
                title="Assignment",
                description=_DESCRIPTION,
                routers=[
                    *routers(policy),
                    access_router("assignment", assignment_texts(), partial(give_lists, policy)),
                ],
                examples=EXAMPLES,
                settings=settings,
                database=runtime.database,
                verifier=TokenVerifier.from_settings(settings, runtime.clock),
            )
        )

    @asynccontextmanager
    async def lifespan(runtime: ServiceRuntime) -> AsyncIterator[None]:
        opened.database = runtime.database
        try:
            yield
        finally:
            for closing in (compliance, intake, tokens):
                await closing.close()

    return ServiceDefinition(
        name="assignment",
        settings=settings,
        build_api=build_api,
        subscriptions=subscriptions(policy),
        intent_handlers=intent_handlers,
        lifespan=lifespan,
        on_heartbeats=on_heartbeats,
    )
