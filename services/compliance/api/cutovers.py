"""Cut-overs: what another system kept is imported under two people's signatures."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query
from pydantic import JsonValue, ValidationError
from starlette.requests import Request
from starlette.responses import Response

from services.compliance import cutover_desk
from services.compliance.api.surroundings import instruments_of
from services.compliance.cutover_desk import party_of
from services.compliance.cutover_importing import Record
from services.compliance.domain.cutovers import (
    CutoverChanged,
    CutoverDiffers,
    CutoverNotOpen,
    CutoverNotSigned,
    HistoryTooShort,
)
from services.compliance.domain.look_back import longest_look_back
from services.compliance.domain.same_persons import others_of
from services.compliance.instruments import Instruments
from services.compliance.schemas.contacts import LONGEST_POINT
from services.compliance.schemas.cutovers import (
    READ_RECORD,
    AcceptCutover,
    BeginCutover,
    CutoverParties,
    CutoverView,
    ImportedRecords,
    ImportedResult,
    ImportedResults,
    LookBackView,
    PartiesTaken,
    UnattestedParty,
)
from services.compliance.store import cutovers as store
from services.compliance.store.same_persons import load_same
from shared.database import UnitOfWork
from shared.moments import Day
from shared.security.callers import caller_of, scope
from shared.web.commands import command
from shared.web.openapi import QUESTION, problem_responses
from shared.web.pages import Page, PageRequest, page_request
from shared.web.problem_responses import validation_problem
from shared.web.problems import InvalidCursor, NotFound
from shared.web.state import database_of

router = APIRouter(prefix="/v1", tags=["cut-over"])
_CUT_OVER = [Depends(scope("compliance.cut-over"))]
_READ = [Depends(scope("compliance.read-cutover"))]
CutoverId = Annotated[str, Path(description="Name of the cut-over.", min_length=1, max_length=64)]


@router.get("/look-back", dependencies=_READ, summary="How far back contacts must be known")
async def read_look_back(
    request: Request,
    place: Annotated[list[str], Query(description="Where the people are.", min_length=1, max_length=60)],
    on: Annotated[Day, Query(description="Business date of the cut-over.")],
) -> LookBackView:
    """The longest look-back of any rule in force there on that day or later, computed from the loaded packs."""
    found = longest_look_back(instruments_of(request).book, place, on)
    if found is None:
        return LookBackView(needed_from=None, rule=None, citation=None, window=None)
    return LookBackView(
        needed_from=found.first_date, rule=found.rule, citation=found.citation, window=found.window
    )  # fmt: skip


@router.post(
    "/cutovers",
    response_model=CutoverView,
    status_code=201,
    dependencies=_CUT_OVER,
    responses=problem_responses(CutoverNotSigned, CutoverChanged, HistoryTooShort),
    summary="Begin a cut-over",
)
async def begin_cutover(request: Request, body: BeginCutover) -> Response:
    """Two registered people signed what is to be imported; the contacts reach back as far as any rule looks."""
    instruments = instruments_of(request)

    async def begin(uow: UnitOfWork) -> CutoverView:
        return await _view(uow, await cutover_desk.begin(uow, instruments, body.terms, body.signatures))

    return await command(request, body=body, parties=[], handler=begin, status=201)


@router.get("/cutovers/{cutover_id}", dependencies=_READ, responses=problem_responses(NotFound), summary="A cut-over")
async def read_cutover(request: Request, cutover_id: CutoverId) -> CutoverView:
    """Its state, and what compliance holds of it, counted anew."""
    async with database_of(request).read_only() as uow:
        known = await store.find(uow, cutover_id)
        if known is None:
            raise NotFound("there is no such cut-over")
        return await _view(uow, known)


@router.post(
    "/cutovers/{cutover_id}/parties",
    response_model=PartiesTaken,
    dependencies=_CUT_OVER,
    responses=problem_responses(NotFound, CutoverNotOpen),
    summary="People take part in a cut-over",
)
async def enrol_parties(request: Request, cutover_id: CutoverId, body: CutoverParties) -> Response:
    """From now on nobody of them is granted a permit until the cut-over attests their contacts."""
    instruments = instruments_of(request)
    async with database_of(request).read_only() as uow:
        one_person = others_of(await load_same(uow, body.party_ids))

    async def enrol(uow: UnitOfWork) -> PartiesTaken:
        return PartiesTaken(
            parties=await cutover_desk.enrol(uow, instruments, cutover_id, body.party_ids, one_person=one_person)
        )

    return await command(request, body=body, parties={*body.party_ids, *one_person}, handler=enrol)


@router.post(
    "/cutover-checks", dependencies=_CUT_OVER, summary="Would these records be imported?", openapi_extra=QUESTION
)
async def check_records(request: Request, body: ImportedRecords) -> ImportedResults:
    """Each record is understood and checked as if it were imported; nothing is written."""
    readable, unreadable = _read(instruments_of(request), body)
    async with database_of(request).read_only() as uow:
        results = unreadable | await cutover_desk.check(uow, instruments_of(request), readable)
    return ImportedResults(items=[results[position] for position in sorted(results)])


@router.post(
    "/cutovers/{cutover_id}/records",
    response_model=ImportedResults,
    dependencies=_CUT_OVER,
    responses=problem_responses(NotFound, CutoverNotOpen),
    summary="Import holds, complaints, contacts, questions to third persons",
)
async def import_records(request: Request, cutover_id: CutoverId, body: ImportedRecords) -> Response:
    """Each record once, by the other system's reference, and answered for itself.

    A hold keeps contact away at once, a complaint starts its clock when it was received, a contact counts on every
    budget and is judged by nobody, and opens no gate.
    """
    instruments, by_whom = instruments_of(request), caller_of(request).subject
    readable, unreadable = _read(instruments, body)

    async def take_over(uow: UnitOfWork) -> ImportedResults:
        results = unreadable | await cutover_desk.take_over(uow, instruments, cutover_id, readable, by_whom=by_whom)
        return ImportedResults(items=[results[position] for position in sorted(results)])

    parties = {one for record in readable.values() if (one := party_of(record)) is not None}
    committed = ImportedRecords.model_construct(items=[_committed(instruments, item) for item in body.items])
    return await command(request, body=committed, parties=parties, handler=take_over)


@router.post(
    "/cutovers/{cutover_id}/accept",
    response_model=CutoverView,
    dependencies=_CUT_OVER,
    responses=problem_responses(NotFound, CutoverNotSigned, CutoverDiffers),
    summary="Accept what was imported",
)
async def accept_cutover(request: Request, cutover_id: CutoverId, body: AcceptCutover) -> Response:
    """Two registered people signed the totals that were read back; nothing more is imported from then on.

    Refused while compliance holds more or less of any kind than was announced.
    """
    instruments = instruments_of(request)

    async def accept(uow: UnitOfWork) -> CutoverView:
        known = await cutover_desk.accept(uow, instruments, cutover_id, body.read_back_sha256, body.signatures)
        return await _view(uow, known)

    return await command(request, body=body, parties=[], handler=accept)


@router.post(
    "/cutovers/{cutover_id}/attestations",
    response_model=PartiesTaken,
    dependencies=_CUT_OVER,
    responses=problem_responses(NotFound, CutoverNotOpen),
    summary="Attest people's past contacts",
)
async def attest_parties(request: Request, cutover_id: CutoverId, body: CutoverParties) -> Response:
    """Contacts with these people of an accepted cut-over are complete from its `history_from` on; each is a leaf."""
    instruments = instruments_of(request)

    async def attest(uow: UnitOfWork) -> PartiesTaken:
        return PartiesTaken(parties=await cutover_desk.attest(uow, instruments, cutover_id, body.party_ids))

    return await command(request, body=body, parties=body.party_ids, handler=attest)


@router.post(
    "/cutovers/{cutover_id}/close",
    response_model=CutoverView,
    dependencies=_CUT_OVER,
    responses=problem_responses(NotFound, CutoverNotOpen),
    summary="Close a cut-over",
)
async def close_cutover(request: Request, cutover_id: CutoverId) -> Response:
    """Everybody who can be attested is. The others stay refused until another cut-over attests them."""
    instruments = instruments_of(request)

    async def close(uow: UnitOfWork) -> CutoverView:
        return await _view(uow, await cutover_desk.close(uow, instruments, cutover_id))

    return await command(request, body=None, parties=[], handler=close)


@router.get(
    "/cutovers/{cutover_id}/unattested",
    dependencies=_READ,
    responses=problem_responses(InvalidCursor),
    summary="People of whom nobody attests past contacts",
)
async def read_unattested(
    request: Request, cutover_id: CutoverId, page: Annotated[PageRequest, Depends(page_request)]
) -> Page[UnattestedParty]:
    """They are refused every permit whose rule looks back, in order of their ids."""
    name = f"unattested|{cutover_id}"
    after = page.after(name, UUID)
    async with database_of(request).read_only() as uow:
        found = await store.unattested(uow, cutover_id, after=None if after is None else after[0], limit=page.limit + 1)
    return page.page(
        found, list_name=name, key=lambda one: (one,), item=lambda one: UnattestedParty(party_id=one)
    )  # fmt: skip


async def _view(uow: UnitOfWork, known: store.Cutover) -> CutoverView:
    parties, attested = await store.count_enrolled(uow, known.terms.cutover_id)
    return CutoverView(
        cutover_id=known.terms.cutover_id,
        core=known.terms.core,
        business_date=known.terms.business_date,
        history_from=known.terms.history_from,
        state=known.state,
        expected=known.terms.expected,
        held=await store.held(uow, known.terms.cutover_id),
        erased=await store.erased(uow, known.terms.cutover_id),
        parties=parties,
        attested=attested,
    )


def _read(instruments: Instruments, body: ImportedRecords) -> tuple[dict[int, Record], dict[int, ImportedResult]]:
    """The records that can be read, and the results of the others, by position."""
    readable: dict[int, Record] = {}
    unreadable: dict[int, ImportedResult] = {}
    for position, item in enumerate(body.items):
        try:
            readable[position] = READ_RECORD.validate_python(_committed(instruments, item))
        except ValidationError as error:
            errors = [{**one, "loc": ("body", "items", position, *one["loc"])} for one in error.errors()]
            unreadable[position] = cutover_desk.refusal(position, validation_problem(errors))
    return readable, unreadable


def _committed(instruments: Instruments, item: JsonValue) -> JsonValue:
    """The record with a commitment in place of its contact point: from here on nobody sees it."""
    if not isinstance(item, dict):
        return item
    said = dict(item)
    for name in ("contact", "inquiry"):
        part = said.get(name)
        point = part.get("contact_point") if isinstance(part, dict) else None
        if isinstance(part, dict) and isinstance(point, str) and 3 <= len(point) <= LONGEST_POINT:
            said[name] = {**part, "contact_point": instruments.contact_point_commitment(point)}
    return said
