"""Numbers traces, tells them to compliance, and closes each day. While compliance is away only they wait."""

from __future__ import annotations

import base64
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final
from uuid import UUID

from services.visits.domain import traces
from services.visits.remote import FeedDayBody, Neighbours, TraceItem, TraceResult
from services.visits.store import traces as store
from shared.database import Database, UnitOfWork
from shared.messaging import Answer, Intent, IntentHandler, TimerHandler
from shared.security.signing import SigningKey
from shared.web.client import RemoteProblem, RemoteUnavailable

log = logging.getLogger(__name__)

NeighboursOf = Callable[[], Neighbours]
DatabaseOf = Callable[[], Database]
KeyOf = Callable[[], SigningKey]
_WAITING: Final = "traces-waiting"
# The operator has not declared the source for us yet, or with another key, the clocks differ, or the day's traces come
# first: that passes.
_NOT_YET: Final = frozenset(
    {"feed-unknown", "feed-foreign", "feed-closed", "feed-total-unsigned", "contact-in-future", _WAITING}
)
_RETRIED: Final = frozenset({401, 403, 429})


def handlers(*, database: DatabaseOf, neighbours: NeighboursOf, total_key: KeyOf) -> list[IntentHandler]:
    """The handlers of the four kinds. `total_key` signs the daily totals."""
    return [NumberTraces(), TellTraces(neighbours), CloseTraceDay(), TellTraceDay(database, neighbours, total_key)]


async def begin(uow: UnitOfWork) -> None:
    """Keep the sources and let the first day of each new one be closed."""
    for source in await store.begin(uow, traces.SOURCES):
        uow.intend(traces.close_day(source, uow.now.date()))


@dataclass(frozen=True, slots=True)
class Heard(Answer):
    """What became of one trace or total at compliance: `problem` none, or the kind of its refusal."""

    problem: str | None = None

    @property
    def not_yet(self) -> bool:
        """Whether telling it again can help."""
        return self.problem in _NOT_YET


class NumberTraces(TimerHandler):
    """Gives each trace the next number of its source, apart from the check-in that knew of it: that waits for none."""

    kind = traces.NUMBER_TRACE
    batch_size = 200

    async def commit(self, uow: UnitOfWork, answered: Sequence[tuple[Intent, Answer]]) -> None:
        """Number them in the order in which they were seen."""
        found = sorted((intent.payload for intent, _ in answered), key=lambda one: (one["seen_at"], one["record_id"]))
        counts = Counter(str(one["source"]) for one in found)
        last = await store.take_numbers(uow, counts)
        following = {source: last[source] - counts[source] + 1 for source in counts}
        for one in found:
            number = following[one["source"]]
            following[one["source"]] += 1
            uow.intend(traces.tell({**one, "number": number}, party_id=UUID(one["party_id"]), due_at=uow.real_now))


class TellTraces:
    """Tells compliance numbered traces, many at once; it knows each by its own id, in whatever batch it comes."""

    kind = traces.TELL_TRACE
    batch_size = 200

    def __init__(self, neighbours: NeighboursOf) -> None:
        self._neighbours = neighbours

    async def call(self, intents: Sequence[Intent]) -> Sequence[Answer | None]:
        """One call for all; each by itself when compliance refuses them together."""
        try:
            return await self._told(intents)
        except RemoteUnavailable:
            return [None for _ in intents]
        except RemoteProblem as problem:
            if len(intents) > 1:
                return [(await self.call([intent]))[0] for intent in intents]
            return [_refused(problem)]

    async def commit(self, uow: UnitOfWork, answered: Sequence[tuple[Intent, Answer]]) -> None:
        """What was not heard yet is told again; the rest is settled."""
        settled: Counter[str] = Counter()
        for intent, answer in answered:
            if isinstance(answer, Heard) and answer.not_yet:
                uow.intend(
                    traces.tell(
                        intent.payload, party_id=UUID(intent.payload["party_id"]), tries=intent.payload["tries"] + 1,
                        due_at=uow.real_now + traces.TOLD_AGAIN_AFTER,
                    )
                )  # fmt: skip
                continue
            settled[intent.payload["source"]] += 1
        await store.settle(uow, settled)

    async def _told(self, intents: Sequence[Intent]) -> list[Answer | None]:
        items = [TraceItem.model_validate(intent.payload) for intent in intents]
        results = {result.position: result for result in await self._neighbours().tell_traces(items)}
        return [_heard(intent, results.get(place)) for place, intent in enumerate(intents)]


class CloseTraceDay(TimerHandler):
    """Fixes what a source's day was."""

    kind = traces.CLOSE_TRACE_DAY
    batch_size = 10

    async def commit(self, uow: UnitOfWork, answered: Sequence[tuple[Intent, Answer]]) -> None:
        """The total is what compliance is told, however late."""
        for intent, _ in answered:
            last_number, records = await store.close(uow, intent.payload["source"])
            total = {**intent.payload, "last_number": last_number, "records": records}
            uow.intend(traces.tell_day(total, due_at=uow.real_now))


class TellTraceDay:
    """Tells compliance a total, after the traces that it counts. The next day is closed when this one is told."""

    kind = traces.TELL_TRACE_DAY
    batch_size = 10

    def __init__(self, database: DatabaseOf, neighbours: NeighboursOf, total_key: KeyOf) -> None:
        self._database = database
        self._neighbours = neighbours
        self._total_key = total_key

    async def call(self, intents: Sequence[Intent]) -> Sequence[Answer | None]:
        """One call per source."""
        async with self._database().read_only() as uow:
            settled = await store.load_settled(uow)
        return [
            await self._told(one)
            if settled.get(one.payload["source"], 0) >= one.payload["last_number"]
            else Heard(problem=_WAITING)
            for one in intents
        ]

    async def commit(self, uow: UnitOfWork, answered: Sequence[tuple[Intent, Answer]]) -> None:
        """Go on with the next day, or tell it again later."""
        for intent, answer in answered:
            total = intent.payload
            if isinstance(answer, Heard) and answer.not_yet:
                due_at = uow.real_now + traces.TOLD_AGAIN_AFTER
                uow.intend(traces.tell_day(total, due_at=due_at, tries=total["tries"] + 1))
            else:
                following = traces.day_after(date.fromisoformat(total["day"]), now=uow.now)
                uow.intend(traces.close_day(total["source"], following))

    async def _told(self, intent: Intent) -> Answer | None:
        total = intent.payload
        body = FeedDayBody(
            day=date.fromisoformat(total["day"]),
            last_number=total["last_number"],
            records=total["records"],
            signature=base64.b64encode(self._total_key().sign_bytes(traces.statement_of(total))).decode(),
        )
        path = f"/v1/feeds/{total['source']}/days"
        try:
            await self._neighbours().compliance.command(path, object, body=body, idempotency_key=str(intent.id))
        except RemoteUnavailable:
            return None
        except RemoteProblem as problem:
            return _refused(problem)
        return Heard()


def _heard(intent: Intent, result: TraceResult | None) -> Answer | None:
    if result is None:
        return None
    kind = None if result.problem is None else result.problem.kind
    if kind is not None and kind not in _NOT_YET:
        log.error("compliance refuses a trace: %s", kind, extra={"intent_id": str(intent.id)})
    return Heard(problem=kind)


def _refused(problem: RemoteProblem) -> Answer | None:
    if problem.kind in _NOT_YET:
        return Heard(problem=problem.kind)
    if problem.status in _RETRIED or problem.kind == "command-running":
        return None
    log.error("compliance refuses a trace: %s", problem.kind)
    return Heard(status=problem.status, problem=problem.kind)
