"""A lasting gap over a real broker: consumer, gaps' keeper and worker run; the owner answers over its API."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from shared.messaging.batch import BatchProcessor
from shared.messaging.dead_letters import Replayer
from shared.messaging.gaps import GapKeeper
from shared.messaging.liveness import Pulse
from shared.messaging.runtime import consumer_loops
from shared.messaging.worker import Worker
from shared.snapshots import StreamFetch
from tests.integration.messaging.conftest import Made
from tests.integration.messaging.test_snapshots import ISSUER, Pair, api_client, identities


async def test_what_kafka_lost_is_fetched_and_what_it_finds_again_is_ignored(
    bench: Any, topics: Any, publish: Any, running: Any, eventually: Any, pulse: Pulse, party: UUID
) -> None:
    await topics("case", "stop")
    owner, reader = await bench("intake", oidc_issuer=ISSUER), await bench("plans", kafka=True)
    subscription = reader.subscription()
    processor = BatchProcessor(subscription, sealer=reader.sealer, dead_letter_limit=100)
    replayer = Replayer(reader.database, [subscription], sealer=reader.sealer)
    keeper = GapKeeper(reader.database, replayer, pulse=pulse, limit_seconds=0)
    async with api_client(owner.database) as client:
        fetch = StreamFetch(reader.database, {"case": processor}, {"intake": client})
        worker = Worker(reader.database, [fetch], pulse=pulse)
        records = await Pair(owner, reader, client, fetch, keeper, worker).publish(party, 6)
        made = [Made(identity, record) for identity, record in zip(identities(records), records, strict=True)]
        consumer, *_ = consumer_loops(reader.database, [subscription], sealer=reader.sealer, instance=None, pulse=pulse)

        async def released() -> bool:
            parked = await reader.rows("SELECT count(*) FROM parked_party")
            handled: list[str] = await reader.handled()
            return bool(parked == [(0,)]) and len(handled) == 6

        async def read_again() -> bool:
            moved = await reader.rows("SELECT sum(next_offset) FROM consumer_position")
            return bool(moved == [(6,)])

        await publish([made[0], made[3], made[5]])
        async with running(consumer, keeper, worker):
            await eventually(released)
            await publish([made[1], made[2], made[4]])
            await eventually(read_again)
    assert await reader.handled() == identities(records)
    assert await reader.emitted() == ["party.parked", "party.unparked"]
    assert set((await reader.outcomes()).values()) == {"applied"}
