"""No gap may keep a party parked for ever: each is asked for, whatever else is wrong with the party."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

from shared.messaging.dead_letters import Replayer
from shared.messaging.gaps import GapKeeper


def keeper_of(service: Any, pulse: Any) -> GapKeeper:
    replayer = Replayer(service.database, [service.subscription()], sealer=service.sealer)
    return GapKeeper(service.database, replayer, pulse=pulse, limit_seconds=0)


async def test_each_gap_of_a_party_is_asked_for(bench: Any, record: Any, party: UUID, pulse: Any) -> None:
    plans = await bench()
    other = uuid4()
    await plans.feed([record(party, 3, offset=0).record, record(party, 2, offset=1, aggregate_id=other).record])
    await keeper_of(plans, pulse).look()
    asked = await plans.rows("SELECT split_part(key, '|', 4) FROM intent WHERE kind = 'snapshot.fetch'")
    assert {row[0] for row in asked} == {str(party), str(other)}
    assert await plans.emitted() == ["party.parked"]


async def test_a_gap_that_opens_while_the_party_is_parked_is_asked_for(
    bench: Any, record: Any, party: UUID, pulse: Any
) -> None:
    plans = await bench()
    keeper = keeper_of(plans, pulse)
    await plans.feed([record(party, 3, offset=0).record])
    await keeper.look()
    await plans.feed([record(party, 2, offset=1, aggregate_id=uuid4()).record])
    await keeper.look()
    assert await plans.rows("SELECT count(*) FROM intent WHERE kind = 'snapshot.fetch'") == [(2,)]


async def test_an_open_gap_is_asked_for_once(bench: Any, record: Any, party: UUID, pulse: Any) -> None:
    plans = await bench()
    keeper = keeper_of(plans, pulse)
    await plans.feed([record(party, 3, offset=0).record])
    await keeper.look()
    await keeper.look()
    assert await plans.rows("SELECT count(*) FROM intent") == [(1,)]
    assert await plans.emitted() == ["party.parked"]


async def test_a_party_replayed_while_a_gap_is_open_is_released_when_it_closes(
    bench: Any, record: Any, party: UUID, pulse: Any
) -> None:
    """It was parked for a dead letter; from the replay on, it is parked for the gap alone."""
    plans = await bench()
    keeper = keeper_of(plans, pulse)
    poison, second, first = (
        record(party, 1, offset=0, aggregate_id=uuid4(), value=b"{}"),
        record(party, 2, offset=1),
        record(party, 1, offset=2),
    )
    await plans.feed([poison.record, second.record])
    [(letter,)] = await plans.rows("SELECT id FROM dead_letter")
    replayer = Replayer(plans.database, [plans.subscription()], sealer=plans.sealer)
    assert await replayer.discard(letter) == 0
    assert await plans.rows("SELECT count(*) FROM parked_party") == [(1,)]
    await plans.feed([first.record])
    await keeper.look()
    assert await plans.rows("SELECT count(*) FROM parked_party") == [(0,)]
    assert await plans.handled() == [first.id, second.id]
