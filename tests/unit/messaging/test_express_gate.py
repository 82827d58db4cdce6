"""Bulk topics wait for the express ones: at the start until those have caught up, later only briefly."""

import asyncio
import time

import pytest

from shared.messaging import express
from shared.messaging.express import ExpressGate


async def test_at_the_start_bulk_waits_until_express_has_caught_up() -> None:
    gate = ExpressGate(has_express=True)
    turn = asyncio.create_task(gate.wait_turn())
    await asyncio.sleep(0.4)  # longer than it waits later
    assert not turn.done()
    gate.caught_up(True)
    async with asyncio.timeout(30):
        await turn


async def test_a_later_backlog_holds_bulk_up_only_briefly() -> None:
    gate = ExpressGate(has_express=True)
    gate.caught_up(True)
    await gate.wait_turn()
    gate.caught_up(False)
    began = time.monotonic()
    async with asyncio.timeout(30):
        await gate.wait_turn()
    assert time.monotonic() - began > 0.2


async def test_the_wait_at_the_start_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(express, "_AT_START_SECONDS", 0.1)
    gate = ExpressGate(has_express=True)
    began = time.monotonic()
    async with asyncio.timeout(30):
        await gate.wait_turn()
    assert time.monotonic() - began >= 0.1


async def test_without_express_topics_nobody_waits() -> None:
    gate = ExpressGate(has_express=False)
    with pytest.raises(StopIteration):
        gate.wait_turn().send(None)  # it never gave the loop away
