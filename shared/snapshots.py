"""After a lasting gap: a reader asks the owner of the events for those it lacks, and takes them over.

The owner answers from its outbox, with the bytes that it published. They go through the same steps as records of Kafka
(inbox, order, handlers), so that one which arrives late all the same is a duplicate.
"""

from __future__ import annotations

import asyncio
import logging
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final, NamedTuple
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, Field

from shared.database import Database, UnitOfWork
from shared.events.topics import PARTITIONS, SERVICES
from shared.messaging import open_gaps
from shared.messaging.batch import BatchProcessor
from shared.messaging.intents import Answer, Intent
from shared.messaging.outbox import SOURCE_PREFIX, StreamKey
from shared.messaging.partitioning import partition_of
from shared.messaging.records import Entry, KeptRecord, Stream, classify
from shared.messaging.runtime import DEAD_LETTER_LIMIT
from shared.messaging.sequences import SNAPSHOT_INTENT
from shared.messaging.streams import RetainedEvent, StreamNotKeptError, UnknownStreamError, retained
from shared.messaging.subscription import Subscription
from shared.security.callers import scope
from shared.security.sealing import RecordSealer
from shared.security.token_source import ClientCredentials
from shared.security.topic_readers import refuse_stranger
from shared.settings import ServiceSettings
from shared.telemetry import metrics
from shared.web.client import RemoteProblem, RemoteUnavailable, ServiceClient
from shared.web.problems import KnownProblem, NotFound

log = logging.getLogger(__name__)

PAGE_EVENTS: Final = 200
# What one transaction takes over. If more is missing, the gaps' keeper asks again from there.
MOST_EVENTS: Final = 2_000
# No Kafka log grows so long: what was fetched has coordinates that no record of Kafka has.
_BEYOND_ANY_LOG: Final = 1 << 62


class EventsNotKept(KnownProblem):
    """The owner does not keep the events that were asked for any more; `oldest` is the lowest sequence it has."""

    kind, status, title = "events-not-kept", 410, "The events are not kept any more"


class StreamEvent(BaseModel):
    """One event of a stream, byte for byte as it was published."""

    place: int = Field(description="Rank in the owner's outbox.")
    sequence: int = Field(description="Number in the stream.")
    key: str = Field(description="Kafka key, base64.")
    value: str = Field(description="Kafka value, base64.")
    headers: list[tuple[str, str]] = Field(description="Kafka headers; values base64.")
    recorded_at: datetime = Field(description="When the owner recorded it (real time).")


class StreamPage(BaseModel):
    """Events in the order of their numbers, none left out."""

    events: list[StreamEvent]


def streams_router(database: Database) -> APIRouter:
    """The owner's side: one route under the scope `<service>.snapshot`, for readers of the topic only."""
    may_ask = Depends(scope(f"{database.service}.snapshot"))
    router = APIRouter(prefix="/internal", tags=["operation"], dependencies=[may_ask])

    @router.get("/streams/{topic}/{aggregate_type}/{aggregate_id}", summary="Events of a stream after a number")
    async def read_stream(
        topic: str,
        aggregate_type: str,
        aggregate_id: UUID,
        party_id: UUID,
        request: Request,
        after: Annotated[int, Query(ge=0)] = 0,
        limit: Annotated[int, Query(ge=1, le=PAGE_EVENTS)] = PAGE_EVENTS,
    ) -> StreamPage:
        """As they were published; empty when no later one exists. A page ends early at 4 MiB of values."""
        refuse_stranger(database.service, topic, request)
        stream = StreamKey(topic, aggregate_type, str(aggregate_id))
        try:
            async with database.read_only() as uow:
                events = await retained(uow, stream, party_id=party_id, after=after, limit=limit)
        except UnknownStreamError as error:
            raise NotFound(f"{database.service} never published on this stream") from error
        except StreamNotKeptError as error:
            raise EventsNotKept(str(error), oldest=error.oldest) from error
        return StreamPage(events=[_view(event) for event in events])

    return router


@dataclass(frozen=True, slots=True)
class Fetched(Answer):
    """The events that an owner gave."""

    events: tuple[StreamEvent, ...] = ()


class _Question(NamedTuple):
    """An intent, and how far its stream has come by now; None when its gap is closed."""

    intent: Intent
    after: int | None


class StreamFetch:
    """The reader's side: fetches what is missing, and hands it to the service's own handlers.

    The party is parked meanwhile: what was fetched waits with what was held back, and is handled when the gap's keeper
    sees that the gap is closed. An owner that has forgotten the events leaves the party parked; an operator decides.
    """

    kind = SNAPSHOT_INTENT
    batch_size = 10

    def __init__(
        self, database: Database, processors: Mapping[str, BatchProcessor], clients: Mapping[str, ServiceClient]
    ) -> None:
        self._database = database
        self._processors = processors
        self._clients = clients

    async def call(self, intents: Sequence[Intent]) -> Sequence[Answer | None]:
        """Ask the owners. A gap that has closed by itself meanwhile needs no answer any more."""
        async with self._database.read_only() as uow:
            questions = [
                _Question(intent, await open_gaps.received_before_gap(uow, intent.payload["topic"], _stream(intent)))
                for intent in intents
            ]
        return await asyncio.gather(*(self._fetch(question) for question in questions))

    async def commit(self, uow: UnitOfWork, answered: Sequence[tuple[Intent, Answer]]) -> None:
        """Take the events over, each once, in order."""
        for intent, answer in answered:
            if isinstance(answer, Fetched):
                processor = self._processors[intent.payload["topic"]]
                owner = _owner(intent)
                entries = [entry_of(event, processor.subscription, owner=owner) for event in answer.events]
                await processor.process(uow, entries, [])

    async def _fetch(self, question: _Question) -> Answer | None:
        intent, after = question
        if after is None:
            metrics.count("doorstep.snapshots", outcome="closed_by_itself")
            return Fetched()
        owner = _owner(intent)
        stream = "/".join(intent.payload[name] for name in ("topic", "aggregate_type", "aggregate_id"))
        try:
            events = await self._ask(owner, stream, intent, after=after)
        except RemoteUnavailable as error:
            log.warning("events of %s not fetched from %s: %s", stream, owner, error.reason)
            return None
        except RemoteProblem as problem:
            metrics.count("doorstep.snapshots", outcome=problem.kind)
            log.error(
                "%s refuses events of %s after %d: %s; the party stays parked", owner, stream, after, problem.kind
            )
            return None
        if not events:
            # We hold a later one: the owner has lost what it published, as after a restore. An operator must know.
            metrics.count("doorstep.snapshots", outcome="owner_behind")
            log.error("%s knows of nothing on %s after %d; the party stays parked", owner, stream, after)
            return None
        metrics.count("doorstep.snapshots", outcome="fetched")
        return Fetched(events=tuple(events))

    async def _ask(self, owner: str, stream: str, intent: Intent, *, after: int) -> list[StreamEvent]:
        """All pages. What follows a hole in what the owner keeps is left to the next question."""
        events: list[StreamEvent] = []
        while len(events) < MOST_EVENTS:
            params: dict[str, str | int] = {"party_id": str(intent.party_id), "after": after + len(events)}
            try:
                page = await self._clients[owner].get(f"/internal/streams/{stream}", StreamPage, params=params)
            except RemoteProblem as problem:
                if events and problem.kind == EventsNotKept.kind:
                    break
                raise
            if not page.events:
                break
            events += page.events
        return events


@asynccontextmanager
async def stream_fetch(
    database: Database, settings: ServiceSettings, subscriptions: Iterable[Subscription], *, sealer: RecordSealer
) -> AsyncIterator[StreamFetch]:
    """The reader's side of a service process, with clients of the other services open inside the block."""
    processors = {
        subscription.topic: BatchProcessor(subscription, sealer=sealer, dead_letter_limit=DEAD_LETTER_LIMIT)
        for subscription in subscriptions
    }
    tokens = ClientCredentials.from_settings(settings)
    async with AsyncExitStack() as clients:
        yield StreamFetch(
            database,
            processors,
            {
                service: await clients.enter_async_context(
                    ServiceClient(service=service, base_url=getattr(settings, f"{service}_url"), token_source=tokens)
                )
                for service in SERVICES
            },
        )


def _owner(intent: Intent) -> str:
    return str(intent.payload["source"]).removeprefix(SOURCE_PREFIX)


def _stream(intent: Intent) -> Stream:
    payload = intent.payload
    return Stream((payload["source"], payload["aggregate_type"], payload["aggregate_id"]))


def entry_of(event: StreamEvent, subscription: Subscription, *, owner: str) -> Entry:
    """As if read from Kafka: the partition is the key's own, for handlers keep it to find its watermark; the offset is
    one that no record of Kafka has, and of another owner neither.
    """
    key = b64decode(event.key)
    record = KeptRecord(
        partition=partition_of(key, PARTITIONS),
        offset=_BEYOND_ANY_LOG + event.place * len(SERVICES) + SERVICES.index(owner),
        timestamp=int(event.recorded_at.timestamp() * 1_000),
        key=key,
        value=b64decode(event.value),
        headers=[(name, b64decode(value)) for name, value in event.headers],
    )
    return classify(record, subscription)


def _view(event: RetainedEvent) -> StreamEvent:
    return StreamEvent(
        place=event.place,
        sequence=event.sequence,
        key=b64encode(event.key).decode(),
        value=b64encode(event.value).decode(),
        headers=[(name, b64encode(value).decode()) for name, value in event.headers],
        recorded_at=event.recorded_at,
    )
