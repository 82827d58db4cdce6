"""The HTTP side of compliance: askers, holders of permits, the office, auditors."""

from __future__ import annotations

from fastapi import APIRouter, FastAPI

from services.compliance.api.card_readings import router as card_readings_router
from services.compliance.api.complaints import router as complaints_router
from services.compliance.api.conduct import router as conduct_router
from services.compliance.api.contacts import router as contacts_router
from services.compliance.api.cutovers import router as cutovers_router
from services.compliance.api.decisions import ask_decisions
from services.compliance.api.decisions import router as decisions_router
from services.compliance.api.devices import router as devices_router
from services.compliance.api.duties import router as duties_router
from services.compliance.api.duty_causes import router as duty_causes_router
from services.compliance.api.examinations import router as examinations_router
from services.compliance.api.explanations import router as explanations_router
from services.compliance.api.facts import router as facts_router
from services.compliance.api.feeds import router as feeds_router
from services.compliance.api.findings import router as findings_router
from services.compliance.api.holds import router as holds_router
from services.compliance.api.log import router as log_router
from services.compliance.api.overrides import router as overrides_router
from services.compliance.api.permits import ask_windows, permits_together, request_permits
from services.compliance.api.permits import router as permits_router
from services.compliance.api.reading import router as reading_router
from services.compliance.api.reconciliation import router as reconciliation_router
from services.compliance.api.rights import router as rights_router
from services.compliance.api.samples import router as samples_router
from services.compliance.api.traces import router as traces_router
from services.compliance.balances import Balances
from services.compliance.examples import EXAMPLES
from services.compliance.instruments import Instruments
from shared.security.tokens import TokenVerifier
from shared.service import ServiceRuntime
from shared.web.app import ApiDefinition, create_app
from shared.web.jwks import jwks_router

ROUTERS: tuple[APIRouter, ...] = (
    permits_router, decisions_router, explanations_router,
    holds_router, contacts_router, traces_router, feeds_router, findings_router, reconciliation_router, reading_router,
    log_router, complaints_router, examinations_router, facts_router, overrides_router, samples_router, rights_router,
    devices_router, conduct_router, card_readings_router, cutovers_router, duties_router, duty_causes_router,
)  # fmt: skip


def build(
    runtime: ServiceRuntime, *, instruments: Instruments, balances: Balances, verifier: TokenVerifier | None = None
) -> FastAPI:
    """The API of one process. `verifier` None: the one that the settings name."""
    return create_app(
        ApiDefinition(
            service="compliance",
            title="Doorstep compliance",
            # 2: channel third_party_location; 3: ending a hold has its own scope; 4: sources are bound to their client;
            # 5: decision_id is null for a person who was erased; 6: an allow has a counterfactual; scopes of holds
            # 9: records about people who were erased are answered `erased`; 10: feeds have keys, their terms reasons
            version="10.0.0",
            description="May we, did we, prove it: permits, holds, findings, and the tamper-evident log.",
            routers=(*ROUTERS, jwks_router(instruments.permit_key)),
            settings=runtime.settings,
            database=runtime.database,
            verifier=verifier or TokenVerifier.from_settings(runtime.settings, runtime.clock),
            examples=EXAMPLES,
            straight=(request_permits, ask_windows, ask_decisions),
            state={
                "instruments": instruments,
                "balances": balances,
                "permits_together": permits_together(runtime.database, instruments, balances),
            },
        )
    )
