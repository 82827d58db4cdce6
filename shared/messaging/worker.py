"""Carries out intents: lease, call outside any transaction, commit the answer under the parties' locks."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Sequence
from datetime import timedelta
from uuid import UUID, uuid4

from opentelemetry.trace import SpanKind

from shared.database.engine import Database
from shared.database.unit_of_work import Cause
from shared.messaging import intent_store
from shared.messaging.backlog import GivesWay
from shared.messaging.backoff import backoff_seconds
from shared.messaging.failures import is_transient
from shared.messaging.intents import Answer, Intent, IntentHandler
from shared.messaging.liveness import Pulse
from shared.messaging.periodic import pause
from shared.messaging.tracing import batch_span
from shared.telemetry import metrics

log = logging.getLogger(__name__)

LEASE_SECONDS = 60.0
_CALL_SECONDS = 50.0
_FIRST_POLL_SECONDS = 0.05
_LAST_POLL_SECONDS = 0.5
# A kind looks by itself only after such a silence of the look-out.
_UNASKED_SECONDS = 5.0
# Whoever was away is heard again within this time after coming back.
_LONGEST_RETRY_SECONDS = 5.0
_LONGEST_PAUSE_SECONDS = 3.0
_GIVE_WAY_SECONDS = 0.2


class Worker:
    """One loop per kind of intent, so that no kind waits for another's slow partner, and one that looks out for all."""

    def __init__(self, database: Database, handlers: Sequence[IntentHandler], *, pulse: Pulse) -> None:
        self._database = database
        self._handlers = list(handlers)
        self._pulse = pulse
        self._stopping = asyncio.Event()
        self._due = {handler.kind: asyncio.Event() for handler in handlers}
        # One for life: what a round could not give back, because the database went away, the next one takes again.
        self._lease_id = uuid4()

    def stop(self) -> None:
        """Ask `run` to end after the calls in flight."""
        self._stopping.set()
        self._wake(self._due)

    async def run(self) -> None:
        """Work until stopped."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._look_out(), name="worker-look-out")
            for handler in self._handlers:
                group.create_task(self._run_kind(handler), name=f"worker-{handler.kind}")

    async def _look_out(self) -> None:
        """Wake the kinds of which something is due: after each commit of intents, and as time goes by."""
        committed = self._database.intents_committed.listen()
        poll_seconds = _FIRST_POLL_SECONDS
        attempt = 0
        while not self._stopping.is_set():
            self._pulse.beat("look-out")
            committed.clear()
            try:
                async with self._database.read_only() as uow:
                    found = await intent_store.due_kinds(uow, list(self._due))
                attempt = 0
            except Exception as error:
                attempt += 1
                await self._pause(error, attempt, "look-out")
                continue
            self._wake(found)
            poll_seconds = _FIRST_POLL_SECONDS if found else min(poll_seconds * 1.5, _LAST_POLL_SECONDS)
            await pause(committed, poll_seconds)

    def _wake(self, kinds: Iterable[str]) -> None:
        for kind in kinds:
            self._due[kind].set()

    async def _run_kind(self, handler: IntentHandler) -> None:
        due = self._due[handler.kind]
        attempt = 0
        while not self._stopping.is_set():
            self._pulse.beat(handler.kind)
            if isinstance(handler, GivesWay) and self._database.backlog.goes_first():
                await pause(self._stopping, _GIVE_WAY_SECONDS)
                continue
            due.clear()
            try:
                busy = await self.work_once(handler)
                attempt = 0
            except Exception as error:
                attempt += 1
                await self._pause(error, attempt, handler.kind)
                continue
            if not busy:
                await pause(due, _UNASKED_SECONDS)

    async def _pause(self, error: Exception, attempt: int, loop: str) -> None:
        """Before the next try, if the failure will pass. Raises it if not."""
        if not is_transient(error):
            raise error
        log.warning("worker %s: %s; trying again", loop, type(error).__name__)
        await pause(self._stopping, backoff_seconds(attempt, limit=_LONGEST_PAUSE_SECONDS))

    async def work_once(self, handler: IntentHandler) -> bool:
        """Carry out the intents of one kind that are due now, up to one batch; false when there were none."""
        lease_id = self._lease_id
        async with self._database.unit_of_work() as uow:
            leased = await intent_store.lease(
                uow,
                handler.kind,
                limit=handler.batch_size,
                lease_id=lease_id,
                duration=timedelta(seconds=LEASE_SECONDS),
            )
        if not leased:
            return False
        attributes: dict[str, str | int] = {"doorstep.intent.kind": handler.kind, "doorstep.intent.count": len(leased)}
        with batch_span(f"intent {handler.kind}", kind=SpanKind.INTERNAL, attributes=attributes):
            answers = await self._call(handler, leased)
            answered = [(intent, answer) for intent, answer in zip(leased, answers, strict=True) if answer is not None]
            unanswered = [intent for intent, answer in zip(leased, answers, strict=True) if answer is None]
            unanswered += await self._commit(handler, answered, lease_id)
            await self._postpone(unanswered, lease_id)
        metrics.count("doorstep.intents.calls", len(leased) - len(unanswered), kind=handler.kind, outcome="done")
        metrics.count("doorstep.intents.calls", len(unanswered), kind=handler.kind, outcome="retried")
        return True

    async def _call(self, handler: IntentHandler, leased: Sequence[Intent]) -> Sequence[Answer | None]:
        try:
            async with asyncio.timeout(_CALL_SECONDS):
                answers = await handler.call(leased)
            if len(answers) != len(leased):
                raise ValueError(f"{len(leased)} intents, {len(answers)} answers")
            return answers
        except Exception as error:  # the edge: no answer is a failed try, and the intent stays
            passing = is_transient(error)
            level = logging.WARNING if passing else logging.ERROR
            log.log(level, "intent %s got no answer: %s", handler.kind, type(error).__name__, exc_info=not passing)
            if passing or len(leased) == 1:
                return [None] * len(leased)
        # One bad intent spoils no other: the key of each makes repeating it harmless.
        return [answer for intent in leased for answer in await self._call(handler, [intent])]

    async def _commit(
        self, handler: IntentHandler, answered: Sequence[tuple[Intent, Answer]], lease_id: UUID
    ) -> list[Intent]:
        """Commit the answers; returns the intents whose answer was not committed. One bad answer spoils no other."""
        if not answered:
            return []
        try:
            await self._commit_together(handler, answered, lease_id)
            return []
        except Exception as error:
            if is_transient(error):
                log.warning("answers to %s not committed: %s", handler.kind, type(error).__name__)
                return [intent for intent, _ in answered]
            if len(answered) == 1:
                log.error("answer to %s cannot be committed", handler.kind, exc_info=error)
                return [answered[0][0]]
        failed: list[Intent] = []
        for pair in answered:
            failed += await self._commit(handler, [pair], lease_id)
        return failed

    async def _commit_together(
        self, handler: IntentHandler, answered: Sequence[tuple[Intent, Answer]], lease_id: UUID
    ) -> None:
        async with self._database.unit_of_work() as uow:
            # Done first: it locks the intents, and leaves out those whose lease ran out and is another worker's now.
            ours = await intent_store.finish(uow, [intent.id for intent, _ in answered], lease_id=lease_id)
            pairs = [pair for pair in answered if pair[0].id in ours]
            await uow.lock_parties(intent.party_id for intent, _ in pairs if intent.party_id is not None)
            uow.causes = {str(intent.id): Cause(str(intent.id), intent.traceparent or "") for intent, _ in pairs}
            if pairs:
                await handler.commit(uow, pairs)

    async def _postpone(self, intents: Sequence[Intent], lease_id: UUID) -> None:
        if intents:
            delays = [
                (intent.id, timedelta(seconds=backoff_seconds(intent.attempts + 1, limit=_LONGEST_RETRY_SECONDS)))
                for intent in intents
            ]
            async with self._database.unit_of_work() as uow:
                await intent_store.postpone(uow, delays, lease_id=lease_id)
