"""The HTTP side of visits: customers, the crew in the field, and the office."""

from __future__ import annotations

from fastapi import APIRouter, FastAPI

from services.visits.access_desk import give_lists, visits_texts
from services.visits.api.customer import router as customer_router
from services.visits.api.devices import router as devices_router
from services.visits.api.field import router as field_router
from services.visits.api.office import router as office_router
from services.visits.examples import EXAMPLES
from services.visits.remote import Neighbours
from services.visits.settings import VisitSettings
from shared.access.routes import access_router
from shared.security.signing import SigningKey
from shared.security.tokens import TokenVerifier
from shared.service import ServiceRuntime
from shared.web.app import ApiDefinition, create_app

ROUTERS: tuple[APIRouter, ...] = (
    customer_router,
    field_router,
    devices_router,
    office_router,
    access_router("visits", visits_texts(), give_lists),
)


def build(
    runtime: ServiceRuntime, *, neighbours: Neighbours, link_secret: bytes, total_key: SigningKey,
    visit_settings: VisitSettings,
) -> FastAPI:  # fmt: skip
    """The API of one process."""
    return create_app(
        ApiDefinition(
            service="visits",
            title="Doorstep visits",
            description="Appointments, the door, outcomes, safety. Nobody rings a doorbell without a permit.",
            routers=ROUTERS,
            examples=EXAMPLES,
            settings=runtime.settings,
            database=runtime.database,
            verifier=TokenVerifier.from_settings(runtime.settings, runtime.clock),
            state={
                "neighbours": neighbours,
                "link_secret": link_secret,
                "total_key": total_key,
                "visit_settings": visit_settings,
            },
        )
    )
