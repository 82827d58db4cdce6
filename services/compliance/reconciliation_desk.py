"""The desk of reconciliation: each closed hour of each stream that compliance reads, compared with its publisher.

Three intents follow each other: the *look* (every ten minutes) finds out which hours are closed, or to be compared
again; the *comparison* asks the publisher for counts and digests of whole hours; where they differ, the *narrowing*
asks for those of each minute, and for the ids of the minutes that differ. Nothing is asked inside a transaction. An
hour that differs is due again at every look, so that its finding closes soon after it was repaired.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from services.compliance import finding_desk
from services.compliance.domain.findings import FindingVersion, found_again
from services.compliance.domain.reconciliation import (
    FIRST_LOOK_BACK,
    HOUR,
    ComparedHour,
    Stream,
    difference_found,
    difference_id,
    hour_of,
    last_settled,
    strays_found,
)
from services.compliance.instruments import Instruments
from services.compliance.store import reconciliation as store
from services.compliance.store.findings import load_current
from services.compliance.watch import Timer, next_look
from shared.database import UnitOfWork
from shared.digests import COMPARABLE, DigestsAnswer, IdsAnswer, SpanNotComparable
from shared.events.topics import SERVICES, TOPICS
from shared.messaging import Answer, Intent, Subscription
from shared.messaging.digests import Part, differing, lowest_id, parts
from shared.messaging.intents import NewIntent
from shared.messaging.outbox import SOURCE_PREFIX, source_of
from shared.telemetry.metrics import set_gauge
from shared.web.client import RemoteProblem, RemoteUnavailable, ServiceClient

log = logging.getLogger(__name__)

WATCH: Final = "compliance.reconciliation_watch"
COMPARE: Final = "compliance.reconcile"
NARROW: Final = "compliance.reconcile_narrow"
HOURS_AT_ONCE: Final = 24
_DUE_AT_ONCE: Final = 60
_MINUTE: Final = timedelta(minutes=1)
# Of a difference this many ids of each side are kept; the counts say how many there are.
_IDS_KEPT: Final = 200
# A transaction that began before a look may commit after it.
_OVERLAP: Final = timedelta(minutes=10)
# What a process looks at that does not know when it last looked.
_UNKNOWN_LOOK: Final = timedelta(days=1)
_OLDER: Final = COMPARABLE - timedelta(hours=2)


def streams_of(subscriptions: Iterable[Subscription]) -> dict[Stream, frozenset[str]]:
    """What compliance takes over: each publisher of each topic that it reads, with the types that it handles."""
    return {
        Stream(service, one.topic): one.types
        for one in subscriptions
        for service in SERVICES
        if service in TOPICS[one.topic].writers
    }


@dataclass(frozen=True)
class Reconciliation:
    """What the three handlers share: the streams, and a client of each publisher."""

    instruments: Instruments
    streams: Mapping[Stream, frozenset[str]]
    clients: Mapping[str, ServiceClient]

    def handlers(self) -> list[Timer | Comparison | Narrowing]:
        """The handlers of the three kinds of intents."""
        return [Timer(WATCH, self.look), Comparison(self), Narrowing(self)]

    async def look(self, uow: UnitOfWork, intents: Sequence[Intent]) -> None:
        """Intend the comparisons that are due, name strays, and intend the next look."""
        known = [datetime.fromisoformat(one.payload["looked"]) for one in intents if "looked" in one.payload]
        since = min(known, default=uow.real_now - _UNKNOWN_LOOK) - _OVERLAP
        settled = await self._settled(uow)
        await store.mark_late(
            uow, source_prefix=SOURCE_PREFIX, since=since, until=uow.real_now, before_hour=max(settled.values())
        )
        await store.forget_old(uow, before=uow.real_now - _OLDER)
        await self._name_strays(uow, since)
        for due in await store.load_due(uow, limit=_DUE_AT_ONCE):
            if due.stream in self.streams:
                uow.intend(self._comparison(uow, due.stream, due.hour, due.hour + HOUR, occasion=due.compared_real))
        progress = await store.load_progress(uow)
        for stream, until in settled.items():
            begin = self._first(uow, stream, progress)
            end = min(until, begin + HOURS_AT_ONCE * HOUR)
            if begin < end:
                uow.intend(self._comparison(uow, stream, begin, end, occasion=end))
        uow.intend(replace(next_look(WATCH, uow.real_now), payload={"looked": uow.real_now.isoformat()}))

    async def tell(self, uow: UnitOfWork) -> None:
        """Say up to when every stream was compared, and how many hours differ."""
        progress = await store.load_progress(uow)
        oldest = min((self._first(uow, stream, progress) for stream in self.streams), default=uow.real_now)
        set_gauge("doorstep.reconciliation.compared.until", oldest.timestamp())
        set_gauge("doorstep.reconciliation.differences", await store.count_differences(uow))

    async def _settled(self, uow: UnitOfWork) -> dict[Stream, datetime]:
        watermarks = await store.load_watermarks(uow)
        own = {uow.service: uow.real_now}
        return {
            stream: last_settled(uow.real_now, (watermarks | own).get(stream.service))
            for stream in sorted(self.streams)
        }

    def _first(self, uow: UnitOfWork, stream: Stream, progress: Mapping[Stream, datetime]) -> datetime:
        """The first hour that was not compared yet; never one that its publisher may have forgotten."""
        last = progress.get(stream)
        begin = hour_of(uow.real_now - FIRST_LOOK_BACK) if last is None else last + HOUR
        return max(begin, hour_of(uow.real_now - _OLDER) + HOUR)

    def _comparison(
        self, uow: UnitOfWork, stream: Stream, since: datetime, until: datetime, *, occasion: datetime
    ) -> NewIntent:
        return NewIntent(
            kind=COMPARE,
            key=f"{stream.service}|{stream.topic}|{since.isoformat()}|{occasion.isoformat()}",
            due_at=uow.real_now,
            payload=_question(stream, self.streams[stream], since, until),
        )

    async def _name_strays(self, uow: UnitOfWork, since: datetime) -> None:
        publishers = [(source_of(stream.service), stream.topic) for stream in self.streams]
        strays: dict[tuple[Stream, datetime], set[str]] = defaultdict(set)
        for one in await store.load_strays(
            uow, publishers, since=since, until=uow.real_now, oldest=uow.real_now - _OLDER
        ):
            service = one.source.removeprefix(SOURCE_PREFIX)
            stream = Stream(service if service in SERVICES else "unknown", one.topic)
            strays[stream, hour_of(one.recorded_real)].add(one.event_id)
        found = [strays_found(stream, hour, ids) for (stream, hour), ids in sorted(strays.items())]
        await self.record(uow, {one.finding_id: one for one in found})

    async def record(self, uow: UnitOfWork, found: Mapping[UUID, FindingVersion | None]) -> None:
        """Findings as they are now, by id; None: nothing is to be found any more."""
        await uow.lock_parties(found)
        standing = await load_current(uow, found)
        repaired = "both sides agree: what was missing came, or what was too much is explained"
        after = [found_again(standing.get(one), found[one], repaired=repaired) for one in sorted(found)]
        await finding_desk.record(uow, self.instruments, [one for one in after if one is not None])

    async def ask(self, intent: Intent, *, step: timedelta) -> list[Part]:
        """The publisher's counts and digests. Raises RemoteProblem, RemoteUnavailable."""
        question = intent.payload
        params = {name: question[name] for name in ("types", "since", "until")}
        answer = await self.clients[question["service"]].get(
            f"/internal/digests/{question['topic']}",
            DigestsAnswer,
            params=params | {"step_seconds": int(step.total_seconds())},
        )
        return [Part(one.since, one.events, one.digest, one.lost) for one in answer.parts]

    async def ask_ids(self, intent: Intent, since: datetime, until: datetime) -> IdsAnswer:
        """The publisher's ids of a minute. Raises RemoteProblem, RemoteUnavailable."""
        question = intent.payload
        params = {"types": question["types"], "since": since.isoformat(), "until": until.isoformat()}
        client = self.clients[question["service"]]
        return await client.get(f"/internal/digests/{question['topic']}/ids", IdsAnswer, params=params)


@dataclass(frozen=True, slots=True)
class Told(Answer):
    """What the publisher said of the spans, and of the events in those that differ."""

    parts: tuple[Part, ...] = ()
    ids: frozenset[str] = frozenset()
    lost: frozenset[str] = frozenset()
    minutes: tuple[datetime, ...] = ()


@dataclass(frozen=True)
class Comparison:
    """Compares whole hours."""

    desk: Reconciliation
    kind: str = COMPARE
    batch_size: int = 1

    async def call(self, intents: Sequence[Intent]) -> Sequence[Answer | None]:
        """Ask the publishers."""
        return [await _unless_unreachable(self._ask(intent)) for intent in intents]

    async def _ask(self, intent: Intent) -> Told:
        return Told(parts=tuple(await self.desk.ask(intent, step=HOUR)))

    async def commit(self, uow: UnitOfWork, answered: Sequence[tuple[Intent, Answer]]) -> None:
        """Hours that agree are done; the others are narrowed."""
        for intent, answer in answered:
            if isinstance(answer, Told):
                await self._compare(uow, intent, answer.parts)

    async def _compare(self, uow: UnitOfWork, intent: Intent, theirs: Sequence[Part]) -> None:
        stream, since, until = _asked(intent)
        ours = await _taken_parts(uow, stream, since, until, step=HOUR)
        apart = differing(theirs, ours)
        published = {part.since: part.events for part in theirs}
        hours = [
            ComparedHour(
                stream=stream,
                hour=part.since,
                published=published.get(part.since, 0),
                applied=part.events,
                differs=part.since in apart,
            )
            for part in ours
        ]
        await store.save_hours(uow, hours)
        agreed = [one.hour for one in hours if not one.differs]
        await self.desk.record(uow, {difference_id(stream, hour): None for hour in agreed})
        for hour in apart:
            uow.intend(await self._narrowing(uow, intent, hour))

    async def _narrowing(self, uow: UnitOfWork, intent: Intent, hour: datetime) -> NewIntent:
        stream, _, _ = _asked(intent)
        minutes = await _taken_parts(uow, stream, hour, hour + HOUR, step=_MINUTE)
        question = _question(stream, self.desk.streams[stream], hour, hour + HOUR)
        return NewIntent(
            kind=NARROW,
            key=f"{stream.service}|{stream.topic}|{hour.isoformat()}|{intent.id}",
            due_at=uow.real_now,
            payload={**question, "minutes": [[part.events, part.digest] for part in minutes]},
        )


@dataclass(frozen=True)
class Narrowing:
    """Finds out which events an hour's difference is about."""

    desk: Reconciliation
    kind: str = NARROW
    batch_size: int = 1

    async def call(self, intents: Sequence[Intent]) -> Sequence[Answer | None]:
        """Ask for the digests of the minutes, then for the ids of those that differ, until enough are known."""
        return [await _unless_unreachable(self._ask(intent)) for intent in intents]

    async def _ask(self, intent: Intent) -> Told:
        _, since, _ = _asked(intent)
        ours = [Part(since + at * _MINUTE, *told) for at, told in enumerate(intent.payload["minutes"])]
        theirs = await self.desk.ask(intent, step=_MINUTE)
        counts = {part.since: part.events for part in ours}
        ids: set[str] = set()
        lost: set[str] = set()
        looked_at: list[datetime] = []
        uncovered = 0
        for minute in differing(theirs, ours):
            told = await self.desk.ask_ids(intent, minute, minute + _MINUTE)
            ids |= set(told.ids)
            lost |= set(told.lost)
            looked_at.append(minute)
            uncovered += abs(len(told.ids) - counts.get(minute, 0)) + len(told.lost)
            if uncovered >= _IDS_KEPT:
                break
        return Told(parts=tuple(theirs), ids=frozenset(ids), lost=frozenset(lost), minutes=tuple(looked_at))

    async def commit(self, uow: UnitOfWork, answered: Sequence[tuple[Intent, Answer]]) -> None:
        """Name the difference, or that there is none any more."""
        for intent, answer in answered:
            if isinstance(answer, Told):
                await self._name(uow, intent, answer)

    async def _name(self, uow: UnitOfWork, intent: Intent, told: Told) -> None:
        stream, hour, until = _asked(intent)
        source = source_of(stream.service)
        taken = await store.load_taken(uow, source, stream.topic, since=hour, until=until)
        ours = {one for part in told.minutes for one in _within(taken, part)}
        missing = sorted((told.ids | told.lost) - ours)[:_IDS_KEPT]
        held = await store.load_held(uow, source, missing)
        compared = ComparedHour(
            stream=stream,
            hour=hour,
            published=sum(part.events for part in told.parts),
            applied=len(taken),
            differs=bool(differing(told.parts, parts(taken, since=hour, until=until, step=_MINUTE))),
            missing=tuple(_told_with(one, held.get(one), lost=one in told.lost) for one in missing),
            extra=tuple(sorted(ours - told.ids)[:_IDS_KEPT]),
        )
        await store.save_hours(uow, [compared])
        await self.desk.record(uow, {difference_id(stream, hour): difference_found(compared)})


def _told_with(event_id: str, held: str | None, *, lost: bool) -> str:
    """A missing id with what is known of why."""
    why = held or ("lost by its publisher" if lost else None)
    return event_id if why is None else f"{event_id} ({why})"


def _within(ids: Iterable[str], minute: datetime) -> list[str]:
    first, last = lowest_id(minute), lowest_id(minute + _MINUTE)
    return [one for one in ids if first <= one < last]


def _question(stream: Stream, types: Iterable[str], since: datetime, until: datetime) -> dict[str, str]:
    return {
        "service": stream.service,
        "topic": stream.topic,
        "types": ",".join(sorted(types)),
        "since": since.isoformat(),
        "until": until.isoformat(),
    }


def _asked(intent: Intent) -> tuple[Stream, datetime, datetime]:
    question = intent.payload
    stream = Stream(question["service"], question["topic"])
    return stream, datetime.fromisoformat(question["since"]), datetime.fromisoformat(question["until"])


async def _taken_parts(
    uow: UnitOfWork, stream: Stream, since: datetime, until: datetime, *, step: timedelta
) -> list[Part]:
    taken = await store.load_taken(uow, source_of(stream.service), stream.topic, since=since, until=until)
    return parts(taken, since=since, until=until, step=step)


async def _unless_unreachable(question: Awaitable[Told]) -> Answer | None:
    """The answer; None (asked again) while the publisher does not give one.

    What it has forgotten meanwhile cannot be compared any more, and asking again would not help.
    """
    try:
        return await question
    except RemoteUnavailable as error:
        log.warning("no digests: %s", error.reason)
    except RemoteProblem as problem:
        log.error("digests refused: %s", problem.kind)
        if problem.kind == SpanNotComparable.kind:
            return Answer(status=problem.status)
    return None
