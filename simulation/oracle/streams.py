"""Checks of the event streams themselves: identity, sequence, key, privacy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from simulation.oracle.record import CORE_TOPICS, NO_PARTY, Record
from simulation.oracle.verdict import Breach, History, breach

_HEARTBEAT = "service.heartbeat"


def one_identity_one_content(history: History) -> Iterator[Breach]:
    """A re-delivered event has the bytes of the first delivery, and the same topic, partition and key."""
    first: dict[tuple[str, str], Record] = {}
    for record in _in_order(history):
        if record.topic.endswith(".dlq"):
            continue
        earlier = first.setdefault(record.identity, record)
        same_place = (earlier.topic, earlier.partition, earlier.key) == (record.topic, record.partition, record.key)
        if earlier is not record and not (same_place and earlier.value == record.value):
            yield breach("identity", record, f"differs from {earlier.place} of the same source and id")


def sequences_are_gapless(history: History) -> Iterator[Breach]:
    """Per source, topic and aggregate the sequence runs 1, 2, 3, ... in offset order. The core's own may have gaps."""
    last: dict[tuple[str, str, str, str], tuple[int, set[str]]] = {}
    for record in _in_order(history):
        if not _is_internal(record):
            continue
        number, seen = last.get(record.stream, (0, set()))
        if record.identity[1] in seen:
            continue
        if record.sequence != number + 1:
            yield breach("sequence", record, f"sequence {record.sequence} after {number}")
        seen.add(record.identity[1])
        last[record.stream] = (record.sequence, seen)


def keys_are_parties(history: History) -> Iterator[Breach]:
    """An internal event lies under the key of the party it is about."""
    for record in history.events:
        party = record.text("party_id")
        if _is_internal(record) and record.key != (party or NO_PARTY):
            yield breach("key", record, f"key {record.key}, party {party or 'none'}")


def no_personal_data(history: History) -> Iterator[Breach]:
    """No name, number or address that the core told appears on any other topic."""
    personal = set()
    for record in history.of("party.updated"):
        personal.add(record.text("name"))
        personal.update(str(point.get("value")) for point in record.data.get("contact_points", []))
    personal.discard("")
    for record in history.events:
        if record.topic not in CORE_TOPICS and personal.intersection(_texts(record.data)):
            yield breach("personal_data", record, "carries a name, number or address of a person")


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for member in value.values():
            yield from _texts(member)
    elif isinstance(value, list):
        for member in value:
            yield from _texts(member)


def _is_internal(record: Record) -> bool:
    return record.topic not in CORE_TOPICS and not record.topic.endswith(".dlq") and record.type != _HEARTBEAT


def _in_order(history: History) -> list[Record]:
    return sorted(history.records, key=lambda record: (record.topic, record.partition, record.offset))
