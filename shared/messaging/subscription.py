"""What a service subscribes to, and what became of each event."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from shared.events.catalogue import CATALOGUE

if TYPE_CHECKING:
    from shared.database.unit_of_work import UnitOfWork
    from shared.events import Event, Received
    from shared.events.base import EventData
    from shared.messaging.records import Entry, RawRecord


class InboxKey(NamedTuple):
    """Identity of an event (CloudEvents: source + id)."""

    source: str
    event_id: str


def inbox_key(event: Event[EventData]) -> InboxKey:
    """The identity of `event`."""
    return InboxKey(event.source, event.id)


class Outcome(StrEnum):
    """What became of an event in this service; kept in its inbox row."""

    APPLIED = "applied"
    IGNORED = "ignored"  # stale or repeated: nothing to do, and that is right
    PENDING = "pending"  # early: kept by the service until its facts arrive
    WAITING = "waiting"  # behind a parked party or a sequence gap
    DEAD = "dead"  # in the dead-letter table


Handle = Callable[["UnitOfWork", Sequence["Received[EventData]"]], Awaitable[Mapping[InboxKey, Outcome]]]
# The outer feeds that the service does not believe at the moment, with the cause: told with each of its heartbeats.
SuspendedFeeds = Callable[["UnitOfWork"], Awaitable[Mapping[str, str]]]
HeartbeatHook = Callable[["UnitOfWork", Sequence["Event[EventData]"]], Awaitable[None]]
PartiesOf = Callable[["UnitOfWork", Sequence[str]], Awaitable[Mapping[str, UUID]]]

OthersNamed = Callable[["Event[EventData]"], Iterable[str]]


@dataclass(frozen=True, kw_only=True)
class ForeignTopic:
    """A topic of somebody else: on their broker, under their names, in their wire format.

    `name` and `group` are the true names there; `options` are aiokafka's keyword arguments for connecting.

    `read` classifies a record and never raises. `prepare` is awaited before each transaction over the entries, outside
    of it: whatever must be asked elsewhere is asked here and put into the entries; an entry that cannot be handled is
    killed, and only what will pass by itself is raised (as OSError or TimeoutError). It is called again when the batch
    is tried again.
    """

    name: str
    group: str
    options: Mapping[str, Any]
    read: Callable[[RawRecord], Entry]
    prepare: Callable[[Sequence[Entry]], Awaitable[None]]


@dataclass(frozen=True, kw_only=True)
class Subscription:
    """One topic of a service.

    `handle` receives a whole batch, each partition's part in offset order, parties locked, and returns only the
    outcomes that are not `applied`. It may be called again with a part of the batch after a rollback, so it keeps
    nothing in memory.

    `parties_of` is for topics whose Kafka key is not a party id (`loan*`: `tenant|core|party_ref`). It resolves keys to
    our party ids inside the transaction, before locks are taken; a key it leaves out is locked and parked under an id
    derived from the key, which `handle` finds in no table. `others_named`: keys of others whom an event names and
    `handle` will resolve as well. They are resolved with the batch's own, in one sorted order: of two batches that name
    each other's parties one waits.

    `foreign`: the topic is not ours; `topic` is then only what we call it, in positions, dead letters and metrics.
    """

    topic: str
    types: frozenset[str]
    handle: Handle
    monotone_types: frozenset[str] = frozenset()
    parties_of: PartiesOf | None = None
    others_named: OthersNamed | None = None
    foreign: ForeignTopic | None = None

    @cached_property
    def types_by_header(self) -> Mapping[bytes, str]:
        """The handled types by the bytes that name them on the topic."""
        return {name.encode(): name for name in self.types}

    @cached_property
    def aggregates(self) -> frozenset[str]:
        """The aggregate types whose sequences concern us: those of the handled types."""
        return frozenset(CATALOGUE[name].aggregate for name in self.types)
