"""Findings: what was broken, and what became of it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query
from starlette.requests import Request
from starlette.responses import Response

from services.compliance import finding_desk
from services.compliance.api.surroundings import instruments_of
from services.compliance.domain.findings import (
    Decision,
    FindingState,
    FindingStepRefused,
    FindingVersion,
    OwnExplanation,
    decide,
)
from services.compliance.domain.packs import Severity
from services.compliance.instruments import Instruments
from services.compliance.restricted import PartyRestricted, refuse_restricted
from services.compliance.schemas.findings import (
    ControlFindingView,
    FindingDetail,
    FindingStepView,
    FindingView,
    TakeFindingStep,
)
from services.compliance.store import findings as store
from shared.database import UnitOfWork
from shared.security.callers import caller_of, scope
from shared.security.party_keys import Sealed
from shared.web.commands import command
from shared.web.openapi import problem_responses
from shared.web.pages import Page, PageRequest, page_request
from shared.web.problems import InvalidCursor, NotFound
from shared.web.state import database_of

router = APIRouter(prefix="/v1", tags=["findings"])
_READ = [Depends(scope("compliance.read"))]
_EXPLAIN = [Depends(scope("compliance.explain-finding"))]
_JUDGE = [Depends(scope("compliance.judge-finding"))]
_REFUSALS = problem_responses(NotFound, FindingStepRefused, OwnExplanation)
FindingId = Annotated[UUID, Path(description="The finding.")]


@router.get("/findings", dependencies=_READ, responses=problem_responses(InvalidCursor), summary="Findings")
async def read_findings(
    request: Request,
    page: Annotated[PageRequest, Depends(page_request)],
    state: Annotated[FindingState | None, Query(description="Only findings in this state.")] = None,
    severity: Annotated[Severity | None, Query(description="Only findings this grave.")] = None,
    rule: Annotated[str | None, Query(max_length=64, description="Only findings on this rule.")] = None,
    party_id: Annotated[UUID | None, Query(description="Only findings about this party.")] = None,
    contact_id: Annotated[UUID | None, Query(description="Only findings on this contact.")] = None,
    conduct: Annotated[bool | None, Query(description="Only those broken (or not) on the facts then known.")] = None,
    harm: Annotated[bool | None, Query(description="Only those broken (or not) on the facts now known.")] = None,
) -> Page[FindingView]:
    """What was broken, as it stands now, in the order in which it was found."""
    which = store.FindingFilter(
        state=state, severity=severity, rule=rule, party_id=party_id, contact_id=contact_id, conduct=conduct, harm=harm
    )
    after = page.after(which.list_name, datetime, UUID)
    async with database_of(request).read_only() as uow:
        rows = await store.list_findings(
            uow, which, after=None if after is None else (after[0], after[1]), limit=page.limit + 1
        )
    return page.page(rows, list_name=which.list_name, key=_place, item=lambda row: FindingView(**_fields(row)))


@router.get("/control-findings", dependencies=_READ, responses=problem_responses(InvalidCursor), summary="Gaps found")
async def read_control_findings(
    request: Request,
    page: Annotated[PageRequest, Depends(page_request)],
    state: Annotated[FindingState | None, Query(description="Only findings in this state.")] = None,
    rule: Annotated[str | None, Query(max_length=64, description="Only findings on this rule.")] = None,
) -> Page[ControlFindingView]:
    """Where our knowledge has gaps: silent feeds, missing records, differences between services."""
    which = store.FindingFilter(about_people=False, state=state, rule=rule)
    after = page.after(which.list_name, datetime, UUID)
    async with database_of(request).read_only() as uow:
        rows = await store.list_findings(
            uow, which, after=None if after is None else (after[0], after[1]), limit=page.limit + 1
        )
    return page.page(rows, list_name=which.list_name, key=_place, item=lambda row: ControlFindingView(**_fields(row)))


@router.get(
    "/findings/{finding_id}",
    dependencies=_READ,
    responses=problem_responses(NotFound, PartyRestricted),
    summary="One finding",
)
async def read_finding(request: Request, finding_id: FindingId) -> FindingDetail:
    """The finding with every version: what was done, by whom, when and why."""
    instruments = instruments_of(request)
    async with database_of(request).read_only() as uow:
        history = await store.load_history(uow, finding_id)
        if not history:
            raise NotFound("there is no such finding")
        if history[0].version.party_id is not None:
            await refuse_restricted(uow, instruments_of(request).book, history[0].version.party_id, "finding")
        return await _detail(uow, instruments, history)


@router.post(
    "/findings/{finding_id}/explain",
    response_model=FindingDetail,
    dependencies=_EXPLAIN,
    responses=_REFUSALS,
    summary="Explain a finding",
)
async def explain_finding(request: Request, finding_id: FindingId, body: TakeFindingStep) -> Response:
    """Say why it happened. It closes nothing; whoever explains cannot decide on it. May be repeated to add to it."""
    return await _take(request, finding_id, body, "explain")


@router.post(
    "/findings/{finding_id}/uphold",
    response_model=FindingDetail,
    dependencies=_JUDGE,
    responses=_REFUSALS,
    summary="Uphold a finding",
)
async def uphold_finding(request: Request, finding_id: FindingId, body: TakeFindingStep) -> Response:
    """It was a breach. It stays open for its remedy."""
    return await _take(request, finding_id, body, "uphold")


@router.post(
    "/findings/{finding_id}/remedy",
    response_model=FindingDetail,
    dependencies=_JUDGE,
    responses=_REFUSALS,
    summary="Close an upheld finding",
)
async def remedy_finding(request: Request, finding_id: FindingId, body: TakeFindingStep) -> Response:
    """Say what was made good, and how. Only an upheld finding is remedied."""
    return await _take(request, finding_id, body, "remedy")


@router.post(
    "/findings/{finding_id}/dismiss",
    response_model=FindingDetail,
    dependencies=_JUDGE,
    responses=_REFUSALS,
    summary="Dismiss a finding",
)
async def dismiss_finding(request: Request, finding_id: FindingId, body: TakeFindingStep) -> Response:
    """It was no breach. It stays on record; a later fact that makes it worse opens it again."""
    return await _take(request, finding_id, body, "dismiss")


async def _take(request: Request, finding_id: UUID, body: TakeFindingStep, decision: Decision) -> Response:
    instruments, by_whom = instruments_of(request), caller_of(request).subject
    async with database_of(request).read_only() as reading:
        known = (await store.load_current(reading, [finding_id])).get(finding_id)
    if known is None:
        raise NotFound("there is no such finding")

    async def take(uow: UnitOfWork) -> FindingDetail:
        current = (await store.load_current(uow, [finding_id]))[finding_id]
        after = decide(current, decision, by_whom=by_whom, reason=body.reason, reference=body.reference)
        if not await finding_desk.record(uow, instruments, [after]):
            raise FindingStepRefused("the finding changed meanwhile: read it again", state=current.state)
        return await _detail(uow, instruments, await store.load_history(uow, finding_id))

    return await command(request, body=body, parties=[_lock(known)], handler=take)


def _lock(finding: FindingVersion) -> UUID:
    """What about no person is locked by its own id."""
    return finding.party_id or finding.finding_id


def _place(kept: store.KeptVersion) -> tuple[datetime, UUID]:
    return kept.opened_real, kept.version.finding_id


def _fields(kept: store.KeptVersion) -> dict[str, Any]:
    version, finding = kept.version, kept.version.finding
    return {
        "finding_id": version.finding_id,
        "version": version.version,
        "party_id": version.party_id,
        "contact_id": version.contact_id,
        "permit_id": version.permit_id,
        "subject": version.subject,
        "rule": finding.rule,
        "citation": finding.citation,
        "severity": finding.severity,
        "conduct": finding.conduct,
        "harm": finding.harm,
        "detail": finding.detail,
        "state": version.state,
        "recorded_at": kept.opened_real,
        "changed_at": kept.recorded_real,
    }


async def _detail(uow: UnitOfWork, instruments: Instruments, history: list[store.KeptVersion]) -> FindingDetail:
    reasons = await _opened_reasons(uow, instruments, history)
    steps = [_step(kept, reasons.get(kept.version.version)) for kept in history]
    return FindingDetail(**_fields(history[-1]), history=steps)


def _step(kept: store.KeptVersion, reason: str | None) -> FindingStepView:
    version = kept.version
    return FindingStepView(
        version=version.version,
        step=version.step,
        state=version.state,
        by_whom=version.by_whom,
        reference=version.reference,
        reason=reason if reason is not None else version.reason,
        conduct=version.finding.conduct,
        harm=version.finding.harm,
        detail=version.finding.detail,
        recorded_at=kept.recorded_at,
        recorded_real=kept.recorded_real,
    )


async def _opened_reasons(
    uow: UnitOfWork, instruments: Instruments, history: list[store.KeptVersion]
) -> dict[int, str | None]:
    sealed = [
        (kept.version.version, Sealed(kept.version.party_id, finding_desk.REASON, kept.sealed_reason))
        for kept in history
        if kept.version.party_id is not None and kept.sealed_reason is not None
    ]
    opened = await instruments.cipher.open_many(uow, [one for _, one in sealed]) if sealed else []
    return {version: text for (version, _), text in zip(sealed, opened, strict=True)}
