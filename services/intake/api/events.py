"""Facts of the core over HTTP: the very same fold as from the topic, with a result per item."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from pydantic import ValidationError
from starlette.responses import Response

from services.intake.core_events import core_event
from services.intake.domain.calendar import FutureBusinessDateError
from services.intake.folding import REDUCING, Folding, FoldRefusedError, keys_bound
from services.intake.schemas import FieldRefusal, LoanEvent, LoanEventResult, LoanEventResults, LoanEvents
from services.intake.store import days
from services.intake.store.parties import Parties, reserve
from shared.database import UnitOfWork
from shared.database.unit_of_work import Cause
from shared.events import Event
from shared.events.base import EventData
from shared.events.catalogue import CATALOGUE
from shared.events.loan import BusinessDayClosed
from shared.messaging import InboxKey, Outcome, inbox, parking
from shared.messaging.records import Entry, KeptRecord, Verdict
from shared.messaging.tracing import current_traceparent
from shared.security.callers import Caller, scope
from shared.web.commands import command

_HTTP = "http"


def events_router(folding: Folding) -> APIRouter:
    """`POST /v1/loan-events`."""
    router = APIRouter(prefix="/v1", tags=["facts"])

    @router.post("/loan-events", response_model=LoanEventResults, summary="Send facts of the core")
    async def record_loan_events(
        body: LoanEvents, request: Request, _: Annotated[Caller, Depends(scope("intake.record-facts"))]
    ) -> Response:
        """Up to 1,000 facts in one transaction. A refused item names its fields and does not touch the others.

        An event that came by the topic before, or comes later, is known by `source` and `id` and counts once.
        """

        async def handle(uow: UnitOfWork) -> LoanEventResults:
            return LoanEventResults(items=await _receive(uow, folding, body.items))

        return await command(request, body=body, parties=[], handler=handle)

    return router


async def _receive(uow: UnitOfWork, folding: Folding, items: Sequence[Mapping[str, Any]]) -> list[LoanEventResult]:
    results: list[LoanEventResult | None] = [None] * len(items)
    closed = await days.closed_dates(uow)
    events: dict[int, Event[EventData]] = {}
    for index, item in enumerate(items):
        read = _read(uow, item)
        if isinstance(read, Event):
            read = _refused_by(folding, uow, read, closed) or read
        if isinstance(read, Event):
            events[index] = read
        else:
            results[index] = read
    own = [event.key for event in events.values() if not _is_day(event)]
    parties = await reserve(uow, [*own, *(key for event in events.values() for key in keys_bound(event))])
    party_ids = {parties.ids[key] for key in own}
    await uow.lock_parties(party_ids)
    parked = await parking.parked_among(uow, party_ids)
    for index, event in list(events.items()):
        waits = not _is_day(event) and parties.ids[event.key] in parked
        if waits and event.type not in REDUCING:
            results[index] = LoanEventResult(id=event.id, outcome="parked")
            del events[index]
    outcomes = await _fold(uow, folding, events, parties)
    for index, event in events.items():
        results[index] = LoanEventResult(id=event.id, outcome=outcomes[index])
    return [result for result in results if result is not None]


async def _fold(uow: UnitOfWork, folding: Folding, events: Mapping[int, Event[EventData]], parties: Parties) -> Any:
    """What became of each event, by index."""
    first: dict[InboxKey, int] = {}
    for index, event in events.items():
        first.setdefault(InboxKey(event.source, event.id), index)
    claimed = await inbox.claim(uow, [_entry(events[index], index) for index in first.values()])
    fresh = [index for key, index in first.items() if key in claimed]
    uow.causes = {event.id: Cause(event.correlation_id, event.traceparent) for event in events.values()}
    other = await folding.fold(uow, [events[index] for index in fresh], parties)
    await inbox.set_outcomes(uow, other)
    outcomes: dict[int, str] = dict.fromkeys(events, "duplicate")
    for index in fresh:
        key = InboxKey(events[index].source, events[index].id)
        outcomes[index] = str(other.get(key, Outcome.APPLIED))
    return outcomes


def _read(uow: UnitOfWork, item: Mapping[str, Any]) -> Event[EventData] | LoanEventResult:
    identity = item.get("id")
    name = identity if isinstance(identity, str) else None
    try:
        envelope = LoanEvent.model_validate(item)
    except ValidationError as error:
        return _refused(name, error, "")
    event_type = CATALOGUE.get(envelope.type)
    if event_type is None or "loan" not in event_type.topics:
        return _refusal(name, "/type", "uncatalogued_type")
    try:
        data = event_type.model.model_validate(envelope.data)
    except ValidationError as error:
        return _refused(name, error, "/data")
    return core_event(
        envelope.type,
        data,
        tenant=uow.tenant,
        source=envelope.source,
        identity=envelope.id,
        time=envelope.time,
        learned_at=uow.real_now,
        correlation_id=envelope.id,
        traceparent=current_traceparent() or "",
    )


def _refused_by(
    folding: Folding, uow: UnitOfWork, event: Event[EventData], closed: Mapping[str, Any]
) -> LoanEventResult | None:
    try:
        today = folding.settings.local_date(uow.now)
        folding.check(event.data, tenant=uow.tenant, closed=closed, today=today)
    except FutureBusinessDateError:
        return _refusal(event.id, "/data/business_date", "future_business_date")
    except FoldRefusedError as error:
        return _refusal(event.id, error.pointer, error.kind)
    return None


def _refused(name: str | None, error: ValidationError, root: str) -> LoanEventResult:
    fields = [
        FieldRefusal(pointer=f"{root}/{'/'.join(str(part) for part in item['loc'])}", kind=item["type"])
        for item in error.errors(include_input=False, include_url=False)[:10]
    ]
    return LoanEventResult(id=name, outcome="refused", errors=fields)


def _refusal(name: str | None, pointer: str, kind: str) -> LoanEventResult:
    return LoanEventResult(id=name, outcome="refused", errors=[FieldRefusal(pointer=pointer, kind=kind)])


def _is_day(event: Event[EventData]) -> bool:
    return isinstance(event.data, BusinessDayClosed)


def _entry(event: Event[EventData], index: int) -> Entry:
    record = KeptRecord(partition=0, offset=index, timestamp=0, key=None, value=None, headers=())
    key = InboxKey(event.source, event.id)
    return Entry(topic=_HTTP, record=record, verdict=Verdict.HANDLE, type=event.type, inbox_key=key)
