"""Contacts that the bank's call, SMS, e-mail and letter systems report."""

from __future__ import annotations

from fastapi import APIRouter, Depends
from pydantic import JsonValue, ValidationError
from starlette.requests import Request
from starlette.responses import Response

from services.compliance.api.surroundings import instruments_of
from services.compliance.domain.feeds import FeedClosed, FeedForeign, FeedUnknown
from services.compliance.domain.reports import (
    ContactInFuture,
    ContactRecordChanged,
    ContactTimesContradict,
    FeedNumberTaken,
    feed_id_of,
)
from services.compliance.instruments import Instruments
from services.compliance.report_desk import record_reports, refusal
from services.compliance.schemas.contacts import (
    LONGEST_POINT,
    ReportedContact,
    ReportedContacts,
    ReportedResult,
    ReportedResults,
)
from shared.database import UnitOfWork
from shared.security.callers import caller_of, scope
from shared.web.commands import command
from shared.web.openapi import problem_responses
from shared.web.problem_responses import validation_problem

router = APIRouter(prefix="/v1", tags=["contacts"])
_REPORT = [Depends(scope("compliance.report-contact"))]


@router.post(
    "/contacts",
    response_model=ReportedResults,
    dependencies=_REPORT,
    responses=problem_responses(
        FeedUnknown,
        FeedForeign,
        FeedClosed,
        ContactRecordChanged,
        FeedNumberTaken,
        ContactInFuture,
        ContactTimesContradict,
    ),
    summary="Report contacts that were made",
)
async def report_contacts(request: Request, body: ReportedContacts) -> Response:
    """Record up to 1,000 contacts, each judged at its own time against the rules then in force.

    Records may come late, out of order and again: a record counts once by its source and id, and one that was recorded
    before answers `repeated` with its result. Each is answered for itself (HTTP 200): a record that cannot be recorded
    is `refused` with a problem document and harms no other; the problems of records that are listed here stand in the
    result of the record, never for the whole request. A record about a person who was erased is `erased`: it is counted
    apart, and only its number is kept. A contact without a permit, or one whose use was not
    reported before, is recorded, counts, and opens a finding. A client reports for the sources that are bound to it,
    and for no other (`feed-foreign`); a source that was not declared is refused (`feed-unknown`).
    """
    instruments, by_client = instruments_of(request), caller_of(request).client_id
    body = ReportedContacts.model_construct(items=[_without_clear_points(instruments, item) for item in body.items])
    readable: dict[int, ReportedContact] = {}
    unreadable: dict[int, ReportedResult] = {}
    for position, item in enumerate(body.items):
        try:
            readable[position] = ReportedContact.model_validate(item)
        except ValidationError as error:
            unreadable[position] = _unreadable(position, item, error)

    async def record(uow: UnitOfWork) -> ReportedResults:
        results = unreadable | await record_reports(uow, instruments, readable, by_client=by_client)
        status = [result.status for result in results.values()]
        return ReportedResults(
            items=[results[position] for position in sorted(results)],
            recorded=status.count("recorded"),
            repeated=status.count("repeated"),
            refused=status.count("refused"),
            erased=status.count("erased"),
        )

    parties = {one.party_id for one in readable.values()}
    feeds = {feed_id_of(instruments.tenant, one.source) for one in readable.values()}
    return await command(request, body=body, parties=parties | feeds, handler=record)


def _without_clear_points(instruments: Instruments, item: JsonValue) -> JsonValue:
    """The record with a commitment in place of its contact point: from here on nobody sees it."""
    point = item.get("contact_point") if isinstance(item, dict) else None
    if not isinstance(item, dict) or not isinstance(point, str) or not 3 <= len(point) <= LONGEST_POINT:
        return item  # refused by the field, which nobody repeats
    return {**item, "contact_point": instruments.contact_point_commitment(point)}


def _unreadable(position: int, item: JsonValue, error: ValidationError) -> ReportedResult:
    """Names the fields; of the record only its own two ids are repeated, so that its sender finds it."""
    errors = [{**one, "loc": ("body", "items", position, *one["loc"])} for one in error.errors(include_url=False)]
    source, record_id = (
        value if isinstance(item, dict) and isinstance(value := item.get(name), str) and len(value) <= 64 else None
        for name in ("source", "record_id")
    )
    return refusal(position, validation_problem(errors), source, record_id)
