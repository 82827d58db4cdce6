"""A service process for the tests that kill it: records cases into `handled` and emits one event for each.

`python recorder.py SERVICE ROLES` with the settings in the environment.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Mapping, Sequence

from shared.clock import SystemClock
from shared.database import Database, UnitOfWork
from shared.events import NewEvent, Received
from shared.events.base import EventData
from shared.events.stop import PartyStopped
from shared.messaging import InboxKey, Outcome, Subscription
from shared.messaging.liveness import Pulse
from shared.messaging.relay import Relay
from shared.messaging.runtime import Loop, consumer_loops
from shared.security.key_management import LocalKeyManagement
from shared.security.sealing import RecordSealer
from shared.settings import ServiceSettings


async def handle(uow: UnitOfWork, events: Sequence[Received[EventData]]) -> Mapping[InboxKey, Outcome]:
    """Records and emits."""
    for received in events:
        event = received.event
        if event.party_id is None:
            continue
        await uow.sql.execute(
            'INSERT INTO handled (source, event_id, party_id, aggregate_id, sequence, type, partition, "offset") '
            "VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            event.source, event.id, event.party_id, event.aggregate_id, event.sequence, event.type,
            received.partition, received.offset,
        )  # fmt: skip
        uow.emit(
            NewEvent(
                type="party.stopped",
                party_id=event.party_id,
                aggregate_id=event.party_id,
                data=PartyStopped(
                    party_id=event.party_id,
                    cause="dispute",
                    scope="party",
                    since=event.time,
                    arrived_at=event.time,
                    reference="r",
                ),
                time=event.time,
                causation_id=event.id,
            )
        )
    return {}


async def main() -> None:
    """Run until killed."""
    service, roles = sys.argv[1], sys.argv[2].split(",")
    settings = ServiceSettings()
    database = await Database.open(settings, SystemClock(), service=service)
    sealer = RecordSealer(LocalKeyManagement.open(settings.key_folder, service), service=service)
    subscription = Subscription(topic="case", types=frozenset({"case.suspended"}), handle=handle)
    loops: list[Loop] = []
    if "consumer" in roles:
        loops += consumer_loops(
            database, [subscription], sealer=sealer, instance=None, pulse=Pulse("consumer"), batch_records=50
        )
    if "relay" in roles:
        loops.append(Relay(database, topics=["stop"], owner=sys.argv[3], batch_rows=50))
    print("ready", flush=True)  # noqa: T201 - the test waits for it
    await asyncio.gather(*(loop.run() for loop in loops))


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    asyncio.run(main())
