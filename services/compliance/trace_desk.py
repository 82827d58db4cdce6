"""The desk of traces: recorded once, and held against the contacts that were reported, whichever of the two came first.

A contact has 26 hours to be reported. Then the trace's timer looks; from then on every later contact of the person
does, so that a report that comes late closes the finding.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal
from uuid import UUID

from services.compliance import feed_desk, finding_desk
from services.compliance.domain.feeds import Feed, source_refused
from services.compliance.domain.findings import found_again
from services.compliance.domain.reports import CLOCK_SKEW, ContactInFuture, ContactRecordChanged, FeedNumberTaken
from services.compliance.domain.traces import (
    TRACE_KINDS,
    Trace,
    trace_id_of,
    unreported,
    unreported_found,
    unreported_id,
)
from services.compliance.erased import pass_over
from services.compliance.instruments import Instruments
from services.compliance.schemas.contacts import ItemProblem
from services.compliance.schemas.traces import ToldTrace, TraceResult
from services.compliance.store import traces as store
from services.compliance.store.feeds import load_feeds
from services.compliance.store.findings import load_current
from services.compliance.store.leaves import load_erased
from services.compliance.store.reports import load_taken
from services.compliance.store.told_of_erased import insert_numbers
from services.compliance.watch import Timer
from shared.database import UnitOfWork
from shared.messaging import Intent
from shared.messaging.intents import NewIntent
from shared.web.problems import Problem

DUE: Final = "compliance.trace_due"
_TIMERS_AT_ONCE: Final = 50


@dataclass(slots=True)
class _Known:
    """What is known of sources, records and numbers; what is new is added while a batch is sorted."""

    feeds: Mapping[str, Feed]
    records: dict[tuple[str, str], store.KnownTrace]
    taken: set[tuple[str, int]]
    erased: Collection[UUID]


async def record_traces(
    uow: UnitOfWork, instruments: Instruments, told: Sequence[ToldTrace], *, by_client: str
) -> list[TraceResult]:
    """Record what is new; results in order. The parties and the feeds are locked."""
    known = _Known(
        feeds={feed.source: feed for feed in await load_feeds(uow)},
        records=await store.load_known(uow, [(one.source, one.record_id) for one in told]),
        taken=await load_taken(uow, [(one.source, one.number) for one in told]),
        erased=await load_erased(uow, instruments.cipher, [one.party_id for one in told]),
    )
    rows: list[store.TraceRow] = []
    results = [_record(uow, known, rows, position, one, by_client) for position, one in enumerate(told)]
    await store.insert_traces(uow, rows)
    of_erased = [told[result.position] for result in results if result.status == "erased"]
    await pass_over(uow, [one.source for one in of_erased])
    new = await insert_numbers(uow, [(one.source, one.number) for one in of_erased])
    heard = [told[result.position] for result in results if result.status == "recorded"]
    heard += [one for one in of_erased if (one.source, one.number) in new]
    await feed_desk.hear_records(uow, instruments, [(one.source, one.number, one.channel) for one in heard])
    for row in rows:
        trace = row.trace
        uow.intend(
            NewIntent(kind=DUE, key=str(trace.trace_id), due_at=trace.due_at, clock="business", party_id=trace.party_id)
        )
    return results


def _record(
    uow: UnitOfWork, known: _Known, rows: list[store.TraceRow], position: int, one: ToldTrace, by_client: str
) -> TraceResult:
    feed = known.feeds.get(one.source)
    digest = hashlib.sha256(one.model_dump_json().encode()).digest()
    before = known.records.get((one.source, one.record_id))
    problem: Problem | None = source_refused(feed, client_id=by_client, kinds=TRACE_KINDS)
    if problem is None and one.party_id in known.erased:
        return _result(position, one, "erased")
    if problem is None and before is not None and before.record_sha256 != digest:
        problem = ContactRecordChanged()
    elif problem is None and before is None and one.seen_at > uow.now + CLOCK_SKEW:
        problem = ContactInFuture()
    elif problem is None and before is None and (one.source, one.number) in known.taken:
        problem = FeedNumberTaken()
    if problem is not None or feed is None or feed.kind == "contacts":
        return _result(position, one, "refused", problem=problem)
    if before is not None:
        return _result(position, one, "repeated", trace_id=before.trace_id)
    trace = Trace(
        trace_id=trace_id_of(uow.tenant, one.source, one.record_id),
        party_id=one.party_id,
        source=one.source,
        kind=feed.kind,
        channel=one.channel,
        seen_at=one.seen_at,
    )
    rows.append(store.TraceRow(trace=trace, record_id=one.record_id, number=one.number, record_sha256=digest))
    known.records[one.source, one.record_id] = store.KnownTrace(trace.trace_id, digest)
    known.taken.add((one.source, one.number))
    return _result(position, one, "recorded", trace_id=trace.trace_id)


async def judge(uow: UnitOfWork, instruments: Instruments, party_ids: Iterable[UUID]) -> None:
    """Find the traces that no contact explains and whose time is over; close those that one explains now.

    The parties are locked.
    """
    by_party = await store.load_traces(uow, party_ids)
    if not by_party:
        return
    contacts = await store.load_reported(uow, by_party)
    found = {
        unreported_id(trace): unreported_found(trace) if trace.trace_id in open_ and uow.now >= trace.due_at else None
        for party_id, traces in sorted(by_party.items())
        for open_ in [unreported(traces, contacts.get(party_id, []))]
        for trace in traces
    }
    standing = await load_current(uow, found)
    after = [found_again(standing.get(one), found[one], repaired="its report came later") for one in sorted(found)]
    await finding_desk.record(uow, instruments, [one for one in after if one is not None])


def due_timer(instruments: Instruments) -> Timer:
    """Looks when the contact of a trace must have been reported."""

    async def look(uow: UnitOfWork, intents: Sequence[Intent]) -> None:
        await judge(uow, instruments, {one.party_id for one in intents if one.party_id is not None})

    return Timer(DUE, look, batch_size=_TIMERS_AT_ONCE)


def _result(
    position: int,
    one: ToldTrace,
    status: Literal["recorded", "repeated", "refused", "erased"],
    *,
    trace_id: UUID | None = None,
    problem: Problem | None = None,
) -> TraceResult:
    return TraceResult(
        position=position,
        source=one.source,
        record_id=one.record_id,
        status=status,
        trace_id=trace_id,
        problem=None if problem is None else ItemProblem.model_validate(problem.document()),
    )
