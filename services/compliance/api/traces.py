"""Traces: what sources that collectors do not control know of contacts."""

from __future__ import annotations

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from services.compliance import trace_desk
from services.compliance.api.surroundings import instruments_of
from services.compliance.domain.feeds import FeedClosed, FeedForeign, FeedUnknown
from services.compliance.domain.reports import ContactInFuture, ContactRecordChanged, FeedNumberTaken, feed_id_of
from services.compliance.schemas.traces import ToldTraces, TraceResults
from shared.database import UnitOfWork
from shared.security.callers import caller_of, scope
from shared.web.commands import command
from shared.web.openapi import problem_responses

router = APIRouter(prefix="/v1", tags=["contacts"])


@router.post(
    "/traces",
    response_model=TraceResults,
    dependencies=[Depends(scope("compliance.tell-trace"))],
    responses=problem_responses(
        FeedUnknown, FeedForeign, FeedClosed, ContactRecordChanged, FeedNumberTaken, ContactInFuture
    ),
    summary="Tell traces of contacts",
)
async def tell_traces(request: Request, body: ToldTraces) -> Response:
    """What carriers, gateways, print shops, devices, door codes and customers know of contacts: up to 1,000 records.

    Each source is declared with its kind and bound to one client. A trace that no reported contact explains within 26
    hours is a finding (`CONTACT-UNREPORTED`) about the person; it closes by itself when the report comes late. Each
    record is answered for itself (HTTP 200); the problems listed here stand in the result of a record.
    """
    instruments, by_client = instruments_of(request), caller_of(request).client_id

    async def record(uow: UnitOfWork) -> TraceResults:
        return TraceResults(
            items=await trace_desk.record_traces(uow, instruments, body.items, by_client=by_client)
        )  # fmt: skip

    parties = {one.party_id for one in body.items}
    feeds = {feed_id_of(instruments.tenant, one.source) for one in body.items}
    return await command(request, body=body, parties=parties | feeds, handler=record)
