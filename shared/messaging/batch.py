"""One batch of one topic, inside one transaction: the order of the steps is the correctness.

fence → claim → lock → order by sequence → park or wait → handle → outcomes. Everything else (retries, bisection,
polling) happens around it, in `consumer`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from shared.database.unit_of_work import Cause, UnitOfWork
from shared.events import Received
from shared.events.base import EventData
from shared.messaging import inbox, parking, sequences, waiting
from shared.messaging.inbox import Move
from shared.messaging.records import Entry, Verdict
from shared.messaging.subscription import InboxKey, Outcome, Subscription
from shared.messaging.tracing import event_spans
from shared.security.sealing import RecordSealer
from shared.telemetry import metrics


class BatchProcessor:
    """Processes batches of one subscription."""

    def __init__(self, subscription: Subscription, *, sealer: RecordSealer, dead_letter_limit: int) -> None:
        self.subscription = subscription
        self._sealer = sealer
        self.dead_letter_limit = dead_letter_limit

    async def process(self, uow: UnitOfWork, entries: Sequence[Entry], moves: Sequence[Move]) -> None:
        """Process `entries` (each partition's in offset order) and move the positions.

        Raises PositionLostError, ConsumerHaltedError.
        """
        await inbox.move(uow, moves)
        fresh = await self._claim(uow, entries)
        await self._lock(uow, fresh)
        any_parked, any_gap = await parking.anything_held(uow)
        ready, outcomes = await self._order(uow, fresh, any_gap=any_gap)
        run, dead, behind = await self._sort_out(uow, ready, any_parked=any_parked)
        aside = {id(entry) for entry in (*dead, *behind)}
        await waiting.take_places(uow, [entry for entry in ready if id(entry) in aside])
        await parking.bury(uow, self._sealer, dead, limit=self.dead_letter_limit)
        await waiting.keep(uow, self._sealer, behind, behind="party")
        outcomes |= _all(dead, Outcome.DEAD) | _all(behind, Outcome.WAITING)
        # A released record was claimed as waiting long ago; what it becomes now must be written, whatever it is.
        outcomes |= _all((entry for entry in run if entry.kept), Outcome.APPLIED)
        outcomes |= await handle(uow, self.subscription, run)
        await inbox.set_outcomes(uow, outcomes)
        self._count(len(run), len(entries) - len(fresh), outcomes.values())

    async def _claim(self, uow: UnitOfWork, entries: Sequence[Entry]) -> list[Entry]:
        """The entries nobody has claimed before; of equal ids only the first. Skipped types need no claim."""
        first: dict[InboxKey, Entry] = {}
        for entry in entries:
            if entry.verdict is not Verdict.SKIP and entry.inbox_key is not None:
                first.setdefault(entry.inbox_key, entry)
        claimed = await inbox.claim(uow, list(first.values()))
        return [
            entry
            for entry in entries
            if entry.verdict is Verdict.SKIP
            or entry.inbox_key is None
            or (entry.inbox_key in claimed and first[entry.inbox_key] is entry)
        ]

    async def _lock(self, uow: UnitOfWork, entries: Sequence[Entry]) -> None:
        """Lock the parties. Unknown keys are locked themselves first: who holds one may be creating its party."""
        parties_of = self.subscription.parties_of
        if parties_of is not None:
            keys = {entry.core_key: entry for entry in entries if entry.core_key}
            known = dict(await parties_of(uow, sorted(keys.keys() | self._others_named(entries)))) if keys else {}
            unknown = sorted(keys.keys() - known.keys())
            if unknown:
                await uow.lock_parties(key_id for key in unknown if (key_id := keys[key].key_id) is not None)
                known |= await parties_of(uow, unknown)
            for entry in entries:
                party_id = known.get(entry.core_key)
                entry.party_known = party_id is not None
                entry.party_id = party_id if party_id is not None else entry.key_id
        await uow.lock_parties(entry.party_id for entry in entries if entry.party_id is not None)

    def _others_named(self, entries: Sequence[Entry]) -> set[str]:
        named = self.subscription.others_named
        if named is None:
            return set()
        return {key for entry in entries if entry.received is not None for key in named(entry.received.event)}

    async def _order(
        self, uow: UnitOfWork, entries: Sequence[Entry], *, any_gap: bool
    ) -> tuple[list[Entry], dict[InboxKey, Outcome]]:
        streams = {entry.stream for entry in entries if entry.stream is not None}
        if not streams:
            return list(entries), {}
        topic = self.subscription.topic
        last = await sequences.last_received(uow, topic, streams)
        held = await waiting.behind_gaps(uow, self._sealer, self.subscription, streams) if any_gap else []
        ordered = sequences.order(entries, last=last, held=held, monotone_types=self.subscription.monotone_types)
        await sequences.advance(uow, topic, ordered.last)
        await waiting.forget(uow, ordered.released)
        if ordered.ahead:
            await waiting.keep(uow, self._sealer, ordered.ahead, behind="gap")
            await sequences.park_overfull(uow, topic, ordered.ahead)
        outcomes = _all((entry for entry in ordered.ahead if not entry.handled), Outcome.WAITING)
        claimed_stale = (entry for entry in ordered.stale if entry.verdict is not Verdict.SKIP)
        return ordered.ready, outcomes | _all(claimed_stale, Outcome.IGNORED)

    async def _sort_out(
        self, uow: UnitOfWork, ready: Sequence[Entry], *, any_parked: bool
    ) -> tuple[list[Entry], list[Entry], list[Entry]]:
        """What runs, what is dead, what waits behind a parked party; a dead record parks its party at once."""
        parked = set()
        if any_parked:
            ids = [identity for entry in ready for identity in (entry.party_id, entry.key_id) if identity is not None]
            parked = await parking.parked_among(uow, ids)
        run: list[Entry] = []
        dead: list[Entry] = []
        behind: list[Entry] = []
        for entry in ready:
            if entry.verdict is Verdict.DEAD:
                dead.append(entry)
                if entry.party_id is not None:
                    parked.add(entry.party_id)
            elif entry.verdict is Verdict.HANDLE:
                is_parked = bool(parked) and (entry.party_id in parked or entry.key_id in parked)
                if is_parked and entry.type not in self.subscription.monotone_types:
                    if entry.party_id not in parked:
                        entry.party_id = entry.key_id
                    behind.append(entry)
                else:
                    run.append(entry)
        return run, dead, behind

    def _count(self, run: int, duplicates: int, outcomes: Iterable[Outcome]) -> None:
        topic = self.subscription.topic
        metrics.count("doorstep.consumer.events", run, topic=topic, outcome="handled")
        if duplicates:
            metrics.count("doorstep.consumer.events", duplicates, topic=topic, outcome="duplicate")
        for outcome in outcomes:
            metrics.count("doorstep.consumer.events", topic=topic, outcome=str(outcome))


async def handle(uow: UnitOfWork, subscription: Subscription, run: Sequence[Entry]) -> dict[InboxKey, Outcome]:
    """Hand the events over to the service, with what the events they cause will inherit; returns its outcomes."""
    received = [entry.received for entry in run if entry.received is not None]
    if not received:
        return {}
    with event_spans(f"{subscription.topic} handle", (item.event.traceparent for item in received)) as passed_on:
        uow.causes = causes_of(received, passed_on)
        return dict(await subscription.handle(uow, received))


def causes_of(received: Iterable[Received[EventData]], passed_on: Mapping[str, str]) -> dict[str, Cause]:
    """Correlation and trace by event id."""
    return {
        item.event.id: Cause(item.event.correlation_id, passed_on.get(item.event.traceparent, item.event.traceparent))
        for item in received
    }


def _all(entries: Iterable[Entry], outcome: Outcome) -> dict[InboxKey, Outcome]:
    return {entry.inbox_key: outcome for entry in entries if entry.inbox_key is not None}
