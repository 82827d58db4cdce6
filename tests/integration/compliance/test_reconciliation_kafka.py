"""Reconciliation over a real broker: one event is lost on the way from its publisher's outbox, and is named."""

import asyncio
from typing import Any

from pydantic import SecretStr

from services.compliance.consumers import cases
from shared.database import Database
from shared.messaging.liveness import Pulse
from shared.messaging.relay import Relay
from shared.messaging.runtime import consumer_loops
from shared.security.key_management import LocalKeyManagement
from shared.security.sealing import RecordSealer

from .test_reconciliation import Bank, bank, id_of, later

__all__ = ["bank"]


async def on_the_broker(database: Database, kafka: Any, service: str) -> Database:
    """The same database, by a process that reaches the broker."""
    reaching = {
        "kafka_bootstrap": kafka.bootstrap, "kafka_username": service,
        "kafka_password": SecretStr(kafka.passwords[service]),
    }  # fmt: skip
    settings = database.settings.model_copy(update=reaching)
    return await Database.open(settings, database.clock, service=service)


async def test_an_event_lost_on_its_way_is_named(bank: Bank, kafka: Any, topics: Any) -> None:
    await topics("case")
    publisher = await on_the_broker(bank.intake, kafka, "intake")
    reader = await on_the_broker(bank.desk.database, kafka, "compliance")
    lost = (await bank.publish(4))[2]
    async with bank.intake.unit_of_work() as uow:
        await uow.sql.execute(
            "DELETE FROM outbox_pending p USING outbox o WHERE o.seq = p.seq AND o.event_id = $1::uuid", id_of(lost)
        )
    relay = Relay(publisher, topics=["case"], owner="a")
    keys = LocalKeyManagement.open(reader.settings.key_folder, "compliance")
    consumer = consumer_loops(
        reader, [cases.subscription(bank.desk.instruments)], sealer=RecordSealer(keys, service="compliance"),
        instance=None, pulse=Pulse("test"),
    )[0]  # fmt: skip
    running = [asyncio.create_task(loop.run()) for loop in (relay, consumer)]
    try:
        async with asyncio.timeout(30):
            while await taken_over(bank) < 3:  # noqa: ASYNC110 - what is awaited happens in a database
                await asyncio.sleep(0.1)
    finally:
        relay.stop()
        consumer.stop()
        await asyncio.gather(*running)
        await publisher.close()
        await reader.close()
    later(bank)
    await bank.look()
    assert await bank.hours(differing=True) == [(4, 3, [id_of(lost)], [])]
    (finding,) = await bank.findings()
    assert f"4 published, 3 taken over; missing {id_of(lost)}; extra none" in finding["detail"]


async def taken_over(bank: Bank) -> int:
    async with bank.desk.database.read_only() as uow:
        return int(await uow.sql.fetchval("SELECT count(*) FROM inbox WHERE outcome = 'applied'"))
