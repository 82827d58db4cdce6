"""CloudEvents 1.0 Kafka protocol binding, binary mode: `ce_*` headers, value = JSON data, UTF-8."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final, Literal, NamedTuple
from uuid import UUID

import msgspec
from pydantic import ValidationError

from shared.events.base import EventData
from shared.events.catalogue import CATALOGUE, EventType
from shared.events.envelope import Event
from shared.moments import in_utc

Header = tuple[str, bytes]
"""A header that we write."""
RawHeaders = Mapping[str, bytes | None]
"""Headers as Kafka gave them: nothing is certain of them, and some clients write them without a value."""
NO_PARTY_KEY: Final = b"-"
CONTENT_TYPE: Final = b"application/json"
LONGEST_ATTRIBUTE: Final = 256
REQUIRED_HEADERS: Final = ("ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time", "ce_tenant", "ce_sequence")
CORE_TOPICS: Final = frozenset({"loan", "loan-urgent"})

DecodeReason = Literal[
    "missing_header", "bad_header", "unsupported_specversion", "uncatalogued_type", "unknown_version", "wrong_topic",
    "schema_violation", "key_mismatch",
]  # fmt: skip

_encode = msgspec.json.encode


class DecodeError(ValueError):
    """A record that is not a catalogued event. `reason` is a closed code; `detail` never quotes personal values."""

    def __init__(self, reason: DecodeReason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason: DecodeReason = reason
        self.detail = detail


def encode_headers(
    *, event_type: EventType, event_id: str, source: str, tenant: str, aggregate_id: str, sequence: int, time: datetime,
    recorded_time: datetime, correlation_id: str, causation_id: str, traceparent: str,
) -> list[Header]:  # fmt: skip
    """The `ce_*` headers of one event, in a fixed order."""
    headers = [
        *_headers_of_type(event_type, source, tenant),
        ("ce_id", event_id.encode()),
        ("ce_time", _text_of(time).encode()),
        _recorded_header(recorded_time),
        ("ce_aggregateid", aggregate_id.encode()),
        ("ce_sequence", b"%d" % sequence),
        ("ce_correlationid", correlation_id.encode()),
        ("ce_causationid", causation_id.encode()),
    ]
    if traceparent:
        headers.append(("traceparent", traceparent.encode()))
    return headers


@lru_cache(maxsize=1024)
def _headers_of_type(event_type: EventType, source: str, tenant: str) -> tuple[Header, ...]:
    return (
        ("ce_specversion", b"1.0"),
        ("ce_source", source.encode()),
        ("ce_type", event_type.name.encode()),
        ("ce_dataschema", event_type.schema_name.encode()),
        ("ce_tenant", tenant.encode()),
        ("ce_aggregatetype", event_type.aggregate.encode()),
        ("content-type", CONTENT_TYPE),
    )


@lru_cache(maxsize=64)  # the events of one transaction share this time
def _recorded_header(moment: datetime) -> Header:
    return "ce_recordedtime", _text_of(moment).encode()


def decode(
    *, topic: str, key: bytes | None, value: bytes | None, headers: Iterable[tuple[str, bytes | None]]
) -> Event[EventData]:
    """One record to one event. Raises DecodeError with a closed reason; the caller decides (skip, count, DLQ)."""
    return decode_under(dict(headers), topic=topic, key=key, value=value)


def decode_under(headers: RawHeaders, *, topic: str, key: bytes | None, value: bytes | None) -> Event[EventData]:
    """`decode` for whoever has looked the headers up already."""
    try:
        common = _common(
            topic, headers.get("ce_specversion"), headers.get("ce_type"), headers.get("ce_source"),
            headers.get("ce_tenant"), headers.get("ce_dataschema"),
        )  # fmt: skip
        own = _own(headers)
    except UnicodeDecodeError as error:
        raise DecodeError("bad_header", "a header is not UTF-8") from error
    if common is None or not (own.id and own.time and own.sequence):
        raise DecodeError("missing_header", ", ".join(name for name in REQUIRED_HEADERS if not headers.get(name)))
    try:
        data = common.event_type.model.__pydantic_validator__.validate_json(value or b"")
    except ValidationError as error:
        raise DecodeError("schema_violation", _fields_of(error)) from error
    return _event(topic=topic, key=key or b"", common=common, own=own, data=data)


def format_time(moment: datetime) -> str:
    """RFC 3339 UTC with microseconds and `Z`. Raises ValueError for naive times."""
    if moment.tzinfo is not UTC:
        return _text_of(moment)
    return _utc_text(moment)


@lru_cache(maxsize=4_096)
def _utc_text(moment: datetime) -> str:
    """Of one transaction's times thousands of texts are wanted. Times of UTC that are equal read alike."""
    return _text_of(moment)


def _text_of(moment: datetime) -> str:
    if moment.tzinfo is None:
        raise ValueError("a time without zone is not a time")
    utc = moment if moment.tzinfo is UTC else moment.astimezone(UTC)
    if utc.microsecond:  # msgspec writes the same at a tenth of the cost, but leaves a fraction of zero out
        return _encode(utc)[1:-1].decode()
    return utc.isoformat(timespec="microseconds")[: -len("+00:00")] + "Z"


def parse_time(text: str) -> datetime:
    """RFC 3339 to an aware UTC datetime. Raises ValueError when malformed, without zone, or in no year of UTC."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a time without zone is not a time")
    return moment if moment.tzinfo is UTC else in_utc(moment)


class _Common(NamedTuple):
    """What nearly all records of a topic's sender say alike."""

    event_type: EventType
    source: str
    tenant: str


class _Own(NamedTuple):
    """What each record says for itself, empty where it says nothing."""

    id: str
    time: str
    recorded_time: str
    aggregate_id: str
    sequence: str
    correlation_id: str
    causation_id: str
    traceparent: str


def _own(headers: RawHeaders) -> _Own:
    """Raises UnicodeDecodeError."""
    find = headers.get
    return _Own(
        (find("ce_id") or b"").decode(), (find("ce_time") or b"").decode(), (find("ce_recordedtime") or b"").decode(),
        (find("ce_aggregateid") or b"").decode(), (find("ce_sequence") or b"").decode(),
        (find("ce_correlationid") or b"").decode(), (find("ce_causationid") or b"").decode(),
        (find("traceparent") or b"").decode(),
    )  # fmt: skip


@lru_cache(maxsize=1024)
def _common(
    topic: str, specversion: bytes | None, name: bytes | None, source: bytes | None, tenant: bytes | None,
    schema: bytes | None,
) -> _Common | None:  # fmt: skip
    """None when one that is required is missing. Raises DecodeError, UnicodeDecodeError."""
    # What raises is not kept: whoever sends long headers, each another, fills no memory with them.
    if any(len(one or b"") > LONGEST_ATTRIBUTE for one in (specversion, name, source, tenant, schema)):
        raise DecodeError("bad_header", f"a header is longer than {LONGEST_ATTRIBUTE} bytes")
    if not (specversion and name and source and tenant):
        return None
    if specversion != b"1.0":
        raise DecodeError("unsupported_specversion", specversion.decode()[:20])
    event_type = CATALOGUE.get(name.decode())
    if event_type is None:
        raise DecodeError("uncatalogued_type", name.decode()[:100])
    if topic not in event_type.topics:
        raise DecodeError("wrong_topic", f"{event_type.name} does not belong on {topic}")
    version = event_type.version if schema is None else _version(schema.decode(), event_type.name)
    if not event_type.reads_from <= version <= event_type.version:
        raise DecodeError("unknown_version", f"{event_type.name} version {version}, known {event_type.version}")
    return _Common(event_type, source.decode(), tenant.decode())


def _version(schema: str, name: str) -> int:
    prefix, separator, number = schema.rpartition(".v")
    if not separator or prefix != name or not number.isdigit():
        raise DecodeError("bad_header", "ce_dataschema does not fit ce_type")
    return int(number)


def _event(*, topic: str, key: bytes, common: _Common, own: _Own, data: EventData) -> Event[EventData]:
    try:
        key_text = key.decode()
        party_id = None if topic in CORE_TOPICS or key == NO_PARTY_KEY else UUID(key_text)
        time = parse_time(own.time)
        sequence = int(own.sequence)
        recorded_time = parse_time(own.recorded_time) if own.recorded_time else time
    except (ValueError, UnicodeDecodeError) as error:
        raise DecodeError("bad_header", "key, time or sequence is malformed") from error
    _check_key(topic, key_text, party_id, data)
    event_type, identity = common.event_type, own.id
    return Event(
        id=identity, source=common.source, type=event_type.name, version=event_type.version,
        tenant=common.tenant, key=key_text, party_id=party_id,
        aggregate_type=event_type.aggregate,
        aggregate_id=own.aggregate_id or key_text, sequence=sequence, time=time,
        recorded_time=recorded_time,
        correlation_id=own.correlation_id or identity,
        causation_id=own.causation_id,
        traceparent=own.traceparent, data=data,
    )  # fmt: skip


def _check_key(topic: str, key: str, party_id: UUID | None, data: EventData) -> None:
    """Order is per key: a record under another party's key would be processed out of order, under the wrong lock."""
    if topic in CORE_TOPICS:
        party_ref = getattr(data, "party_ref", None)
        if party_ref is not None and key != f"{getattr(data, 'tenant', '')}|{getattr(data, 'core', '')}|{party_ref}":
            raise DecodeError("key_mismatch", "key is not tenant|core|party_ref")
    elif party_id is not None and getattr(data, "party_id", party_id) != party_id:
        raise DecodeError("key_mismatch", "key is not the data's party_id")


def _fields_of(error: ValidationError) -> str:
    """Names and messages of the offending fields, never their values."""
    problems: Sequence[str] = [
        f"/{'/'.join(str(part) for part in item['loc'])}: {item['type']}"
        for item in error.errors(include_input=False, include_url=False)[:10]
    ]
    return "; ".join(problems)
