"""Two hundred callers at once, asking for people who share debts, numbers and homes: no limit is passed on any key.

What was granted is counted from the table by code of this file's own, by who it is known here to share what.
"""

import asyncio
import random
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from services.compliance.store import facts as fact_store
from shared.database import UnitOfWork
from shared.events.case import CaseOpened

from .conftest import Desk
from .test_budget_concurrency import CALLERS, DEADLOCKS, ask_and_act
from .test_shared_budget import call, co_borrowers, housemates
from .test_sharing import carry, tell

# Outstanding permits that were not taken back, and every contact that was told.
STANDING = """
SELECT party_id, window_start FROM permit WHERE state IN ('granted', 'used') AND revoked_real IS NULL
UNION ALL SELECT party_id, started_at FROM contact_audit
"""
TAKEN = "SELECT party_id, window_start FROM permit WHERE state <> 'released'"
NUMBER = "+8613800000000"


@dataclass(frozen=True)
class Circle:
    """People who share something, its limit of calls in so many local dates, and lawful hours (UTC).

    AU-RG96-3W10M on the debt, US-MA-HOUSEHOLD on the home, CN-CBA2026-UNANS6 on the number.
    """

    name: str
    people: tuple[CaseOpened, ...]
    limit: int
    dates: int
    hours: tuple[int, ...]
    zone: ZoneInfo
    number: str | None = None

    def wanted(self, case: CaseOpened, dice: random.Random, **changes: Any) -> dict[str, Any]:
        point = {} if self.number is None else {"contact_point": self.number}
        day = 3 + dice.randrange(min(3, self.dates))
        return call(case, day=day, hour=dice.choice(self.hours), **point, **changes)


async def circles(desk: Desk) -> list[Circle]:
    """Six circles of three people."""
    found = []
    for number in range(2):
        sydney = tuple(await co_borrowers(desk, 3))
        boston = tuple(await housemates(desk, 3, household=f"{number}" * 32))
        shanghai = tuple([await desk.open_case() for _ in range(3)])
        found += [
            Circle(f"debt {number}", sydney, 3, 7, (0, 1, 2, 3, 4), ZoneInfo("Australia/Sydney")),
            Circle(f"home {number}", boston, 2, 7, (15, 16, 17, 18, 19), ZoneInfo("America/New_York")),
            Circle(f"number {number}", shanghai, 6, 1, (3, 4, 5, 6, 7), ZoneInfo("Asia/Shanghai"), f"{NUMBER}{number}"),
        ]
    return found


async def caller(desk: Desk, everybody: list[Circle], number: int) -> list[str]:
    """Asks for two calls in its own order."""
    dice = random.Random(number)
    asked = [(circle, dice.choice(circle.people)) for circle in dice.sample(everybody, 2)]
    return await ask_and_act(desk, [partial(circle.wanted, case, dice) for circle, case in asked], dice)


def passed(everybody: Iterable[Circle], taken: Iterable[tuple[UUID, datetime]]) -> list[str]:
    """Every limit that what was taken passes, for any run of local dates."""
    circle_of = {case.party_id: circle for circle in everybody for case in circle.people}
    dates: dict[str, Counter[date]] = defaultdict(Counter)
    for party_id, start in taken:
        circle = circle_of[party_id]
        dates[circle.name][start.astimezone(circle.zone).date()] += 1
    found = []
    for circle in everybody:
        per_day = dates[circle.name]
        for first in per_day:
            count = sum(per_day[first + timedelta(days=n)] for n in range(circle.dates))
            if count > circle.limit:
                found.append(f"{circle.name}: {count} in {circle.dates} dates from {first}, {circle.limit} allowed")
    return found


async def storm(desk: Desk) -> tuple[list[list[str] | BaseException], list[str], int, int]:
    """What each caller was answered or failed with, the limits that were passed, what was taken, the deadlocks."""
    everybody = await circles(desk)
    async with desk.database.read_only() as uow:
        before = await uow.sql.fetchval(DEADLOCKS)
    told = await asyncio.gather(*(caller(desk, everybody, number) for number in range(CALLERS)), return_exceptions=True)
    async with desk.database.read_only() as uow:
        taken = [tuple(row) for row in await uow.sql.fetch(TAKEN)]
        deadlocks = await uow.sql.fetchval(DEADLOCKS) - before
    return told, passed(everybody, taken), len(taken), deadlocks


async def test_no_shared_limit_is_passed_by_two_hundred_callers(desk: Desk) -> None:
    told, broken, taken, deadlocks = await storm(desk)
    assert [one for one in told if isinstance(one, BaseException)] == []
    answers = [answer for one in told if not isinstance(one, BaseException) for answer in one]
    assert broken == []
    assert deadlocks == 0
    assert len(answers) >= 2 * CALLERS
    assert taken >= 2 * (3 + 2 + 6) - 6, "almost nothing was taken: this proves nothing"
    assert answers.count("deny") >= CALLERS // 2


async def test_without_the_locks_of_the_keys_limits_are_passed(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The mutant: the parties' own locks stay, and the check above finds what the others prevent.

    Two of one debt, which allows three calls, ask for two each; both transactions begin before either looks.
    """
    first, second, _ = people = tuple(await co_borrowers(desk, 3))
    circle = Circle("debt", people, 3, 7, (0, 1, 2, 3, 4), ZoneInfo("Australia/Sydney"))
    both = asyncio.Barrier(2)

    async def no_lock(uow: UnitOfWork, names: Iterable[str]) -> None:
        async with asyncio.timeout(60):
            await both.wait()

    monkeypatch.setattr(fact_store, "lock_keys", no_lock)
    await asyncio.gather(*(desk.ask(call(one), call(one, day=4)) for one in (first, second)))
    async with desk.database.read_only() as uow:
        taken = [tuple(row) for row in await uow.sql.fetch(TAKEN)]
    assert len(passed([circle], taken)) == 1


async def test_late_contacts_are_carried_to_all_sharers_while_others_ask_and_nobody_deadlocks(desk: Desk) -> None:
    """Every budget is taken; then late records, two workers and callers at once. What stands keeps every limit."""
    everybody = [circle for circle in await circles(desk) if circle.number is None]
    dice = random.Random(1)
    for circle in everybody:
        await desk.ask(*(circle.wanted(dice.choice(circle.people), dice) for _ in range(circle.limit + 2)))

    async def ask(number: int) -> None:
        own = random.Random(number)
        await desk.ask(*(one.wanted(own.choice(one.people), own) for one in own.sample(everybody, 2)))

    async def work() -> None:
        for _ in range(10):
            await carry(desk)
            await asyncio.sleep(0.05)

    async with desk.database.read_only() as uow:
        before = await uow.sql.fetchval(DEADLOCKS)
    late = [tell(desk, circle.people[0]) for circle in everybody]
    asking = [ask(number) for number in range(CALLERS // 4)]
    told = await asyncio.gather(*asking, *late, work(), work(), return_exceptions=True)
    assert [one for one in told if isinstance(one, BaseException)] == []
    while await carry(desk):
        pass
    async with desk.database.read_only() as uow:
        standing = [tuple(row) for row in await uow.sql.fetch(STANDING)]
        revoked = await uow.sql.fetchval("SELECT count(*) FROM permit WHERE revoked_real IS NOT NULL")
        deadlocks = await uow.sql.fetchval(DEADLOCKS) - before
    assert (passed(everybody, standing), revoked, deadlocks) == ([], len(everybody), 0)
