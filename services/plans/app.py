"""The composition root of plans."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial

from fastapi import APIRouter, FastAPI

from services.plans.access_desk import give_lists, plans_texts
from services.plans.api.cutovers import build_cutover_router
from services.plans.api.follow_ups import build_follow_up_router
from services.plans.api.plans import build_router
from services.plans.consumers import subscriptions
from services.plans.cutover_desk import Cutovers
from services.plans.domain.follow_up_policy import FollowUpPolicies
from services.plans.domain.ladder import USE_PERMIT
from services.plans.domain.protected_minimum import ProtectedMinimumTable
from services.plans.examples import EXAMPLES
from services.plans.following_desk import AskForFollowUps, FollowingDesk, LookAtPlans, next_look, on_heartbeats
from services.plans.holds import HoldEndings, Holds, SigningTimeout
from services.plans.known_holds import LearnHolds, learn_holds
from services.plans.permits import RELEASE_PERMIT
from services.plans.plan_desk import PlanDesk
from services.plans.review_watch import COUNTED_EVERY, RETIRED, ReviewWatch
from services.plans.store.plans import PlanStore
from shared.access.routes import access_router
from shared.database import Database
from shared.messaging.gauges import seldom
from shared.permits import PermitReleases, PermitUses
from shared.security.key_management import LocalKeyManagement
from shared.security.party_keys import PartyCipher
from shared.security.token_source import ClientCredentials
from shared.security.tokens import TokenVerifier
from shared.service import ServiceDefinition, ServiceRuntime
from shared.settings import ServiceSettings
from shared.web.app import ApiDefinition, create_app
from shared.web.client import ServiceClient

_DESCRIPTION = """What a household can pay and what was agreed: no plan goes below the protected minimum, token plans
and pauses are real answers, and collection stops before a plan is signed."""


def define(settings: ServiceSettings) -> ServiceDefinition:
    """What plans is made of."""
    tokens = ClientCredentials.from_settings(settings)
    compliance = ServiceClient(service="compliance", base_url=settings.compliance_url, token_source=tokens)
    holds = Holds(compliance)
    cipher = PartyCipher(LocalKeyManagement.open(settings.key_folder, "plans"), tenant=settings.tenant)
    store = PlanStore(cipher)
    desk = PlanDesk(store, ProtectedMinimumTable.load(), holds)
    following = FollowingDesk(store, FollowUpPolicies.load())
    opened: list[Database] = []

    def build_api(runtime: ServiceRuntime) -> FastAPI:
        return _api(
            runtime,
            settings,
            [
                build_router(desk, store),
                build_cutover_router(Cutovers(store, compliance)),
                build_follow_up_router(following, store),
                access_router("plans", plans_texts(), partial(give_lists, cipher)),
            ],
        )

    @asynccontextmanager
    async def lifespan(runtime: ServiceRuntime) -> AsyncIterator[None]:
        opened[:] = [runtime.database]
        if "worker" in runtime.roles:
            async with runtime.database.unit_of_work() as uow:
                uow.intend(next_look(uow, following.policies))
                uow.intend(learn_holds(uow))
        try:
            yield
        finally:
            for closing in (compliance, tokens):
                await closing.close()

    return ServiceDefinition(
        name="plans",
        settings=settings,
        build_api=build_api,
        subscriptions=subscriptions(store),
        intent_handlers=[
            SigningTimeout(store),
            HoldEndings(holds),
            LookAtPlans(following),
            RETIRED,
            LearnHolds(compliance, lambda: opened[0]),
            AskForFollowUps(following, compliance, lambda: opened[0]),
            PermitUses(USE_PERMIT, lambda: compliance),
            PermitReleases(RELEASE_PERMIT, lambda: compliance),
        ],
        lifespan=lifespan,
        on_heartbeats=on_heartbeats,
        gauges=seldom(ReviewWatch(following).tell, every=COUNTED_EVERY),
    )


def _api(runtime: ServiceRuntime, settings: ServiceSettings, answering: Sequence[APIRouter]) -> FastAPI:
    return create_app(
        ApiDefinition(
            service="plans",
            title="Plans",
            description=_DESCRIPTION,
            # 2: plans of other systems are `imported`; of them no surplus, table or document is known
            # 3: a plan can be `broken`
            version="3.0.0",
            routers=answering,
            examples=EXAMPLES,
            settings=settings,
            database=runtime.database,
            verifier=TokenVerifier.from_settings(settings, runtime.clock),
        )
    )
