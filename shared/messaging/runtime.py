"""Puts the event runtime of one service together: which loops each role runs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Protocol

from shared.database.engine import Database
from shared.events.topics import TOPICS
from shared.messaging.batch import BatchProcessor
from shared.messaging.consumer import TopicGroup
from shared.messaging.dead_letters import Replayer
from shared.messaging.express import BULK, EXPRESS, ExpressGate
from shared.messaging.gaps import GapKeeper
from shared.messaging.gauges import GaugeHook, Gauges
from shared.messaging.heartbeats import Heartbeats
from shared.messaging.intents import IntentHandler
from shared.messaging.liveness import Pulse
from shared.messaging.relay import Relay
from shared.messaging.retention import Kept, Retention
from shared.messaging.subscription import HeartbeatHook, Subscription, SuspendedFeeds
from shared.messaging.worker import Worker
from shared.security.sealing import RecordSealer

DEAD_LETTER_LIMIT = 1_000


class Loop(Protocol):
    """Something that runs until it is told to stop."""

    async def run(self) -> None:
        """Run until stopped."""
        ...

    def stop(self) -> None:
        """Ask `run` to end."""
        ...


def consumer_loops(
    database: Database,
    subscriptions: Sequence[Subscription],
    *,
    sealer: RecordSealer,
    instance: str | None,
    pulse: Pulse,
    on_heartbeats: HeartbeatHook | None = None,
    batch_records: int = 500,
    dead_letter_limit: int = DEAD_LETTER_LIMIT,
) -> list[Loop]:
    """The consumer role: express topics, all others, and each foreign one in groups of their own; the keeper of gaps.

    `instance` makes the process a static member: it keeps its partitions over a restart. Without one it leaves at once.
    """
    processors = [
        BatchProcessor(subscription, sealer=sealer, dead_letter_limit=dead_letter_limit)
        for subscription in subscriptions
    ]
    foreign = [processor for processor in processors if processor.subscription.foreign is not None]
    ours = [processor for processor in processors if processor.subscription.foreign is None]
    express = [processor for processor in ours if TOPICS[processor.subscription.topic].express]
    bulk = [processor for processor in ours if not TOPICS[processor.subscription.topic].express]
    gate = ExpressGate(has_express=bool(express))
    loops: list[Loop] = [
        TopicGroup(
            database,
            members,
            name=name,
            instance=instance,
            gate=gate,
            on_heartbeats=on_heartbeats,
            pulse=pulse,
            batch_records=batch_records,
        )
        for name, members in (
            (EXPRESS, express),
            (BULK, bulk),
            *((processor.subscription.topic, [processor]) for processor in foreign),
        )
        if members
    ]
    if loops:
        loops.append(GapKeeper(database, Replayer(database, subscriptions, sealer=sealer), pulse=pulse))
    return loops


def relay_loops(
    database: Database,
    *,
    reads: Sequence[str],
    instance: str,
    pulse: Pulse,
    batch_rows: int = 2_000,
    foreign: Sequence[str] = (),
    suspended_feeds: SuspendedFeeds | None = None,
    gauges: GaugeHook | None = None,
) -> list[Loop]:
    """The relay role: the outbox to Kafka, the heartbeat that travels with it, and the gauges of the tables."""
    writes = [spec.name for spec in TOPICS.values() if database.service in spec.writers]
    # A restarted process is another owner: what it held before it died is not known to be whole.
    owner = f"{instance}/{os.getpid()}"
    return [
        Relay(database, topics=writes, owner=owner, pulse=pulse, batch_rows=batch_rows),
        Heartbeats(database, reads=reads, pulse=pulse, foreign=foreign, suspended_feeds=suspended_feeds),
        Gauges(database, pulse=pulse, hook=gauges),
    ]


def worker_loops(
    database: Database, handlers: Sequence[IntentHandler], *, pulse: Pulse, kept: Sequence[Kept] = ()
) -> list[Loop]:
    """The worker role: intents and timers, and what the tables need not keep."""
    # Without kinds to work on a worker would end at once, which the runtime takes for a failure.
    workers: list[Loop] = [Worker(database, handlers, pulse=pulse)] if handlers else []
    return [*workers, Retention(database, pulse=pulse, others=kept)]
