"""Permissions to pass one rule: a person's consent, a supervisor's decision."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query
from starlette.requests import Request
from starlette.responses import Response

from services.compliance import override_desk
from services.compliance.api.surroundings import instruments_of
from services.compliance.domain.local_time import Span
from services.compliance.domain.overrides import (
    NotOverridable,
    OverrideBackdated,
    OverrideQuotaSpent,
    OverrideTooLong,
)
from services.compliance.erased import PartyErased, refuse_erased
from services.compliance.override_desk import NewOverride
from services.compliance.schemas.dossiers import OverrideRule, OverrideView, RecordConsent
from services.compliance.store import dossiers as store
from shared.database import UnitOfWork
from shared.security.callers import caller_of, scope
from shared.web.commands import command
from shared.web.openapi import problem_responses
from shared.web.pages import Page, PageRequest, page_request
from shared.web.persons import PersonNeeded, named_person
from shared.web.problems import InvalidCursor, NotAllowed, NotFound
from shared.web.state import database_of

router = APIRouter(prefix="/v1", tags=["overrides"])
_CONSENT = [Depends(scope("compliance.record-consent"))]
_OVERRIDE = [Depends(scope("compliance.override"))]
_READ = [Depends(scope("compliance.read"))]
_REFUSALS = (PartyErased, NotOverridable, OverrideBackdated, OverrideTooLong)
OverrideId = Annotated[UUID, Path(description="The permission.")]


@router.post(
    "/consents",
    response_model=OverrideView,
    status_code=201,
    dependencies=_CONSENT,
    responses=problem_responses(*_REFUSALS),
    summary="Record a person's consent",
)
async def record_consent(request: Request, body: RecordConsent) -> Response:
    """The person agreed, on evidence, that one rule be passed, where the rule allows it; hours rules: at these hours.

    It acts from its recording on. What the person calls inconvenient goes before it.
    """
    new = NewOverride(
        party_id=body.party_id, rule=body.rule, by="consent", valid=Span(body.valid_from, body.valid_to),
        opens=body.opens, closes=body.closes, evidence=body.evidence, by_whom=caller_of(request).subject,
    )  # fmt: skip
    return await _give(request, body, new)


@router.post(
    "/overrides",
    response_model=OverrideView,
    status_code=201,
    dependencies=_OVERRIDE,
    responses=problem_responses(*_REFUSALS, OverrideQuotaSpent, NotAllowed, PersonNeeded),
    summary="Pass a warning as a supervisor",
)
async def override_rule(request: Request, body: OverrideRule) -> Response:
    """A named supervisor without collection targets decides, with a reason, that a warning be passed: 5 in 24 hours.

    Each is a leaf of the log; a second person judges a sample of them.
    """
    by_whom = named_person(request)
    if "collector_id" in caller_of(request).attributes:
        raise NotAllowed("who collects overrides nothing")
    new = NewOverride(
        party_id=body.party_id, rule=body.rule, by="supervisor", valid=Span(body.valid_from, body.valid_to),
        evidence=body.evidence, by_whom=by_whom, reason=body.reason,
    )  # fmt: skip
    return await _give(request, body, new)


@router.post(
    "/consents/{override_id}/withdraw",
    response_model=OverrideView,
    dependencies=_CONSENT,
    responses=problem_responses(NotFound),
    summary="A person withdraws consent",
)
async def withdraw_consent(request: Request, override_id: OverrideId) -> Response:
    """End it from now on; permits that rested on it are revoked."""
    return await _withdraw(request, override_id, by="consent")


@router.post(
    "/overrides/{override_id}/withdraw",
    response_model=OverrideView,
    dependencies=_OVERRIDE,
    responses=problem_responses(NotFound),
    summary="Withdraw an override",
)
async def withdraw_override(request: Request, override_id: OverrideId) -> Response:
    """End it from now on; permits that rested on it are revoked."""
    return await _withdraw(request, override_id, by="supervisor")


@router.get("/overrides", dependencies=_READ, responses=problem_responses(InvalidCursor), summary="Permissions")
async def read_overrides(
    request: Request,
    page: Annotated[PageRequest, Depends(page_request)],
    party_id: Annotated[UUID | None, Query(description="Only of this party.")] = None,
    by: Annotated[Literal["consent", "supervisor"] | None, Query(description="Only of this kind.")] = None,
) -> Page[OverrideView]:
    """Consents and overrides in the order in which they were recorded, withdrawn ones included."""
    name = f"overrides|{party_id or ''}|{by or ''}"
    after = page.after(name, datetime, UUID)
    async with database_of(request).read_only() as uow:
        found = await store.list_overrides(
            uow, party_id=party_id, by_role=by, after=None if after is None else (after[0], after[1]),
            limit=page.limit + 1,
        )  # fmt: skip
    return page.page(
        found, list_name=name, key=lambda one: (one.given.recorded_real, one.given.override_id), item=_view
    )


async def _give(request: Request, body: RecordConsent | OverrideRule, new: NewOverride) -> Response:
    instruments = instruments_of(request)

    async def give(uow: UnitOfWork) -> OverrideView:
        await refuse_erased(uow, instruments.cipher, [new.party_id])
        return _view(await override_desk.give(uow, instruments, new))

    return await command(request, body=body, parties=[new.party_id], handler=give, status=201)


async def _withdraw(request: Request, override_id: UUID, *, by: Literal["consent", "supervisor"]) -> Response:
    instruments, by_whom = instruments_of(request), caller_of(request).subject

    async def find(uow: UnitOfWork) -> store.KeptOverride:
        kept = await store.find_override(uow, override_id)
        if kept is None or kept.given.override.by != by:
            raise NotFound("there is no such permission")
        return kept

    async def withdraw(uow: UnitOfWork) -> OverrideView:
        return _view(await override_desk.withdraw(uow, instruments, await find(uow), by_whom=by_whom))

    async with database_of(request).read_only() as reading:
        known = await find(reading)
    return await command(request, body=None, parties=[known.given.party_id], handler=withdraw)


def _view(kept: store.KeptOverride) -> OverrideView:
    given = kept.given
    standing = given.standing
    return OverrideView(
        override_id=given.override_id,
        party_id=given.party_id,
        rule=given.rule,
        by="consent" if standing.by == "consent" else "supervisor",
        valid_from=standing.valid.start,
        valid_to=standing.valid.end,
        opens=standing.opens,
        closes=standing.closes,
        evidence=kept.evidence,
        by_whom=kept.by_whom,
        recorded_at=kept.recorded_at,
        withdrawn=given.ended_at is not None,
    )
