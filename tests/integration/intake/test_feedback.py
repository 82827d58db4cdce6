"""Field feedback on the real broker: from the word of another service on its topic to the next choice on ours."""

import asyncio
import json
import time
from datetime import UTC, datetime
from uuid import UUID, uuid4

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from services.intake.app import define
from shared.embedded.kafka import ADMIN
from shared.events.catalogue import CATALOGUE
from shared.events.codec import encode_headers
from shared.events.examples import EXAMPLES
from tests.integration.assignment.test_process import running
from tests.integration.intake.conftest import record_of
from tests.unit.intake.facts import due, overdue, person

_SECONDS = 30
"""On a machine that does much else; a quiet one takes a tenth (see the ADR on choices)."""


def told_by_others(party_id: UUID, name: str, **changes) -> tuple[bytes, bytes, list[tuple[str, bytes]]]:
    """An event of another service about the party, that happened now."""
    event_type, now = CATALOGUE[name], datetime.now(UTC)
    example = EXAMPLES[name] | {"party_id": str(party_id)} | changes
    event_id, aggregate = str(uuid4()), str(uuid4())
    headers = encode_headers(
        event_type=event_type, event_id=event_id, source=f"/services/{event_type.topics[0]}s", tenant="bank",
        aggregate_id=aggregate, sequence=1, time=now, recorded_time=now, correlation_id=event_id, causation_id="",
        traceparent="",
    )  # fmt: skip
    return str(party_id).encode(), event_type.model.model_validate(example).model_dump_json().encode(), headers


async def test_what_the_field_says_is_in_the_next_choice_within_seconds(service_settings, topics, kafka, prefix):
    await topics()
    settings = await service_settings("intake", http_port=0)
    options = kafka.client_options(ADMIN)
    chosen = AIOKafkaConsumer(f"{prefix}case", **options, auto_offset_reset="earliest")
    producer = AIOKafkaProducer(**options)
    await asyncio.gather(chosen.start(), producer.start())

    async def next_choice() -> dict:
        async with asyncio.timeout(60):
            while True:
                record = await chosen.getone()
                if dict(record.headers)["ce_type"] == b"case.action_chosen":
                    return json.loads(record.value)

    async def after(topic: str, name: str, **changes) -> tuple[str, list[str]]:
        key, value, headers = told_by_others(party_id, name, **changes)
        started = time.monotonic()
        await producer.send_and_wait(f"{prefix}{topic}", value=value, key=key, headers=headers)
        choice = await next_choice()
        taken[name] = time.monotonic() - started
        return choice["action"], choice["reasons"]

    taken: dict[str, float] = {}
    try:
        async with running(define(settings)):
            for fact in (person(1), overdue(2, due(45, 500_000))):
                record = record_of(fact)
                await producer.send_and_wait(
                    f"{prefix}loan", value=record.value, key=record.key, headers=list(record.headers)
                )
            first = await next_choice()
            party_id, plan_id = UUID(first["party_id"]), str(uuid4())

            told = [
                await after("visit", "visit.completed", outcome="met_customer", reason="income_lost", promise=None),
                await after("plan", "plan.signed", plan_id=plan_id),
                await after("plan", "plan.broken", plan_id=plan_id),
                await after("stop", "party.stopped", cause="complaint", scope="collection"),
            ]
    finally:
        await asyncio.gather(chosen.stop(), producer.stop())

    assert first["action"] == "remind"
    assert told == [
        ("offer_help", ["income_lost"]), ("wait", ["plan_under_way"]), ("offer_help", ["income_lost"]),
        ("wait", ["complaint"]),
    ]  # fmt: skip
    assert max(taken.values()) < _SECONDS, taken
