"""Windows, permits, their use and release, revocation lists, keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query
from starlette.requests import Request
from starlette.responses import Response

from services.compliance.api.asking import (
    FactsBehind,
    answered_unless_erased,
    committed,
    confirm_balances,
    refuse_alone,
)
from services.compliance.api.surroundings import PermitsTogether, balances_of, instruments_of, permits_together_of
from services.compliance.balances import Balances
from services.compliance.domain.canonical import Json, format_time
from services.compliance.domain.facts import Balance, Freshness
from services.compliance.domain.permits import Permit, PermitAlreadyUsed, PermitNotReleasable, PermitReleased
from services.compliance.erased import PartyErased
from services.compliance.instruments import REVOCATIONS_KIND, Instruments
from services.compliance.permit_desk import decide_permits
from services.compliance.permit_life import (
    release_permits,
    report_use_after_release,
    use_permit,
)
from services.compliance.restricted import PartyRestricted, RecordsDeleted, refuse_gone, refuse_restricted
from services.compliance.schemas.permits import (
    KeysAnswer,
    PermitAnswer,
    PermitAnswers,
    PermitRequests,
    PermitView,
    ReleasePermit,
    RevocationsAnswer,
    UsePermit,
    WindowsAnswers,
    WindowsQuestion,
)
from services.compliance.store import permits as store
from services.compliance.store.facts import load_facts
from services.compliance.store.feeders import load_watermarks
from services.compliance.window_desk import points_named_by, windows_of
from shared.database import Database, UnitOfWork
from shared.events.base import TimeWindow
from shared.security.callers import scope
from shared.web.commands import command
from shared.web.group_commit import GroupCommit
from shared.web.openapi import QUESTION, problem_responses
from shared.web.problems import NotFound, Problem
from shared.web.state import database_of

router = APIRouter(prefix="/v1", tags=["permits"])
PermitId = Annotated[UUID, Path(description="The permit.")]
_ASK = [Depends(scope("compliance.request-permit"))]
_USE = [Depends(scope("compliance.use-permit"))]
_WINDOWS = [Depends(scope("compliance.read-windows"))]


@router.post(
    "/windows", response_model=WindowsAnswers, dependencies=_WINDOWS, openapi_extra=QUESTION, summary="Lawful windows"
)
async def ask_windows(request: Request, body: WindowsQuestion) -> WindowsAnswers:
    """When may these parties be contacted on these days? Advice, not a right: only a permit allows a contact."""
    instruments = instruments_of(request)
    async with database_of(request).read_only() as uow:
        facts = await load_facts(
            uow, instruments.cipher, {item.party_id for item in body.items},
            named=points_named_by(body.items, instruments),
        )  # fmt: skip
        return WindowsAnswers(items=[windows_of(item, facts[item.party_id], instruments, uow) for item in body.items])


@router.post(
    "/permits",
    response_model=PermitAnswers,
    dependencies=_ASK,
    responses=problem_responses(FactsBehind, PartyErased),
    summary="Decide on contacts",
)
async def request_permits(request: Request, body: PermitRequests) -> Response:
    """Decide on each contact, in order, in one transaction; an allowed one is reserved and its permit signed.

    Collection visits are checked against the bank's balance first. A refusal is an answer, not an error; only a single
    request is 409 on facts that compliance has not seen yet, and 410 about a person who was erased.
    """
    body = PermitRequests.model_construct(items=committed(instruments_of(request), body.items))
    parties = {item.party_id for item in body.items}
    if len(body.items) == 1:
        return await permits_together_of(request).command(request, body=body, parties=parties)
    balances = await confirm_balances(balances_of(request), body.items)

    async def decide(uow: UnitOfWork) -> PermitAnswers:
        [answers] = await _decide(uow, instruments_of(request), [body], balances)
        return answers

    return await command(request, body=body, parties=parties, handler=decide)


def permits_together(database: Database, instruments: Instruments, balances: Balances) -> PermitsTogether:
    """Requests for one permit each that wait at the same time, in one transaction."""

    async def prepare(bodies: Sequence[PermitRequests]) -> Mapping[UUID, Balance]:
        return await confirm_balances(balances, [item for body in bodies for item in body.items])

    return GroupCommit(
        "permits together", database, prepare=prepare,
        carry_out=lambda uow, bodies, found: _decide(uow, instruments, bodies, found),
    )  # fmt: skip


async def _decide(
    uow: UnitOfWork, instruments: Instruments, bodies: Sequence[PermitRequests], balances: Mapping[UUID, Balance]
) -> list[PermitAnswers]:
    """The answers of each body; all items are decided in order."""
    items = [item for body in bodies for item in body.items]
    answers = iter(
        await answered_unless_erased(
            uow,
            instruments.cipher,
            items,
            lambda asked: decide_permits(uow, instruments, asked, balances),
            PermitAnswer,
        )
    )
    decided = [PermitAnswers(items=[next(answers) for _ in body.items]) for body in bodies]
    for one in decided:
        refuse_alone(one.items)
    return decided


@router.post(
    "/permits/{permit_id}/use",
    response_model=PermitView,
    dependencies=_USE,
    responses=problem_responses(NotFound, PermitAlreadyUsed, PermitReleased),
    summary="Report the permit's use",
)
async def report_use(request: Request, permit_id: PermitId, body: UsePermit) -> Response:
    """Record that the permit's one contact began.

    It covers the contact that began first, whichever is reported first. A second contact on it, and a use after it was
    given back, are refused, count, and become findings.
    """
    instruments = instruments_of(request)

    async def record(uow: UnitOfWork) -> PermitView | Problem:
        permit = await _load(uow, instruments, permit_id)
        if permit.release_cause is not None:
            return await report_use_after_release(
                uow, instruments, permit, contact_id=body.contact_id, used_at=body.used_at
            )
        used = await use_permit(uow, instruments, permit, contact_id=body.contact_id, used_at=body.used_at)
        return _view(used) if body.contact_id in (None, used.contact_id) else PermitAlreadyUsed()

    return await command(request, body=body, parties=[await _party(request, permit_id)], handler=record)


@router.post(
    "/permits/{permit_id}/release",
    response_model=PermitView,
    dependencies=_USE,
    responses=problem_responses(NotFound, PermitNotReleasable),
    summary="Give an unused permit back",
)
async def give_permit_back(request: Request, permit_id: PermitId, body: ReleasePermit) -> Response:
    """Free the reservation. Only this, or the recorded contact, ends it: a permit never lapses to free."""
    instruments = instruments_of(request)

    async def give_back(uow: UnitOfWork) -> PermitView:
        await release_permits(uow, instruments, [await _load(uow, instruments, permit_id)], cause=body.cause)
        return _view(await _load(uow, instruments, permit_id))

    return await command(request, body=body, parties=[await _party(request, permit_id)], handler=give_back)


@router.get(
    "/permits/{permit_id}",
    dependencies=_USE,
    responses=problem_responses(NotFound, PartyErased, RecordsDeleted, PartyRestricted),
    summary="One permit",
)
async def read_permit(request: Request, permit_id: PermitId) -> PermitView:
    """The permit with its state and token."""
    async with database_of(request).read_only() as uow:
        found = await store.find_granted(uow, instruments_of(request).cipher, permit_id)
        if found is None:
            raise NotFound("there is no such permit")
        await refuse_restricted(uow, instruments_of(request).book, found.permit.party_id, "permit")
        if found.permit.erased:
            await refuse_gone(uow, instruments_of(request).cipher, found.permit.party_id, "permit")
    return _view(found.permit, token=found.token)


@router.get("/permit-keys", dependencies=_WINDOWS, summary="Keys that verify permits")
async def permit_keys(request: Request) -> KeysAnswer:
    """The public keys (RFC 7517) of permits and revocation lists, older versions included."""
    return KeysAnswer.model_validate({"keys": instruments_of(request).permit_key.public_keys()})


@router.get("/revocations", dependencies=_USE, summary="Revoked permits of one device")
async def read_revocations(
    request: Request,
    device_id: Annotated[str, Query(min_length=1, max_length=64, description="The device.")],
) -> RevocationsAnswer:
    """The signed list, complete for the device as of its date, which is compliance's low watermark."""
    async with database_of(request).read_only() as uow:
        # The watermark is read first: the list may hold more than it promises, never less.
        as_of = Freshness(watermarks=await load_watermarks(uow)).oldest
        found = await store.load_revocations(uow, device_id, since=uow.now)
    document: dict[str, Json] = {
        "iss": "compliance",
        "number": found.number,
        "as_of": None if as_of is None else format_time(as_of),
        "device_id": device_id,
        "permit_ids": [str(permit_id) for permit_id in found.permit_ids],
    }
    return RevocationsAnswer(
        number=found.number,
        as_of=as_of,
        device_id=device_id,
        permit_ids=list(found.permit_ids),
        signed=instruments_of(request).permit_key.sign_document(document, kind=REVOCATIONS_KIND),
    )


async def _party(request: Request, permit_id: UUID) -> UUID:
    async with database_of(request).read_only() as uow:
        party_id = await store.party_of(uow, permit_id)
    if party_id is None:
        raise NotFound("there is no such permit")
    return party_id


async def _load(uow: UnitOfWork, instruments: Instruments, permit_id: UUID) -> Permit:
    return (await store.load_permits(uow, instruments.cipher, [permit_id]))[permit_id]


def _view(permit: Permit, *, token: str | None = None) -> PermitView:
    return PermitView(
        permit_id=permit.permit_id,
        party_id=permit.party_id,
        decision_id=permit.decision_id,
        subject_id=permit.subject_id,
        channel=permit.channel,
        purpose=permit.purpose,
        window=TimeWindow(start=permit.window.start, end=permit.window.end),
        crew=list(permit.crew),
        device_id=permit.device_id,
        state=permit.state.value,
        revoked=permit.revoked_real is not None,
        revoke_cause=permit.revoke_cause,
        contact_id=permit.contact_id,
        permit=token,
    )
