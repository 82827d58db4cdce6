"""One record of a topic, read and classified before any transaction begins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol
from uuid import UUID

from shared.events import Received
from shared.events.base import EventData
from shared.events.catalogue import CATALOGUE, HEARTBEAT
from shared.events.codec import DecodeError, Header, decode
from shared.events.topics import SERVICES
from shared.ids import derived_id
from shared.messaging.outbox import source_of
from shared.messaging.subscription import InboxKey, Subscription

_KNOWN_SOURCES = frozenset(source_of(service) for service in SERVICES)
_HEARTBEAT = HEARTBEAT.encode()
_LONGEST_ATTRIBUTE = 256
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
    def headers(self) -> Sequence[Header]: ...


@dataclass(frozen=True, slots=True)
class KeptRecord:
    """A record that was kept, sealed, and is read again."""

    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[Header]


class Verdict(Enum):
    """What is to be done with a record."""

    HANDLE = "handle"
    SKIP = "skip"
    DEAD = "dead"
    HEARTBEAT = "heartbeat"


class Stream(tuple[str, str, str]):
    """What a received sequence counts within one topic: (source, aggregate type, aggregate id)."""

    __slots__ = ()


@dataclass(slots=True)
class Entry:
    """One classified record. `party_id` names its lock: our party, or an id derived from a key not known yet.

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
    key_id: UUID | None = None
    reason: str = ""
    detail: str = ""
    kept: bool = False
    handled: bool = False
    place: int = 0

    def kill(self, reason: str, detail: str) -> None:
        """Nothing more can be done with this record: it goes to the dead letters."""
        self.verdict, self.reason, self.detail = Verdict.DEAD, reason, detail

    @property
    def offset(self) -> int:
        """Offset of the record."""
        return self.record.offset


def classify(record: RawRecord, subscription: Subscription) -> Entry:
    """Read the envelope, and the data of handled types. Never raises: what cannot be read is `DEAD` with a reason."""
    headers = dict(record.headers)
    topic = subscription.topic
    if headers.get("ce_type") == _HEARTBEAT:
        return _heartbeat(record, topic)
    name = _attribute(headers, "ce_type")
    source, event_id = _attribute(headers, "ce_source"), _attribute(headers, "ce_id")
    entry = Entry(
        topic=topic,
        record=record,
        verdict=Verdict.HANDLE,
        type=name,
        inbox_key=InboxKey(source, event_id) if source and event_id else None,
        traceparent=_attribute(headers, "traceparent"),
    )
    internal = subscription.parties_of is None
    _identify(entry, record.key, internal=internal)
    if internal and entry.party_known and entry.inbox_key is not None:
        _number(entry, headers, source, subscription.aggregates)
    if name not in subscription.types and name and entry.inbox_key is not None:
        if name in CATALOGUE:
            entry.verdict = Verdict.SKIP
            return entry
        if internal and source in _KNOWN_SOURCES:
            entry.verdict, entry.reason = Verdict.SKIP, "uncatalogued_type"
            return entry
    _decode(entry)
    return entry


def _decode(entry: Entry) -> None:
    record = entry.record
    try:
        event = decode(topic=entry.topic, key=record.key, value=record.value, headers=record.headers)
    except DecodeError as error:
        entry.kill(error.reason, error.detail)
        return
    if entry.inbox_key is None:
        entry.kill("bad_header", "ce_id or ce_source is empty, too long or not text")
        return
    entry.received = Received(event=event, topic=entry.topic, partition=record.partition, offset=record.offset)


def _heartbeat(record: RawRecord, topic: str) -> Entry:
    entry = Entry(topic=topic, record=record, verdict=Verdict.HEARTBEAT, type=HEARTBEAT, inbox_key=None)
    try:
        event = decode(topic=topic, key=record.key, value=record.value, headers=record.headers)
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
    elif len(text) <= _LONGEST_ATTRIBUTE and "\x00" not in text:
        entry.key_id = entry.party_id = derived_id("kafka-key", text)


def _number(entry: Entry, headers: dict[str, bytes], source: str, aggregates: frozenset[str]) -> None:
    aggregate_type, aggregate_id = _attribute(headers, "ce_aggregatetype"), _attribute(headers, "ce_aggregateid")
    digits = _attribute(headers, "ce_sequence")
    if source and aggregate_type in aggregates and aggregate_id and digits.isascii() and digits.isdigit():
        number = int(digits)
        if 0 < number <= _LARGEST_SEQUENCE:
            entry.stream, entry.sequence = Stream((source, aggregate_type, aggregate_id)), number


def _attribute(headers: dict[str, bytes], name: str) -> str:
    """A header as text; empty when absent, overlong, not UTF-8, or holding NUL (which PostgreSQL cannot store)."""
    raw = headers.get(name)
    if not raw or len(raw) > _LONGEST_ATTRIBUTE:
        return ""
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return ""
    return "" if "\x00" in text else text
