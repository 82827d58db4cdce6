"""What operators and the demo's clock ask of a service: quietness, dead letters, blocked keys, gaps, republishing."""

from __future__ import annotations

import logging
from base64 import b64encode
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field

from shared.database.engine import Database
from shared.messaging import dead_letters, open_gaps, outbox
from shared.messaging.dead_letters import DeadLetter, LetterState, Replayer, ReplayFailedError, UnknownDeadLetterError
from shared.messaging.open_gaps import NoSuchGapError, OpenGap
from shared.messaging.quiet import QuietProbe
from shared.messaging.records import Stream
from shared.messaging.relay import resolve_blocked
from shared.moments import Moment
from shared.security.callers import scope
from shared.security.sealing import RecordSealer
from shared.web.problems import Conflict, NotFound

log = logging.getLogger(__name__)


class QuietAnswer(BaseModel):
    """What the service has left to do; heartbeats count nowhere."""

    quiet: bool = Field(description="Nothing is left.")
    outbox: int = Field(description="Events that Kafka has not acknowledged.")
    unread: int = Field(description="Records before the present log ends that are not processed.")
    intents: int = Field(description="Intents and timers due.")
    held: int = Field(description="Records held behind a gap of their sequence.")


class DeadLetterView(BaseModel):
    """One record that could not be processed; never its content."""

    id: UUID
    party_id: UUID | None
    topic: str
    partition: int
    offset: int
    type: str | None
    reason: str
    detail: str
    sha256: str = Field(description="Digest of key and value.")
    state: LetterState
    attempts: int
    recorded_at: datetime


class RawRecordView(BaseModel):
    """The raw record, base64. May hold personal data: reading it is logged."""

    letter: DeadLetterView
    key: str | None
    value: str | None
    headers: list[tuple[str, str]]


class ReplayAnswer(BaseModel):
    """How a replay ended."""

    handled: int = Field(description="Records that went to the handlers.")


class BlockedAnswer(BaseModel):
    """How the resolution of a blocked key ended."""

    resolved: int = Field(description="Keys that are free again.")


class GapView(BaseModel):
    """A gap in a stream: the numbers after `received` and before `first_held` are missing."""

    topic: str
    source: str
    aggregate_type: str
    aggregate_id: str
    party_id: UUID
    received: int = Field(description="Last number that came without a gap.")
    first_held: int = Field(description="Lowest number that waits.")
    since: datetime = Field(description="When the held record came (real time).")
    attempts: int = Field(description="Vain questions to the owner so far.")


class GapAnswer(BaseModel):
    """From where the stream goes on."""

    accepted: int = Field(description="Number up to which the stream counts as read.")


class RepublishAnswer(BaseModel):
    """How many events will be sent again."""

    events: int


def operations_router(database: Database, *, quiet: QuietProbe, replayer: Replayer, sealer: RecordSealer) -> APIRouter:
    """Routes under `/internal`, all under the scope `<service>.operate`."""
    router = APIRouter(
        prefix="/internal", tags=["operation"], dependencies=[Depends(scope(f"{database.service}.operate"))]
    )

    @router.get("/quiet", summary="Is there anything left to do?")
    async def ask_quiet() -> QuietAnswer:
        """Counts of what is left."""
        left = await quiet.ask()
        return QuietAnswer(
            quiet=left.quiet, outbox=left.outbox, unread=left.unread, intents=left.intents, held=left.held
        )

    router.include_router(_dead_letter_routes(database, replayer, sealer))
    router.include_router(_gap_routes(database))

    @router.post("/blocked-keys/{topic}/{action}", summary="Resolve the keys that the relay blocked")
    async def resolve(topic: str, action: Literal["retry", "skip"]) -> BlockedAnswer:
        """`retry` sends the refused rows again; `skip` gives them up, which readers see as a gap."""
        async with database.unit_of_work() as uow:
            return BlockedAnswer(resolved=await resolve_blocked(uow, topic, action=action))

    @router.post("/republish/{topic}", summary="Send retained events again")
    async def republish(topic: str, since: Moment, until: Moment) -> RepublishAnswer:
        """Readers recognise repetitions."""
        async with database.unit_of_work() as uow:
            count = await outbox.republish(uow, topic, since=since, until=until)
        database.events_committed.send()
        return RepublishAnswer(events=count)

    return router


def _dead_letter_routes(database: Database, replayer: Replayer, sealer: RecordSealer) -> APIRouter:
    router = APIRouter()

    @router.get("/dead-letters", summary="List dead letters")
    async def list_letters(
        state: LetterState = "open",
        after: UUID | None = None,
        limit: int = Query(100, ge=1, le=1_000),
    ) -> list[DeadLetterView]:
        """By id, beginning after `after`."""
        async with database.read_only() as uow:
            letters = await dead_letters.list_dead_letters(uow, state=state, after=after, limit=limit)
        return [_view(letter) for letter in letters]

    @router.get("/dead-letters/{letter_id}", summary="Show a dead letter's raw record")
    async def show_letter(letter_id: UUID) -> RawRecordView:
        """The record as Kafka gave it."""
        try:
            async with database.read_only() as uow:
                letter, record = await dead_letters.show(uow, sealer, letter_id)
        except UnknownDeadLetterError as error:
            raise NotFound("no such dead letter") from error
        log.info("raw record of dead letter %s was read", letter_id)
        return RawRecordView(
            letter=_view(letter),
            key=_text(record.key),
            value=_text(record.value),
            headers=[(name, b64encode(value or b"").decode()) for name, value in record.headers],
        )

    @router.post("/dead-letters/{letter_id}/replay", summary="Replay a dead letter and what waits behind it")
    async def replay_letter(letter_id: UUID) -> ReplayAnswer:
        """Safe to repeat: a letter that is resolved is not found any more."""
        return ReplayAnswer(handled=await _attempt(replayer.replay, letter_id))

    @router.post("/dead-letters/{letter_id}/discard", summary="Give a dead letter up, release what waits behind it")
    async def discard_letter(letter_id: UUID) -> ReplayAnswer:
        """Safe to repeat."""
        return ReplayAnswer(handled=await _attempt(replayer.discard, letter_id))

    return router


def _gap_routes(database: Database) -> APIRouter:
    router = APIRouter()

    @router.get("/gaps", summary="List open gaps")
    async def list_gaps(limit: int = Query(100, ge=1, le=1_000)) -> list[GapView]:
        """Oldest first. A gap of seconds is normal; one with attempts is one that the owner does not fill."""
        async with database.read_only() as uow:
            return [_gap_view(gap) for gap in await open_gaps.list_open(uow, limit=limit)]

    @router.post("/gaps/{topic}/{aggregate_type}/{aggregate_id}/give-up", summary="Go on without lost events")
    async def give_up(
        topic: str, aggregate_type: str, aggregate_id: str, source: str, last_missing: int = Query(ge=1)
    ) -> GapAnswer:
        """For events that their owner keeps no more; `last_missing` is `first_held` less one. Safe to repeat."""
        stream = Stream((source, aggregate_type, aggregate_id))
        try:
            async with database.unit_of_work() as uow:
                await open_gaps.give_up(uow, topic, stream, last_missing=last_missing)
        except NoSuchGapError as error:
            if error.last_missing is None:
                raise NotFound("nothing waits behind a gap of this stream") from error
            raise Conflict("the gap ends elsewhere", last_missing=error.last_missing) from error
        log.warning("events of %s/%s up to %d were given up", topic, aggregate_id, last_missing)
        return GapAnswer(accepted=last_missing)

    return router


def _gap_view(gap: OpenGap) -> GapView:
    source, aggregate_type, aggregate_id = gap.stream
    return GapView(
        topic=gap.topic,
        source=source,
        aggregate_type=aggregate_type,
        aggregate_id=aggregate_id,
        party_id=gap.party_id,
        received=gap.received,
        first_held=gap.first_held,
        since=gap.since,
        attempts=gap.attempts,
    )


async def _attempt(action: Callable[[UUID], Awaitable[int]], letter_id: UUID) -> int:
    try:
        return await action(letter_id)
    except UnknownDeadLetterError as error:
        raise NotFound("no open dead letter of this id") from error
    except ReplayFailedError as error:
        raise Conflict(f"the record still cannot be processed: {error.reason}") from error


def _view(letter: DeadLetter) -> DeadLetterView:
    return DeadLetterView(
        id=letter.id,
        party_id=letter.party_id,
        topic=letter.topic,
        partition=letter.partition,
        offset=letter.offset,
        type=letter.type,
        reason=letter.reason,
        detail=letter.detail,
        sha256=letter.digest,
        state=letter.state,
        attempts=letter.attempts,
        recorded_at=letter.recorded_at,
    )


def _text(raw: bytes | None) -> str | None:
    return None if raw is None else b64encode(raw).decode()
