"""One record of a topic, read and classified before any transaction begins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol
from uuid import UUID

from msgspec import Struct

from shared.events import Received
from shared.events.base import EventData
from shared.events.catalogue import CATALOGUE, HEARTBEAT
from shared.events.codec import LONGEST_ATTRIBUTE, DecodeError, RawHeaders, decode_under
from shared.events.topics import SERVICES
from shared.ids import derived_id
from shared.messaging.outbox import source_of
from shared.messaging.subscription import InboxKey, Subscription

_KNOWN_SOURCES = frozenset(source_of(service) for service in SERVICES)
_HEARTBEAT = HEARTBEAT.encode()
_LARGEST_SEQUENCE = (1 << 63) - 1


class RawRecord(Protocol):
    """What Kafka gave us: aiokafka's record, or one kept in our tables."""

    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Sequence[tuple[str, bytes | None]]: ...


@dataclass(frozen=True, slots=True)
class KeptRecord:
    """A record that was kept, sealed, and is read again."""

    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]


class Verdict(Enum):
    """What is to be done with a record."""

    HANDLE = "handle"
    SKIP = "skip"
    DEAD = "dead"
    HEARTBEAT = "heartbeat"


class Stream(tuple[str, str, str]):
    """What a received sequence counts within one topic: (source, aggregate type, aggregate id)."""

    __slots__ = ()


class Entry(Struct):
    """One classified record. `party_id` names its lock: our party, or an id derived from a key not known yet.

    `core_key`: the record's key on topics of the core, empty if it can be no key; it is resolved in the transaction.
    `kept`: it was read back from `waiting_record`. `handled`: its effect has happened, it only fills its sequence.
    `place`: its rank among all that was set aside; replays follow it (offsets do not: a gap's filler comes late).
    """

    topic: str
    record: RawRecord
    verdict: Verdict
    type: str
    inbox_key: InboxKey | None
    traceparent: str = ""
    received: Received[EventData] | None = None
    stream: Stream | None = None
    sequence: int = 0
    party_id: UUID | None = None
    party_known: bool = False
    core_key: str = ""
    reason: str = ""
    detail: str = ""
    kept: bool = False
    handled: bool = False
    place: int = 0

    @property
    def key_id(self) -> UUID | None:
        """What stands for the party of `core_key` until it is known."""
        return derived_id("kafka-key", self.core_key) if self.core_key else None

    def kill(self, reason: str, detail: str) -> None:
        """Nothing more can be done with this record: it goes to the dead letters."""
        self.verdict, self.reason, self.detail = Verdict.DEAD, reason, detail

    @property
    def offset(self) -> int:
        """Offset of the record."""
        return self.record.offset


def classify(record: RawRecord, subscription: Subscription) -> Entry:
    """Read the envelope, and the data of handled types. Never raises: what cannot be read is `DEAD` with a reason."""
    if subscription.foreign is not None:
        return subscription.foreign.read(record)
    headers = dict(record.headers)
    name = subscription.types_by_header.get(headers.get("ce_type") or b"")
    if name is None:
        return _unhandled(record, headers, subscription)
    topic = subscription.topic
    try:
        event = decode_under(headers, topic=topic, key=record.key, value=record.value)
    except DecodeError as error:
        return _dead(record, headers, subscription, error.reason, error.detail)
    if not (_is_plain(event.id) and _is_plain(event.source) and _is_plain(event.aggregate_id)):
        return _dead(
            record, headers, subscription, "bad_header", "an attribute is overlong or holds control characters"
        )
    entry = Entry(
        topic=topic,
        record=record,
        verdict=Verdict.HANDLE,
        type=name,
        inbox_key=InboxKey(event.source, event.id),
        traceparent=event.traceparent,
        received=Received(event=event, topic=topic, partition=record.partition, offset=record.offset),
    )
    if subscription.parties_of is None:
        if event.party_id is not None:
            entry.party_id, entry.party_known = event.party_id, True
            if 0 < event.sequence <= _LARGEST_SEQUENCE:
                entry.stream = Stream((event.source, event.aggregate_type, event.aggregate_id))
                entry.sequence = event.sequence
    elif len(event.key) <= LONGEST_ATTRIBUTE and "\x00" not in event.key:
        entry.core_key = event.key
    return entry


def _unhandled(record: RawRecord, headers: RawHeaders, subscription: Subscription) -> Entry:
    """Heartbeats, types that do not concern us, and what nobody can name."""
    if headers.get("ce_type") == _HEARTBEAT:
        return _heartbeat(record, headers, subscription.topic)
    entry = _envelope(record, headers, subscription)
    if entry.inbox_key is None or not entry.type:
        entry.kill("missing_header", "ce_type, ce_source or ce_id is absent, overlong or not plain text")
    elif entry.type in CATALOGUE:
        entry.verdict = Verdict.SKIP
    elif subscription.parties_of is None and entry.inbox_key.source in _KNOWN_SOURCES:
        entry.verdict, entry.reason = Verdict.SKIP, "uncatalogued_type"
    else:
        entry.kill("uncatalogued_type", entry.type)
    return entry


def _dead(record: RawRecord, headers: RawHeaders, subscription: Subscription, reason: str, detail: str) -> Entry:
    entry = _envelope(record, headers, subscription)
    entry.kill(reason, detail)
    return entry


def _envelope(record: RawRecord, headers: RawHeaders, subscription: Subscription) -> Entry:
    """What can be read of a record that is not handled."""
    source, event_id = _attribute(headers, "ce_source"), _attribute(headers, "ce_id")
    entry = Entry(
        topic=subscription.topic,
        record=record,
        verdict=Verdict.SKIP,
        type=_attribute(headers, "ce_type"),
        inbox_key=InboxKey(source, event_id) if source and event_id else None,
        traceparent=_attribute(headers, "traceparent"),
    )
    internal = subscription.parties_of is None
    _identify(entry, record.key, internal=internal)
    if internal and entry.party_known and entry.inbox_key is not None:
        _number(entry, headers, source, subscription.aggregates)
    return entry


def _heartbeat(record: RawRecord, headers: RawHeaders, topic: str) -> Entry:
    entry = Entry(topic=topic, record=record, verdict=Verdict.HEARTBEAT, type=HEARTBEAT, inbox_key=None)
    try:
        event = decode_under(headers, topic=topic, key=record.key, value=record.value)
    except DecodeError as error:
        # A heartbeat that cannot be read is one that was not sent: its reader sees its sender grow stale.
        entry.verdict, entry.reason = Verdict.SKIP, error.reason
        return entry
    entry.received = Received(event=event, topic=topic, partition=record.partition, offset=record.offset)
    return entry


def _identify(entry: Entry, key: bytes | None, *, internal: bool) -> None:
    """The party that the key names. Core topics have keys of their own, resolved inside the transaction."""
    if not key or key == b"-":
        return
    try:
        text = key.decode()
    except UnicodeDecodeError:
        return
    if internal:
        try:
            entry.party_id, entry.party_known = UUID(text), True
        except ValueError:
            return
    elif len(text) <= LONGEST_ATTRIBUTE and "\x00" not in text:
        entry.core_key = text


def _number(entry: Entry, headers: RawHeaders, source: str, aggregates: frozenset[str]) -> None:
    aggregate_type, aggregate_id = _attribute(headers, "ce_aggregatetype"), _attribute(headers, "ce_aggregateid")
    digits = _attribute(headers, "ce_sequence")
    if source and aggregate_type in aggregates and aggregate_id and digits.isascii() and digits.isdigit():
        number = int(digits)
        if 0 < number <= _LARGEST_SEQUENCE:
            entry.stream, entry.sequence = Stream((source, aggregate_type, aggregate_id)), number


def _attribute(headers: RawHeaders, name: str) -> str:
    """A header as text; empty when absent, not UTF-8, overlong, or holding control characters."""
    try:
        text = (headers.get(name) or b"").decode()
    except UnicodeDecodeError:
        return ""
    return text if _is_plain(text) else ""


def _is_plain(text: str) -> bool:
    """Of bearable length and without control characters (CloudEvents forbids them, and we join columns by one)."""
    return len(text) <= LONGEST_ATTRIBUTE and text.isprintable()
