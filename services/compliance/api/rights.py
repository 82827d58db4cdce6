"""Rights of people over what is kept of them: legal holds, erasures, restriction; all outside collections."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query
from starlette.requests import Request
from starlette.responses import Response

from services.compliance import access_desk, erasure_desk, legal_hold_desk
from services.compliance.api.surroundings import instruments_of
from services.compliance.domain.erasures import (
    Erasure,
    ErasureRefused,
    ErasureState,
    ErasureStepRefused,
    SecondPersonErases,
)
from services.compliance.domain.keeping import RESTRICTED_FOR, Reason
from services.compliance.domain.legal_holds import LegalHoldLifted, SecondPersonLifts
from services.compliance.erased import PartyErased, refuse_erased
from services.compliance.restricted import ReasonNeeded
from services.compliance.schemas.identifiers import PartyId
from services.compliance.schemas.rights import (
    AccessPackView,
    ErasureView,
    KeepReason,
    LegalHoldView,
    LiftLegalHold,
    PlaceLegalHold,
    RequestErasure,
    RestrictionView,
)
from services.compliance.store import erasures, keeping, legal_holds
from shared.database import UnitOfWork
from shared.moments import Moment
from shared.security.callers import caller_of, scope
from shared.security.scopes import SERVICES
from shared.web.commands import command
from shared.web.openapi import problem_responses
from shared.web.pages import Page, PageRequest, page_request
from shared.web.problems import FieldError, InvalidCursor, InvalidRequest, NotFound, Problem
from shared.web.state import database_of

router = APIRouter(prefix="/v1", tags=["rights"])
_HOLD = [Depends(scope("compliance.hold-for-law"))]
_ACCESS = [Depends(scope("compliance.give-access"))]
_ERASE = [Depends(scope("compliance.erase"))]
LegalHoldId = Annotated[UUID, Path(description="The legal hold.")]
ErasureId = Annotated[UUID, Path(description="The erasure.")]
_OTHERS: Final = frozenset(SERVICES) - {"compliance"}
_OTHER: Final = re.compile(r"[a-z]+:[0-9a-f]{64}")
_Page = Annotated[PageRequest, Depends(page_request)]


@router.post(
    "/legal-holds",
    response_model=LegalHoldView,
    status_code=201,
    dependencies=_HOLD,
    responses=problem_responses(PartyErased),
    summary="Keep everything for a legal matter",
)
async def place_legal_hold(request: Request, body: PlaceLegalHold) -> Response:
    """From now on nothing about the person is erased, by request or by retention, until two people have lifted it."""
    instruments, by_whom = instruments_of(request), caller_of(request).subject

    async def place(uow: UnitOfWork) -> LegalHoldView:
        await refuse_erased(uow, instruments.cipher, [body.party_id])
        kept = await legal_hold_desk.place(
            uow, instruments, body.party_id, matter=body.matter, custodian=body.custodian, by_whom=by_whom,
            reason=body.reason,
        )  # fmt: skip
        return _hold_view(kept)

    return await command(request, body=body, parties=[body.party_id], handler=place, status=201)


@router.post(
    "/legal-holds/{legal_hold_id}/lift",
    response_model=LegalHoldView,
    dependencies=_HOLD,
    responses=problem_responses(NotFound, LegalHoldLifted, SecondPersonLifts),
    summary="Lift a legal hold",
)
async def lift_legal_hold(request: Request, legal_hold_id: LegalHoldId, body: LiftLegalHold) -> Response:
    """Say that it may go. The first person's word changes nothing yet; a second person's lifts it."""
    instruments, by_whom = instruments_of(request), caller_of(request).subject
    async with database_of(request).read_only() as reading:
        known = await _known_hold(request, reading, legal_hold_id)

    async def lift(uow: UnitOfWork) -> LegalHoldView:
        now = await _known_hold(request, uow, legal_hold_id)
        return _hold_view(await legal_hold_desk.take_lift(uow, instruments, now, by_whom=by_whom, reason=body.reason))

    return await command(request, body=body, parties=[known.hold.party_id], handler=lift)


@router.get("/legal-holds", dependencies=_HOLD, responses=problem_responses(InvalidCursor), summary="Legal holds")
async def read_legal_holds(
    request: Request, page: _Page, party_id: Annotated[UUID | None, Query(description="Only of this party.")] = None
) -> Page[LegalHoldView]:
    """What is kept for legal matters now."""
    list_name = f"legal-holds|{party_id or ''}"
    after = page.after(list_name, datetime, UUID)
    async with database_of(request).read_only() as uow:
        rows = await legal_holds.list_standing(
            uow, instruments_of(request).cipher, party_id=party_id,
            after=None if after is None else (after[0], after[1]), limit=page.limit + 1,
        )  # fmt: skip
    return page.page(
        rows, list_name=list_name, key=lambda one: (one.recorded_real, one.hold.legal_hold_id), item=_hold_view
    )


@router.post(
    "/erasures",
    response_model=ErasureView,
    status_code=201,
    dependencies=_ERASE,
    responses=problem_responses(PartyErased, ErasureRefused),
    summary="A person asks to be erased",
)
async def request_erasure(request: Request, body: RequestErasure) -> Response:
    """Start the clock. Refused where a legal hold, a complaint, a running debt or claim, or a law has the records kept:
    `reasons` name each with its citation and the earliest date. The refusal is kept and proved, too.
    """
    instruments, by_whom = instruments_of(request), caller_of(request).subject

    async def ask(uow: UnitOfWork) -> ErasureView | Problem:
        decided = await erasure_desk.request(
            uow, instruments, body.party_id, received_at=min(body.received_at, uow.now), by_whom=by_whom
        )
        return _answer(decided)

    return await command(request, body=body, parties=[body.party_id], handler=ask, status=201)


@router.post(
    "/erasures/{erasure_id}/carry-out",
    response_model=ErasureView,
    dependencies=_ERASE,
    responses=problem_responses(NotFound, PartyErased, ErasureRefused, ErasureStepRefused, SecondPersonErases),
    summary="Erase the person",
)
async def carry_erasure_out(request: Request, erasure_id: ErasureId) -> Response:
    """A second person's decision. Judged again; then permits are revoked, the key is deleted, and the other services
    are told to delete theirs. `complete_from` says from when no backup and no topic holds anything.
    """
    instruments, by_whom = instruments_of(request), caller_of(request).subject
    async with database_of(request).read_only() as reading:
        known = await _known_erasure(reading, erasure_id)

    async def erase(uow: UnitOfWork) -> ErasureView | Problem:
        now = await _known_erasure(uow, erasure_id)
        return _answer(await erasure_desk.carry_out(uow, instruments, now, by_whom=by_whom))

    return await command(request, body=None, parties=[known.party_id], handler=erase)


@router.get("/erasures", dependencies=_ERASE, responses=problem_responses(InvalidCursor), summary="Erasures")
async def read_erasures(
    request: Request,
    page: _Page,
    state: Annotated[ErasureState | None, Query(description="Only those in this state.")] = None,
) -> Page[ErasureView]:
    """Every erasure, in the order of receipt: asked for, refused, carried out, complete."""
    list_name = f"erasures|{state or ''}"
    after = page.after(list_name, datetime, UUID)
    async with database_of(request).read_only() as uow:
        rows = await erasures.list_erasures(
            uow, state=state, after=None if after is None else (after[0], after[1]), limit=page.limit + 1
        )
    return page.page(rows, list_name=list_name, key=lambda one: (one.received_at, one.erasure_id), item=_erasure_view)


@router.get("/erasures/{erasure_id}", dependencies=_ERASE, responses=problem_responses(NotFound), summary="One erasure")
async def read_erasure(request: Request, erasure_id: ErasureId) -> ErasureView:
    """The erasure as it stands."""
    async with database_of(request).read_only() as uow:
        return _erasure_view(await _known_erasure(uow, erasure_id))


@router.get(
    "/parties/{party_id}/access-pack",
    dependencies=_ACCESS,
    responses=problem_responses(PartyErased, NotFound, ReasonNeeded),
    summary="What we keep about a person",
)
async def read_access_pack(
    request: Request,
    party_id: Annotated[PartyId, Path(description="The person who asked.")],
    received_at: Annotated[Moment, Query(description="Business time at which the request reached us.")],
    reason: Annotated[
        str | None,
        Query(min_length=5, max_length=400, description="Why it is read; needed where records are restricted."),
    ] = None,
    given_by: Annotated[
        str | None, Query(min_length=1, max_length=200, description="Who gives it, where a tool asks.")
    ] = None,
    others: Annotated[
        list[str] | None,
        Query(
            max_length=4,
            description="What the person is given of the other services: `service:SHA-256` of each answer of theirs to "
            "`access-lists`, canonical (RFC 8785). All four, or none; the leaf commits to them.",
            examples=[[f"intake:{'0' * 64}"]],
        ),
    ] = None,
) -> AccessPackView:
    """Everything that compliance keeps about the person, in plain words, without other people's data. Each reading is a
    leaf of the log, with the clock of the request; it commits to what the other services gave.
    """
    digests = _digests(others or [])
    subject = caller_of(request).subject
    async with database_of(request).unit_of_work() as uow:
        given = await access_desk.give_pack(
            uow, instruments_of(request), party_id, received_at=min(received_at, uow.now), reason=reason,
            by_whom=subject if given_by is None else f"{subject} for {given_by}", others=digests,
        )  # fmt: skip
    return AccessPackView.model_validate({**given.pack.document(), "leaf_id": given.leaf_id})


@router.get(
    "/restrictions", dependencies=_ERASE, responses=problem_responses(InvalidCursor), summary="Who is restricted"
)
async def read_restrictions(request: Request, page: _Page) -> Page[RestrictionView]:
    """People whose records nobody must keep any longer: only the rights desk reads them, and soon they are erased."""
    after = page.after("restrictions", str, UUID)
    async with database_of(request).read_only() as uow:
        rows = await keeping.list_restricted(
            uow, after=None if after is None else (date.fromisoformat(after[0]), after[1]), limit=page.limit + 1
        )
    return page.page(
        rows,
        list_name="restrictions",
        key=lambda one: (one.since.isoformat(), one.party_id),
        item=lambda one: RestrictionView(
            party_id=one.party_id, since=one.since, erased_from=one.since + RESTRICTED_FOR
        ),
    )


def _digests(others: Sequence[str]) -> dict[str, str]:
    """The digests by service. Raises InvalidRequest unless each of the four is named once, or none."""
    found = dict(one.split(":", 1) for one in others if _OTHER.fullmatch(one))
    if others and (len(found) != len(others) or found.keys() != _OTHERS):
        detail = f"needs one of each: {', '.join(sorted(_OTHERS))}"
        raise InvalidRequest(errors=[FieldError("query", "/others", "not_all_services", detail)])
    return found


async def _known_hold(request: Request, uow: UnitOfWork, legal_hold_id: UUID) -> legal_holds.KeptLegalHold:
    found = await legal_holds.find(uow, instruments_of(request).cipher, legal_hold_id)
    if found is None:
        raise NotFound("there is no such legal hold")
    return found


async def _known_erasure(uow: UnitOfWork, erasure_id: UUID) -> Erasure:
    found = await erasures.find(uow, erasure_id)
    if found is None:
        raise NotFound("there is no such erasure")
    return found


def _answer(decided: erasure_desk.Decided) -> ErasureView | Problem:
    if decided.reasons:
        dates = [one.earliest for one in decided.reasons]
        earliest = None if None in dates else max(one for one in dates if one is not None)
        return ErasureRefused(
            "; ".join(one.detail for one in decided.reasons),
            erasure_id=str(decided.erasure.erasure_id),
            reasons=[_reason(one).model_dump(mode="json") for one in decided.reasons],
            earliest=None if earliest is None else earliest.isoformat(),
        )
    return _erasure_view(decided.erasure)


def _reason(reason: Reason) -> KeepReason:
    return KeepReason(
        rule=reason.rule, citation=reason.citation, detail=reason.detail, earliest=reason.earliest, after=reason.after
    )


def _erasure_view(erasure: Erasure) -> ErasureView:
    return ErasureView(
        erasure_id=erasure.erasure_id,
        party_id=erasure.party_id,
        version=erasure.version,
        cause=erasure.cause,
        state=erasure.state,
        by_whom=erasure.by_whom,
        received_at=erasure.received_at,
        answer_by=erasure.clock.answer_by,
        rule=erasure.clock.rule,
        citation=erasure.clock.citation,
        refused_by=list(erasure.refused_by),
        erased_at=erasure.erased_real,
        complete_from=erasure.complete_from,
    )


def _hold_view(kept: legal_holds.KeptLegalHold) -> LegalHoldView:
    hold = kept.hold
    return LegalHoldView(
        legal_hold_id=hold.legal_hold_id,
        party_id=hold.party_id,
        version=hold.version,
        step=hold.step,
        matter=hold.matter,
        custodian=hold.custodian,
        by_whom=hold.by_whom,
        reason=hold.reason,
        recorded_at=kept.recorded_at,
    )
