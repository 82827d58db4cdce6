"""The events that the benchmarks send: statements of late loans, some repeated, some parties told of again."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from aiokafka import AIOKafkaProducer

from shared.events.catalogue import CATALOGUE
from shared.events.codec import Header, encode_headers
from shared.events.loan import LoanOverdue
from shared.events.topics import PARTITIONS
from shared.ids import event_id
from shared.messaging.partitioning import partition_of

TENANT, CORE = "bank", "core-bench"
DUPLICATE_SHARE = 0.05
REPEATED_PARTY_SHARE = 0.05
TICK_SECONDS = 0.02
_BATCH_BYTES = 900_000
_SAMPLED_SHARE = 0.01


@dataclass(frozen=True, slots=True)
class Message:
    """One record to be sent. `event_id` comes back as the causation of what it causes."""

    partition: int
    key: bytes
    value: bytes
    headers: list[Header]
    event_id: str
    party_ref: str
    overdue_minor: int


@dataclass(frozen=True)
class Load:
    """Messages in sending order, and what must come of them."""

    messages: list[Message]
    parties: int
    events: int
    """Distinct events (duplicates left out)."""
    last_overdue: dict[str, int]
    """Overdue amount by party reference after the last event."""


def overdue_message(number: int, sequence: int, *, day: date, draw: random.Random) -> Message:
    """A valid `loan.overdue` of party `number`."""
    party_ref, amount = f"P-{number:07d}", draw.randint(10_000, 900_000)
    data: dict[str, Any] = {
        "tenant": TENANT, "core": CORE, "loan_ref": f"L-{number:07d}", "party_ref": party_ref,
        "business_date": day.isoformat(), "core_sequence": sequence, "currency": "CNY",
        "obligors": [{"party_ref": party_ref, "role": "borrower", "liability": "full"}],
        "value_date": day.isoformat(), "booked_at": f"{day.isoformat()}T01:00:00Z", "cause": "day_close",
        "product_class": "card", "creditor": "Synthetic Bank", "servicer": "Synthetic Bank",
        "originated_on": "2024-05-01", "jurisdiction": "CN", "balance": amount * 12,
        "due_items": [
            {"kind": "statement_minimum", "due_date": (day - timedelta(days=days)).isoformat(), "principal": part,
             "interest": 0, "fee": 0, "penalty": 0, "paid": 0}
            for days, part in ((35, amount // 2), (5, amount - amount // 2))
        ],
        "core_dpd": 35, "flags": [], "feed": "live",
    }  # fmt: skip
    return _message("loan.overdue", data, party_ref=party_ref, sequence=sequence, draw=draw, overdue_minor=amount)


def person_message(number: int, sequence: int, *, day: date, draw: random.Random) -> Message:
    """A valid `party.updated` of party `number`: a person in Shanghai whose contacts are known for two years."""
    party_ref = f"P-{number:07d}"
    data: dict[str, Any] = {
        "tenant": TENANT, "core": CORE, "party_ref": party_ref, "core_sequence": sequence, "name": f"Person {number}",
        "language": "zh", "time_zones": ["Asia/Shanghai"], "jurisdiction": "CN",
        "contact_points": [{"kind": "mobile", "value": f"+86 139 {number:08d}", "source": "contract"}],
        "history_known_from": (day - timedelta(days=730)).isoformat(),
    }  # fmt: skip
    return _message("party.updated", data, party_ref=party_ref, sequence=sequence, draw=draw)


def _message(
    event_type: str, data: Mapping[str, Any], *, party_ref: str, sequence: int, draw: random.Random,
    overdue_minor: int = 0,
) -> Message:  # fmt: skip
    identity = str(event_id())
    key = f"{TENANT}|{CORE}|{party_ref}"
    sampled = "01" if draw.random() < _SAMPLED_SHARE else "00"
    headers = encode_headers(
        event_type=CATALOGUE[event_type], event_id=identity, source=CORE, tenant=TENANT, aggregate_id=key,
        sequence=sequence, time=datetime.now(UTC), recorded_time=datetime.now(UTC), correlation_id=identity,
        causation_id="", traceparent=f"00-{draw.getrandbits(128) | 1:032x}-{draw.getrandbits(64) | 1:016x}-{sampled}",
    )  # fmt: skip
    raw = key.encode()
    return Message(
        partition_of(raw, PARTITIONS), raw, json.dumps(data).encode(), headers, identity, party_ref, overdue_minor
    )


def make_load(events: int, *, seed: int = 7, day: date | None = None) -> Load:
    """`events` messages: 5 % are exact duplicates, 5 % are a second statement of a party already named."""
    draw = random.Random(f"load:{seed}")
    today = day or datetime.now(UTC).date()
    distinct = round(events * (1 - DUPLICATE_SHARE))
    parties = distinct - round(events * REPEATED_PARTY_SHARE)
    placed: list[tuple[float, Message]] = [
        (float(number), overdue_message(number, 1, day=today, draw=draw)) for number in range(parties)
    ]
    LoanOverdue.model_validate_json(placed[0][1].value)  # the form is the catalogue's, or nothing starts
    for number in draw.sample(range(parties), distinct - parties):
        placed.append((number + draw.uniform(1, 2_000), overdue_message(number, 2, day=today, draw=draw)))
    for place, message in draw.sample(placed, events - distinct):
        placed.append((place + draw.uniform(0.5, 2_000), message))
    messages = [message for _, message in sorted(placed, key=lambda pair: pair[0])]
    last: dict[str, tuple[int, int]] = {}
    for message in messages:
        sequence = int(dict(message.headers)["ce_sequence"])
        last[message.party_ref] = max(last.get(message.party_ref, (0, 0)), (sequence, message.overdue_minor))
    return Load(messages, parties, distinct, {party: pair[1] for party, pair in last.items()})


async def publish(options: dict[str, Any], topic: str, messages: Sequence[Message]) -> None:
    """Send all messages, batch by batch, in order per partition."""
    producer = AIOKafkaProducer(**options, enable_idempotence=True, acks="all", max_batch_size=_BATCH_BYTES)
    await producer.start()
    try:
        parts = _by_partition(messages)
        await asyncio.gather(*(_publish(producer, topic, number, part) for number, part in parts.items()))
    finally:
        await producer.stop()


async def publish_steadily(
    options: dict[str, Any], topic: str, messages: Sequence[Message], *, rate: int
) -> list[tuple[str, float]]:  # fmt: skip
    """Send `rate` messages a second; ids of events with the monotonic moment at which each was meant to be sent.

    What is due is sent every `TICK_SECONDS` (a core's `linger.ms`), one batch per partition, whatever comes back:
    late sending does not move the next one, and waiting for the tick counts as latency. With Kafka's own 5 ms, twelve
    partitions would make a batch of nearly every event, and sending, keeping and fetching them take as much of the two
    cores as intake does.
    """
    producer = AIOKafkaProducer(**options, enable_idempotence=True, acks="all", max_batch_size=_BATCH_BYTES)
    await producer.start()
    start = time.perf_counter() + 0.2
    sent: list[asyncio.Future[Any]] = []
    done = 0
    try:
        while done < len(messages):
            await asyncio.sleep(TICK_SECONDS)
            due = min(len(messages), int((time.perf_counter() - start) * rate) + 1)
            if due <= done:
                continue
            for partition, part in _by_partition(messages[done:due]).items():
                sent.append(await producer.send_batch(_batch(producer, part), topic, partition=partition))
            done = due
        await asyncio.gather(*sent)
    finally:
        await producer.stop()
    return [(message.event_id, start + number / rate) for number, message in enumerate(messages)]


def _by_partition(messages: Sequence[Message]) -> dict[int, list[Message]]:
    found: dict[int, list[Message]] = {}
    for message in messages:
        found.setdefault(message.partition, []).append(message)
    return found


def _batch(producer: AIOKafkaProducer, messages: Sequence[Message]) -> Any:
    batch = producer.create_batch()
    for message in messages:
        if batch.append(timestamp=None, key=message.key, value=message.value, headers=message.headers) is None:
            raise ValueError(f"{len(messages)} messages do not fit into one batch")
    return batch


async def _publish(producer: AIOKafkaProducer, topic: str, partition: int, messages: Sequence[Message]) -> None:
    for start in range(0, len(messages), 500):
        batch = _batch(producer, messages[start : start + 500])
        await (await producer.send_batch(batch, topic, partition=partition))
