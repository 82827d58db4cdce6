"""One batch inside one transaction, on a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID, uuid4

import pytest

from shared.database import UnitOfWork
from shared.messaging.dead_letters import Replayer, list_dead_letters, show
from shared.messaging.failures import ConsumerHaltedError, PositionLostError


async def test_a_repeated_event_is_handled_once(bench: Any, record: Any, party: UUID) -> None:
    plans = await bench()
    first = record(party, 1, offset=0)
    await plans.feed([first.record])
    await plans.feed([record(party, 1, offset=1, identity=first.id).record, record(party, 2, offset=2).record])
    assert len(await plans.handled()) == 2


async def test_equal_ids_in_one_batch_are_handled_once(bench: Any, record: Any, party: UUID) -> None:
    plans = await bench()
    made = record(party, 1)
    await plans.feed([made.record, record(party, 1, offset=1, identity=made.id).record])
    assert await plans.handled() == [made.id]


async def test_a_zombie_cannot_move_the_position(bench: Any, record: Any, party: UUID) -> None:
    plans = await bench()
    await plans.feed([record(party, 1, offset=0).record])
    with pytest.raises(PositionLostError):
        await plans.feed([record(party, 2, offset=0).record], position=0)
    assert len(await plans.handled()) == 1


async def test_a_lower_sequence_is_ignored(bench: Any, record: Any, party: UUID) -> None:
    plans = await bench()
    await plans.feed([record(party, 1, offset=0).record, record(party, 2, offset=1).record])
    late = record(party, 1, offset=2)
    await plans.feed([late.record])
    assert (await plans.outcomes())[late.id] == "ignored"


async def test_poison_is_set_aside_and_its_neighbours_are_handled(bench: Any, record: Any) -> None:
    plans = await bench()
    made = [record(uuid4(), 1, offset=offset) for offset in range(7)]
    plans.poison.add(made[3].id)
    partition = await plans.feed([item.record for item in made])
    assert set(await plans.handled()) == {item.id for item in made} - {made[3].id}
    assert (await plans.outcomes())[made[3].id] == "dead"
    assert partition.position == 7


async def test_a_dead_letter_parks_its_party_and_says_so(bench: Any, record: Any, party: UUID) -> None:
    plans = await bench()
    bad = record(party, 1, value=b"{broken")
    await plans.feed([bad.record])
    assert sorted(await plans.emitted()) == ["dead_letter.recorded", "party.parked"]
    assert await plans.rows("SELECT party_id, cause, known FROM parked_party") == [(party, "schema_violation", True)]


async def test_the_raw_record_is_kept_sealed_and_shown_whole(bench: Any, record: Any, party: UUID) -> None:
    plans = await bench()
    bad = record(party, 1, value=b'{"cause": "\\u0000 secret"')
    await plans.feed([bad.record])
    [(sealed,)] = await plans.rows("SELECT sealed FROM dead_letter")
    assert b"secret" not in sealed
    async with plans.database.read_only() as uow:
        [letter] = await list_dead_letters(uow)
        _, raw = await show(uow, plans.sealer, letter.id)
    assert (raw.key, raw.value, list(raw.headers)) == (bad.record.key, bad.record.value, list(bad.record.headers))


async def test_the_dlq_topic_carries_coordinates_and_digest_only(bench: Any, record: Any, party: UUID) -> None:
    plans = await bench()
    await plans.feed([record(party, 1, value=b'{"name": "Wang"}').record])
    [(value,)] = await plans.rows("SELECT value FROM outbox WHERE topic = 'plans.dlq'")
    assert b"Wang" not in value
    assert str(party).encode() not in value
    assert b'"offset":0' in value


async def test_events_of_a_parked_party_wait_and_replay_in_order(bench: Any, record: Any, party: UUID) -> None:
    plans = await bench()
    poison = record(party, 1, offset=0)
    plans.poison.add(poison.id)
    await plans.feed([poison.record])
    later = [record(party, number, offset=number - 1) for number in (2, 3, 4)]
    await plans.feed([later[0].record])
    await plans.feed([later[1].record, later[2].record])
    assert await plans.handled() == []
    plans.poison.clear()
    replayer = Replayer(plans.database, [plans.subscription()], sealer=plans.sealer)
    assert await replayer.replay_party(party) == 4
    assert await plans.handled() == [poison.id, *(item.id for item in later)]
    assert set((await plans.outcomes()).values()) == {"applied"}
    assert (await plans.emitted())[-1] == "party.unparked"


async def test_later_events_in_the_same_batch_wait_too(bench: Any, record: Any, party: UUID) -> None:
    plans = await bench()
    bad, later = record(party, 1, offset=0, value=b"{}"), record(party, 2, offset=1)
    await plans.feed([bad.record, later.record])
    assert (await plans.outcomes())[later.id] == "waiting"


async def test_monotone_events_pass_a_parked_party(bench: Any, record: Any, party: UUID) -> None:
    plans = await bench()
    cured = record(party, 2, offset=1, kind="case.cured")
    await plans.feed([record(party, 1, value=b"{}").record, cured.record])
    assert await plans.handled() == [cured.id]


async def test_other_parties_do_not_wait(bench: Any, record: Any, party: UUID) -> None:
    plans = await bench()
    other = record(uuid4(), 1, offset=1)
    await plans.feed([record(party, 1, value=b"{}").record, other.record])
    assert await plans.handled() == [other.id]


async def test_a_failed_replay_changes_nothing(bench: Any, record: Any, party: UUID) -> None:
    plans = await bench()
    poison = record(party, 1)
    plans.poison.add(poison.id)
    await plans.feed([poison.record])
    replayer = Replayer(plans.database, [plans.subscription()], sealer=plans.sealer)
    with pytest.raises(Exception, match="Poison"):
        await replayer.replay_party(party)
    assert await plans.rows("SELECT state, attempts FROM dead_letter") == [("open", 1)]
    assert await plans.rows("SELECT count(*) FROM parked_party") == [(1,)]


async def test_discarding_the_poison_releases_what_waits(bench: Any, record: Any, party: UUID) -> None:
    plans = await bench()
    later = record(party, 2, offset=1)
    await plans.feed([record(party, 1, value=b"{}").record, later.record])
    [(letter_id,)] = await plans.rows("SELECT id FROM dead_letter")
    replayer = Replayer(plans.database, [plans.subscription()], sealer=plans.sealer)
    assert await replayer.discard(letter_id) == 1
    assert await plans.handled() == [later.id]
    assert await plans.rows("SELECT count(*) FROM parked_party") == [(0,)]


async def test_a_transient_failure_is_repeated_whole(bench: Any, record: Any) -> None:
    plans = await bench()
    calls: list[int] = []

    async def count(uow: UnitOfWork, events: Sequence[Any]) -> Mapping[Any, Any]:
        calls.append(len(events))
        if len(calls) == 1:
            raise ConnectionResetError
        return await plans.handle(uow, events)  # type: ignore[no-any-return]

    await plans.feed([record(uuid4(), 1, offset=offset).record for offset in range(4)], handle=count)
    assert calls == [4, 4]
    assert len(await plans.handled()) == 4


async def test_too_many_dead_letters_halt_the_consumer(bench: Any, record: Any) -> None:
    plans = await bench()
    async with plans.database.unit_of_work() as uow:
        await uow.sql.execute(
            'INSERT INTO dead_letter (id, place, topic, partition, "offset", reason, detail, digest, sealed, '
            "recorded_at) SELECT gen_random_uuid(), n, 'case', 1, n, 'x', '', '', '', $1 FROM "
            "generate_series(1, 100) n",
            uow.real_now,
        )
    with pytest.raises(ConsumerHaltedError, match="dead_letter_limit"):
        await plans.feed([record(uuid4(), 1, value=b"{}").record])
    assert await plans.rows("SELECT next_offset FROM consumer_position") == [(0,)]


async def test_a_record_without_a_valid_key_is_dead_but_parks_nobody(bench: Any, record: Any, party: UUID) -> None:
    plans = await bench()
    await plans.feed([record(party, 1, key=b"not-a-party").record])
    assert await plans.rows("SELECT party_id, reason FROM dead_letter") == [(None, "bad_header")]
    assert await plans.rows("SELECT count(*) FROM parked_party") == [(0,)]


async def test_headers_that_postgres_cannot_store_are_dead_letters(bench: Any, record: Any, party: UUID) -> None:
    plans = await bench()
    await plans.feed(
        [record(party, 1, identity="nul\x00").record, record(party, 1, offset=1, identity="x" * 300).record]
    )
    assert [row[0] for row in await plans.rows("SELECT reason FROM dead_letter")] == ["bad_header", "bad_header"]


async def test_an_unhandled_type_moves_the_position_without_an_inbox_row(bench: Any, record: Any, party: UUID) -> None:
    plans = await bench()
    partition = await plans.feed([record(party, 1).record], types=frozenset({"case.released"}))
    assert (partition.position, await plans.outcomes()) == (1, {})


async def test_an_uncatalogued_type_of_a_known_source_is_skipped(bench: Any, record: Any, party: UUID) -> None:
    plans = await bench()
    made = record(party, 1)
    headers = [(name, b"case.reopened" if name == "ce_type" else value) for name, value in made.record.headers]
    strange = type(made.record)(0, 0, 1, made.record.key, made.record.value, headers)
    await plans.feed([strange])
    assert await plans.rows("SELECT count(*) FROM dead_letter") == [(0,)]
