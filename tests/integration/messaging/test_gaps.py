"""Gaps in sequences: held back, filled, or parked."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from shared.messaging.dead_letters import Replayer
from shared.messaging.gaps import GapKeeper
from shared.messaging.records import Stream
from shared.messaging.sequences import accept_snapshot


async def test_a_gap_is_held_and_then_filled_in_order(bench: Any, record: Any, party: UUID) -> None:
    plans = await bench()
    made = {number: record(party, number, offset=offset) for offset, number in enumerate((1, 3, 4, 2))}
    await plans.feed([made[1].record, made[3].record])
    await plans.feed([made[4].record])
    assert await plans.handled() == [made[1].id]
    await plans.feed([made[2].record])
    assert await plans.handled() == [made[number].id for number in (1, 2, 3, 4)]
    assert set((await plans.outcomes()).values()) == {"applied"}
    assert await plans.rows("SELECT count(*) FROM waiting_record") == [(0,)]


async def test_a_gap_filled_within_one_batch_is_no_gap(bench: Any, record: Any, party: UUID) -> None:
    plans = await bench()
    made = {number: record(party, number, offset=offset) for offset, number in enumerate((2, 1))}
    await plans.feed([made[2].record, made[1].record])
    assert await plans.handled() == [made[1].id, made[2].id]


async def test_a_monotone_event_passes_a_gap_and_fills_its_place(bench: Any, record: Any, party: UUID) -> None:
    plans = await bench()
    cured, first, third = (
        record(party, 2, offset=0, kind="case.cured"),
        record(party, 1, offset=1),
        record(party, 3, offset=2),
    )
    await plans.feed([cured.record])
    assert await plans.handled() == [cured.id]
    await plans.feed([first.record, third.record])
    assert await plans.handled() == [cured.id, first.id, third.id]


async def test_a_gap_that_stays_open_parks_the_party_and_asks_for_a_snapshot(
    bench: Any, record: Any, party: UUID, pulse: Any
) -> None:
    plans = await bench()
    await plans.feed([record(party, 3, offset=0).record])
    replayer = Replayer(plans.database, [plans.subscription()], sealer=plans.sealer)
    await GapKeeper(plans.database, replayer, pulse=pulse, limit_seconds=0).look()
    assert await plans.rows("SELECT party_id, cause FROM parked_party") == [(party, "sequence_gap")]
    assert [row[0] for row in await plans.rows("SELECT kind FROM intent")] == ["snapshot.fetch"]
    assert await plans.emitted() == ["party.parked"]


async def test_a_late_filler_releases_the_parked_party(bench: Any, record: Any, party: UUID, pulse: Any) -> None:
    plans = await bench()
    second, first = record(party, 2, offset=0), record(party, 1, offset=1)
    await plans.feed([second.record])
    keeper = GapKeeper(
        plans.database,
        Replayer(plans.database, [plans.subscription()], sealer=plans.sealer),
        pulse=pulse,
        limit_seconds=0,
    )
    await keeper.look()
    await plans.feed([first.record])
    await keeper.look()
    assert await plans.handled() == [first.id, second.id]
    assert await plans.rows("SELECT count(*) FROM parked_party") == [(0,)]


async def test_a_snapshot_settles_the_gap(bench: Any, record: Any, party: UUID, pulse: Any) -> None:
    plans = await bench()
    covered, following = record(party, 3, offset=0), record(party, 5, offset=1)
    await plans.feed([covered.record, following.record])
    keeper = GapKeeper(
        plans.database,
        Replayer(plans.database, [plans.subscription()], sealer=plans.sealer),
        pulse=pulse,
        limit_seconds=0,
    )
    await keeper.look()
    async with plans.database.unit_of_work() as uow:
        await uow.lock_parties([party])
        await accept_snapshot(uow, "case", Stream(("/services/intake", "case", str(party))), sequence=4)
    await keeper.look()
    assert await plans.handled() == [following.id]
    assert (await plans.outcomes())[covered.id] == "ignored"
