"""Two hundred callers at once: no limit is ever passed, nobody waits for ever, everybody is answered.

What was granted is counted from the table by code of this file's own, not by the rules that granted it.
"""

import asyncio
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from shared.database import UnitOfWork
from shared.events.case import CaseOpened

from .conftest import Desk, visit_request

CALLERS = 200
SHANGHAI = ZoneInfo("Asia/Shanghai")
TAKEN = "SELECT party_id, channel, window_start FROM permit WHERE state <> 'released'"
DEADLOCKS = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
# (channel or any, local dates, limit): BANK-VISIT-30D, BANK-SMS-DAY and -WEEK, CN-GBT45251-CALLS3, CN-CBA2026-FREQ.
LIMITS = (("visit", 30, 1), ("sms", 1, 1), ("sms", 7, 3), ("call", 1, 3), (None, 7, 7))


def window(dice: random.Random) -> dict[str, str]:
    """Half an hour between ten and five in Shanghai, on one of the next five days."""
    start = datetime(2026, 3, 2 + dice.randrange(5), 2, 30, tzinfo=UTC) + timedelta(minutes=30 * dice.randrange(12))
    return {"start": start.isoformat(), "end": (start + timedelta(minutes=30)).isoformat()}


def wanted(case: CaseOpened, dice: random.Random, **changes: Any) -> dict[str, Any]:
    channel = dice.choice(("visit", "call", "call", "call", "sms"))
    return visit_request(case, channel=channel, window=window(dice), duration_minutes=5, **changes)


async def caller(desk: Desk, cases: list[CaseOpened], number: int) -> list[str]:
    """Asks for three contacts in its own order."""
    dice = random.Random(number)
    people = dice.sample(cases, 2)
    return await ask_and_act(desk, [partial(wanted, case, dice) for case in (*people, people[0])], dice)


async def ask_and_act(desk: Desk, asked: Sequence[Callable[..., dict[str, Any]]], dice: random.Random) -> list[str]:
    """Ask for the contacts; use, release or move what is granted. Returns the answers.

    Each of `asked` makes a request; with `replaces` it is to take that permit's place.
    """
    answers = await desk.ask(*(request() for request in asked))
    moved: list[dict[str, Any]] = []
    for request, answer in zip(asked, answers, strict=True):
        if answer["decision"] != "allow":
            continue
        permit = answer["permit_id"]
        match dice.choice(("keep", "use", "release", "move")):
            case "use":
                body = {"used_at": desk.clock.business.isoformat(), "contact_id": answer["request_id"]}
                assert (await desk.post(f"/v1/permits/{permit}/use", body)).status_code == 200
            case "release":
                response = await desk.post(f"/v1/permits/{permit}/release", {"cause": "customer_moved"})
                assert response.status_code == 200
            case "move":
                moved += await desk.ask(request(replaces=permit))
    return [str(answer["decision"]) for answer in (*answers, *moved)]


def passed(taken: Iterable[tuple[Any, str, datetime]]) -> list[str]:
    """Every limit that what was taken passes, for any run of local dates."""
    found = []
    dates: dict[tuple[Any, str | None], Counter[date]] = defaultdict(Counter)
    for party, channel, start in taken:
        day = start.astimezone(SHANGHAI).date()
        dates[party, channel][day] += 1
        dates[party, None][day] += 1
    for (party, counted), per_day in dates.items():
        for limited, length, limit in LIMITS:
            if limited != counted:
                continue
            for first in per_day:
                count = sum(per_day[first + timedelta(days=n)] for n in range(length))
                if count > limit:
                    found.append(
                        f"{party}: {count} of {counted or 'all'} in {length} dates from {first}, {limit} allowed"
                    )
    return found


async def storm(desk: Desk) -> tuple[list[list[str] | BaseException], list[str], int]:
    """What each caller was answered or failed with, the limits that were passed, and the deadlocks."""
    cases = [await desk.open_case() for _ in range(6)]
    async with desk.database.read_only() as uow:
        before = await uow.sql.fetchval(DEADLOCKS)
    told = await asyncio.gather(*(caller(desk, cases, number) for number in range(CALLERS)), return_exceptions=True)
    async with desk.database.read_only() as uow:
        taken = [tuple(row) for row in await uow.sql.fetch(TAKEN)]
        deadlocks = await uow.sql.fetchval(DEADLOCKS) - before
    return told, passed(taken), deadlocks


async def test_no_limit_is_passed_by_two_hundred_callers(desk: Desk) -> None:
    told, broken, deadlocks = await storm(desk)
    assert [one for one in told if isinstance(one, BaseException)] == []
    answers = [answer for one in told if not isinstance(one, BaseException) for answer in one]
    assert broken == []
    assert deadlocks == 0
    assert len(answers) >= 3 * CALLERS
    assert answers.count("allow") >= 6, "nobody was allowed anything: this proves nothing"
    assert answers.count("deny") >= CALLERS


async def test_without_the_party_locks_limits_are_passed(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The mutant: the check above finds what the locks prevent."""

    async def no_lock(self: UnitOfWork, party_ids: Iterable[Any]) -> None:
        await asyncio.sleep(0)

    monkeypatch.setattr(UnitOfWork, "lock_parties", no_lock)
    _, broken, _ = await storm(desk)
    assert broken != []
