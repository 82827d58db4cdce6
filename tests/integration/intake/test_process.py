"""The whole process on the real broker: from `loan.overdue` on its topic to `case.opened` on its own."""

import asyncio
import random
from datetime import UTC, datetime

from aiokafka import AIOKafkaConsumer

from benchmarks.loan_events import overdue_message, publish
from services.intake.app import define
from shared.embedded.kafka import ADMIN
from tests.integration.assignment.test_process import ready, running


async def test_overdue_on_its_topic_becomes_a_case_on_its_own(service_settings, topics, kafka, prefix):
    await topics()
    settings = await service_settings("intake", http_port=0)
    today, draw = datetime.now(UTC).date(), random.Random(1)
    message = overdue_message(1, 1, day=today, draw=draw)
    options = kafka.client_options(ADMIN)
    await publish(options, f"{prefix}loan", [message, message])
    async with running(define(settings)) as (_, http):
        await ready(http)
        paths = (await http.get("/openapi.json")).json()["paths"]
        assert {"/v1/loan-events", "/v1/balance-checks", "/v1/cases", "/v1/reconciliation"} <= paths.keys()
        assert (await http.get("/v1/summary")).status_code == 401
        consumer = AIOKafkaConsumer(f"{prefix}case", **options, auto_offset_reset="earliest")
        await consumer.start()
        try:
            async with asyncio.timeout(60):
                headers = {}
                while headers.get("ce_type") != b"case.opened":
                    headers = dict((await consumer.getone()).headers)
        finally:
            await consumer.stop()
    assert headers["ce_causationid"].decode() == message.event_id
    assert headers["ce_sequence"] == b"1"
    assert headers["traceparent"].split(b"-")[1] == dict(message.headers)["traceparent"].split(b"-")[1]
