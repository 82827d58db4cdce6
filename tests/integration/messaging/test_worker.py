"""Intents: called outside the transaction, committed once, retried until answered."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from shared.database import UnitOfWork
from shared.messaging import Answer, Intent, NewIntent, intent_store
from shared.messaging.backlog import GivesWay
from shared.messaging.quiet import QuietProbe
from shared.messaging.worker import Worker

Call = Callable[[Sequence[Intent]], Awaitable[Sequence[Answer | None]]]


class Recorder:
    """A handler whose call is given by the test."""

    kind = "ask"
    batch_size = 10

    def __init__(self, call: Call) -> None:
        self._call = call
        self.committed: list[UUID] = []
        self.poison: set[str] = set()

    async def call(self, intents: Sequence[Intent]) -> Sequence[Answer | None]:
        return await self._call(intents)

    async def commit(self, uow: UnitOfWork, answered: Sequence[tuple[Intent, Answer]]) -> None:
        if any(intent.key in self.poison for intent, _ in answered):
            raise ValueError
        self.committed += [intent.id for intent, _ in answered]


async def yes(intents: Sequence[Intent]) -> Sequence[Answer | None]:
    return [Answer() for _ in intents]


async def no(intents: Sequence[Intent]) -> Sequence[Answer | None]:
    return [None for _ in intents]


async def intend(plans: Any, *keys: str, clock: Any = "real", after: timedelta = timedelta()) -> None:
    async with plans.database.unit_of_work() as uow:
        for key in keys:
            uow.intend(NewIntent(kind="ask", key=key, due_at=uow.now + after, party_id=uuid4(), clock=clock))


async def test_an_intent_is_carried_out_once(bench: Any, pulse: Any) -> None:
    plans = await bench()
    await intend(plans, "a", "b")
    handler = Recorder(yes)
    worker = Worker(plans.database, [handler], pulse=pulse)
    assert await worker.work_once(handler)
    assert not await worker.work_once(handler)
    assert len(handler.committed) == 2


async def test_the_same_decision_twice_is_one_intent(bench: Any) -> None:
    plans = await bench()
    await intend(plans, "a")
    await intend(plans, "a")
    assert await plans.rows("SELECT count(*) FROM intent") == [(1,)]


@pytest.fixture
def far_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is postponed is not due again within a test, however long that takes."""
    monkeypatch.setattr("shared.messaging.worker.backoff_seconds", lambda *_, **__: 3600.0)


@pytest.mark.usefixtures("far_off")
async def test_no_answer_is_tried_again_with_the_same_id(bench: Any, pulse: Any) -> None:
    plans = await bench()
    await intend(plans, "a")
    silent, handler = Recorder(no), Recorder(yes)
    worker = Worker(plans.database, [handler], pulse=pulse)
    await worker.work_once(silent)
    assert await plans.rows("SELECT attempts, done_at IS NULL, lease IS NULL FROM intent") == [(1, True, True)]
    assert not await worker.work_once(handler)
    async with plans.database.unit_of_work() as uow:
        await uow.sql.execute("UPDATE intent SET retry_at = NULL")
    await worker.work_once(handler)
    assert handler.committed == [row[0] for row in await plans.rows("SELECT id FROM intent")]


async def test_a_raised_call_is_no_answer(bench: Any, pulse: Any) -> None:
    plans = await bench()
    await intend(plans, "a")

    async def fail(intents: Sequence[Intent]) -> Sequence[Answer | None]:
        raise KeyError

    handler = Recorder(fail)
    await Worker(plans.database, [handler], pulse=pulse).work_once(handler)
    assert await plans.rows("SELECT attempts, done_at IS NULL FROM intent") == [(1, True)]


async def test_one_intent_whose_call_raises_spoils_no_other(bench: Any, pulse: Any) -> None:
    plans = await bench()
    await intend(plans, "a", "bad", "c")

    async def refuse_bad(intents: Sequence[Intent]) -> Sequence[Answer | None]:
        if any(intent.key == "bad" for intent in intents):
            raise ValueError("refused")
        return [Answer() for _ in intents]

    handler = Recorder(refuse_bad)
    await Worker(plans.database, [handler], pulse=pulse).work_once(handler)
    assert await plans.rows("SELECT key FROM intent WHERE done_at IS NULL") == [("bad",)]


async def test_one_bad_answer_spoils_no_other(bench: Any, pulse: Any) -> None:
    plans = await bench()
    await intend(plans, "a", "b", "c")
    handler = Recorder(yes)
    handler.poison.add("b")
    await Worker(plans.database, [handler], pulse=pulse).work_once(handler)
    assert await plans.rows("SELECT key FROM intent WHERE done_at IS NOT NULL ORDER BY key") == [("a",), ("c",)]


async def test_a_timer_waits_for_its_moment(bench: Any, pulse: Any) -> None:
    plans = await bench()
    await intend(plans, "a", clock="business", after=timedelta(hours=1))
    handler = Recorder(yes)
    assert not await Worker(plans.database, [handler], pulse=pulse).work_once(handler)


async def test_two_workers_do_not_share_an_intent(bench: Any, pulse: Any) -> None:
    plans = await bench()
    await intend(plans, "a")
    other = Recorder(yes)
    worker = Worker(plans.database, [other], pulse=pulse)

    async def meanwhile(intents: Sequence[Intent]) -> Sequence[Answer | None]:
        assert not await worker.work_once(other)
        return [Answer() for _ in intents]

    handler = Recorder(meanwhile)
    await Worker(plans.database, [handler], pulse=pulse).work_once(handler)
    assert (len(handler.committed), other.committed) == (1, [])


async def test_what_a_lost_database_left_leased_is_taken_again_at_once(
    bench: Any, pulse: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    plans = await bench()
    await intend(plans, "a")
    silent, handler = Recorder(no), Recorder(yes)
    worker = Worker(plans.database, [handler], pulse=pulse)

    async def lost(*_: object, **__: object) -> None:
        raise ConnectionResetError

    with monkeypatch.context() as patched:
        patched.setattr(intent_store, "postpone", lost)
        with pytest.raises(ConnectionResetError):
            await worker.work_once(silent)
    assert await worker.work_once(handler)
    assert len(handler.committed) == 1


async def test_a_late_answer_after_the_lease_ran_out_is_dropped(bench: Any, pulse: Any) -> None:
    plans = await bench()
    await intend(plans, "a")
    other = Recorder(yes)
    worker = Worker(plans.database, [other], pulse=pulse)

    async def overslept(intents: Sequence[Intent]) -> Sequence[Answer | None]:
        async with plans.database.unit_of_work() as uow:
            await uow.sql.execute("UPDATE intent SET leased_until = clock_timestamp() - interval '1 s'")
        await worker.work_once(other)
        return [Answer() for _ in intents]

    handler = Recorder(overslept)
    await Worker(plans.database, [handler], pulse=pulse).work_once(handler)
    assert (handler.committed, len(other.committed)) == ([], 1)


@pytest.mark.usefixtures("far_off")
async def test_only_kinds_with_something_to_lease_are_due(bench: Any, pulse: Any) -> None:
    plans = await bench()
    await intend(plans, "a")
    await intend(plans, "later", clock="business", after=timedelta(hours=1))
    kinds = ["other", "ask"]
    async with plans.database.read_only() as uow:
        assert await intent_store.due_kinds(uow, kinds) == ["ask"]
    handler = Recorder(no)
    await Worker(plans.database, [handler], pulse=pulse).work_once(handler)
    async with plans.database.read_only() as uow:
        assert await intent_store.due_kinds(uow, kinds) == []  # postponed


async def test_what_is_intended_while_the_worker_runs_is_carried_out_and_it_ends_when_asked(
    bench: Any, pulse: Any, eventually: Any
) -> None:
    plans = await bench()
    handler = Recorder(yes)
    worker = Worker(plans.database, [handler], pulse=pulse)
    running = asyncio.create_task(worker.run())

    async def carried_out() -> bool:
        return bool(handler.committed)

    await asyncio.sleep(0)
    await intend(plans, "a")
    await eventually(carried_out)
    worker.stop()
    async with asyncio.timeout(60):
        await running


async def test_asking_for_quiet_wakes_the_workers_of_due_intents(bench: Any) -> None:
    """A stepped clock makes intents due without a commit that would wake them."""
    plans = await bench()
    await intend(plans, "a", clock="business")
    woken = plans.database.intents_committed.listen()
    probe = QuietProbe(plans.database, reads=[])
    assert (await probe.ask()).intents == 1
    assert woken.is_set()


class Patient(Recorder, GivesWay):
    """A handler whose work follows from facts."""

    def __init__(self) -> None:
        super().__init__(yes)
        self.worked = asyncio.Event()

    async def commit(self, uow: UnitOfWork, answered: Sequence[tuple[Intent, Answer]]) -> None:
        self.worked.set()


async def test_what_follows_from_facts_waits_until_those_at_hand_are_read(bench: Any, pulse: Any) -> None:
    plans = await bench()
    await intend(plans, "a")
    handler = Patient()
    plans.database.backlog.note("loan/1", behind=True)
    worker = Worker(plans.database, [handler], pulse=pulse)
    running = asyncio.create_task(worker.run())
    await asyncio.sleep(0.3)
    waited = not handler.worked.is_set()
    plans.database.backlog.note("loan/1", behind=False)
    async with asyncio.timeout(60):
        await handler.worked.wait()
    worker.stop()
    await running
    assert waited
