"""One guard taken away from a running service at a time: the checks of the other chaos tests find what it cost."""

from __future__ import annotations

from typing import Any

import pytest

from simulation.oracle import judge

PARTIES = 60
# Intake alone would know a payment again; a wide window makes the race of two transactions certain.
CIRCUMSTANCES = ["forgetful", "slow_folds"]


async def exactly_once(it: Any, until: Any, alterations: list[str]) -> None:
    """Payments meet their loans in flight, and then the core says everything once more, byte for byte."""
    await it.start_altered("intake", alterations, name="intake", roles=["consumer", "relay"])
    people = [message for message in it.opening.messages if dict(message.headers)["ce_type"] == b"party.updated"]
    debts = [message for message in it.opening.messages if message not in people]
    await it.feed(people)
    await until(it.at_rest)
    await it.feed(debts)
    payments = await it.pay(PARTIES)
    await until(it.at_rest)
    await it.feed([*debts, *payments])
    await until(it.at_rest)


async def test_all_guards_on(run: Any, until: Any) -> None:
    """The same scenario under the same circumstances breaks nothing: what the mutants break is their guard's."""
    async with run(PARTIES) as it:
        await exactly_once(it, until, CIRCUMSTANCES)
        await it.judged()


@pytest.mark.parametrize(
    ("guard", "rule"),
    [("inbox_off", "money_posted_twice"), ("party_lock_off", "money_lost"), ("relay_backwards", "sequence")],
)
async def test_mutant_is_found(run: Any, until: Any, guard: str, rule: str) -> None:
    async with run(PARTIES) as it:
        await exactly_once(it, until, [*CIRCUMSTANCES, guard])
        verdict = judge(await it.history())
        assert rule in {breach.rule for breach in verdict.breaches}, str(verdict)
        with pytest.raises(AssertionError):
            await it.judged()
