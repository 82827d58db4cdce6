"""Misconduct that somebody heard or read after the contact was recorded."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path
from starlette.requests import Request
from starlette.responses import Response

from services.compliance import conduct_desk
from services.compliance.api.surroundings import instruments_of
from services.compliance.domain.hindsight import Heard
from services.compliance.erased import PartyErased, refuse_erased
from services.compliance.restricted import PartyRestricted, refuse_restricted
from services.compliance.schemas.conduct import ConductReported, ReportConduct, RuleBroken
from shared.database import UnitOfWork
from shared.security.callers import scope
from shared.web.commands import command
from shared.web.openapi import problem_responses
from shared.web.persons import PersonNeeded, named_person
from shared.web.problems import NotFound

router = APIRouter(prefix="/v1", tags=["contacts"])
_REPORT = [Depends(scope("compliance.report-conduct"))]
ContactId = Annotated[UUID, Path(description="The contact.")]


@router.post(
    "/contacts/{contact_id}/conduct",
    response_model=ConductReported,
    dependencies=_REPORT,
    responses=problem_responses(NotFound, PartyErased, PartyRestricted, PersonNeeded),
    summary="Report misconduct that was heard",
)
async def report_conduct(request: Request, contact_id: ContactId, body: ReportConduct) -> Response:
    """A person outside collections names what they heard or read: each rule of conduct that it breaks is a finding.

    It is judged by the rules of the contact's place and day. Told again, it is one finding per rule, which takes the
    steps of any other. Contacts made since, and permits that stand, are judged again.
    """
    instruments = instruments_of(request)
    heard = Heard(
        flags=frozenset(body.flags), heard_in=body.heard_in, by_whom=named_person(request), reference=body.reference,
        reason=body.reason,
    )  # fmt: skip

    async def report(uow: UnitOfWork) -> ConductReported:
        await refuse_erased(uow, instruments.cipher, [body.party_id])
        await refuse_restricted(uow, instruments.book, body.party_id, "contact")
        found = await conduct_desk.report(uow, instruments, body.party_id, contact_id, heard)
        broken = [
            RuleBroken(
                finding_id=one.finding_id, rule=one.finding.rule, citation=one.finding.citation,
                severity=one.finding.severity,
            )
            for one in found
        ]  # fmt: skip
        return ConductReported(contact_id=contact_id, broken=broken)

    return await command(request, body=body, parties=[body.party_id], handler=report)
