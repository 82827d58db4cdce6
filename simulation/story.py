"""The run as a story: one night of the core, some field days, the month after."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from simulation.api import Api
from simulation.behaviour import Behaviour
from simulation.core.bank import BankCore
from simulation.core.messages import Opening
from simulation.customers import Customers
from simulation.directory import Directory
from simulation.faults import ACTS_NEED_VISITS, ForbiddenActs, choose
from simulation.field import FieldDay
from simulation.pace import Pace
from simulation.platform import Platform
from simulation.portfolio.people import TIME_ZONE, town_centres
from simulation.repayment import Repayment
from simulation.steps import earlier_steps

FIRST_DAY: Final = date(2026, 3, 2)
SHIFT: Final = (time(9), time(19))
OFFER_HOUR: Final = time(10, 30)
ANSWER_HOUR: Final = time(12)
PAY_HOUR: Final = time(15)
EVENING: Final = time(21)
OFFICE_HOURS: Final = (SHIFT[0], OFFER_HOUR, ANSWER_HOUR, EVENING)
# A visit may begin during the first 90 of its window's 120 minutes, so that a look every 90 minutes misses none.
FIELD_HOURS: Final = (
    SHIFT[0], OFFER_HOUR, ANSWER_HOUR, time(13, 30), PAY_HOUR, time(16, 30), time(18), EVENING,
)  # fmt: skip
MORNING_OF_ACTS: Final = OFFER_HOUR
COMPLIANCE_OUTAGE_SECONDS: Final = 20.0
_INSTALMENT_DAYS: Final = (33, 64)
_PLANNING_TIMEOUT_SECONDS: Final = 60

Report = Callable[[str, int, int], None]
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much happens."""

    days: int = 2
    pairs: int = 12
    visits_per_day: int = 100


@dataclass(slots=True, kw_only=True)
class Cast:
    """Everybody who takes part."""

    api: Api
    pace: Pace
    platform: Platform
    core: BankCore
    opening: Opening
    behaviour: Behaviour
    seed: int
    size: Size
    report: Report
    say: Say
    refresh: Callable[[], Any]


@dataclass(slots=True)
class Told:
    """What the driver itself remembers for the summary: only what it did, never what services counted."""

    acts: list[Any] = field(default_factory=list)
    recovery_seconds: float | None = None
    field_days: list[date] = field(default_factory=list)


class Story:
    """Runs the whole story in order."""

    def __init__(self, cast: Cast) -> None:
        self._cast = cast
        self._directory = Directory(cast.api, cast.core.ledger)
        self.customers = Customers(cast.api, self._directory, cast.behaviour)
        self.field = FieldDay(cast.api, cast.pace, self._directory, cast.behaviour)
        untouched = cast.opening.malformed_parties | cast.opening.unknown_parties
        self._repayment = Repayment(cast.core, cast.behaviour, untouched=untouched)
        self._acts = ForbiddenActs(
            api=cast.api, pace=cast.pace, platform=cast.platform, core=cast.core, directory=self._directory,
            field=self.field, say=cast.say,
        )  # fmt: skip
        self._late_visit: dict[str, Any] | None = None
        self.told = Told(acts=self._acts.acts)

    async def run(self) -> Told:
        """Everything, to the end of the last instalment. Raises UnexpectedAnswer, NotQuiet."""
        await self.prepare()
        for number in range(self._cast.size.days + 1):
            await self._business_day(number)
        await self._months_after()
        return self.told

    async def prepare(self) -> None:
        """The first night: who owes, what was done before, who works, what they report. Raises UnexpectedAnswer."""
        await self._attest_history()
        await self._open_books()
        await self._register_staff()
        await self._declare_sources()

    async def _attest_history(self) -> None:
        """At the cut-over history comes before the loans: what the bank did with these people until now."""
        steps = list(earlier_steps(self._cast.core.ledger, seed=self._cast.seed))
        answers = await asyncio.gather(
            *(self._cast.api.post("intake", "/v1/steps", {"items": items}) for items in steps)
        )
        outcomes = {one["outcome"] for answer in answers for one in answer.expected()["items"]}
        if outcomes - {"recorded"}:
            raise RuntimeError(f"the history of the bank's steps was not recorded: {outcomes}")

    async def _open_books(self) -> None:
        messages = self._cast.opening.messages
        sent = 0

        def count(more: int) -> None:
            nonlocal sent
            sent += more
            if sent % 500 == 0 or sent == len(messages):
                self._cast.report("The core publishes its portfolio", sent, len(messages))

        await self._cast.core.publish(messages, progress=count)
        await self._settle("intake opens cases")
        await self._cast.pace.until_fresh()

    async def _register_staff(self) -> None:
        size, centres = self._cast.size, town_centres()
        collectors = [_collector(number) for number in range(2 * size.pairs)]
        registered = (await self._cast.api.post("assignment", "/v1/collectors", {"items": collectors})).expected()
        ids = [each["collector_id"] for each in registered["items"]]
        pairs = [
            {
                "collectors": [ids[2 * number], ids[2 * number + 1]],
                "device_id": f"device-{number + 1:03d}",
                "home": centres[number % len(centres)].model_dump(),
                "shift": {"start": f"{SHIFT[0]:%H:%M}", "end": f"{SHIFT[1]:%H:%M}", "time_zone": TIME_ZONE},
            }
            for number in range(size.pairs)
        ]
        (await self._cast.api.post("assignment", "/v1/pairs", {"items": pairs})).expected()

    async def _declare_sources(self) -> None:
        """The operator declares what visits tells of crews at doors; a day without a word closes the channel."""
        for source in (await self._cast.api.get("visits", "/v1/trace-sources")).expected()["items"]:
            declared = source | {
                "client_id": "visits", "channels": ["visit"], "silent_after_hours": 48, "reason": "first-declaration",
            }  # fmt: skip
            (await self._cast.api.post("compliance", "/v1/feeds", declared)).expected()

    async def _business_day(self, number: int) -> None:
        """Day 0 only plans; the last day only visits; between them both happen."""
        today = FIRST_DAY + timedelta(days=number)
        hours = FIELD_HOURS if number else OFFICE_HOURS
        for place, hour in enumerate(hours):
            await self._cast.pace.advance_to(max(local(today, hour), self._cast.pace.now))
            steps = len(OFFICE_HOURS) + self._cast.size.days * len(FIELD_HOURS)
            done = place + 1 + (len(OFFICE_HOURS) + (number - 1) * len(FIELD_HOURS) if number else 0)
            self._cast.report(f"Business time: {self._cast.pace.local:%a %d %b %H:%M}", done, steps)
            await self._hour(number, today, hour)
            await self._cast.refresh()
        await self._cast.pace.settle()
        await self._cast.core.close_day(today + timedelta(days=1), at=self._cast.pace.now)

    async def _hour(self, number: int, today: date, now: time) -> None:
        tomorrow = today + timedelta(days=1)
        if number:
            await self._field_hour(number, today, now)
        if number < self._cast.size.days and now == OFFER_HOUR:
            await self.plan(tomorrow)
            async with asyncio.timeout(_PLANNING_TIMEOUT_SECONDS):
                await self._settle(f"routes for {tomorrow:%d %b} are planned and offered")
        if number < self._cast.size.days and now == ANSWER_HOUR:
            await self.customers.answer_offers()
        if number and now == PAY_HOUR:
            spared = {(await self._loan_ref(visit)) for visit in await self.field.ready(today)}
            await self._repayment.pay_by_themselves(number, at=self._cast.pace.now, but=spared if number == 1 else ())
            if number == 1:
                await self._repayment.bounce_one(at=self._cast.pace.now)

    async def _field_hour(self, number: int, today: date, now: time) -> None:
        if number == 1 and now == SHIFT[0]:
            self._late_visit = await self._spare_one_for_too_late(today)
        if number == 2 and now == MORNING_OF_ACTS:
            await self._outage(today)
        else:
            await self.field.work(today)
        if number == 1 and now == MORNING_OF_ACTS:
            await self._forbidden_morning(today)
        if number == 1 and now == EVENING and self._late_visit is not None:
            await self._acts.too_late(self._late_visit)

    async def _spare_one_for_too_late(self, today: date) -> dict[str, Any] | None:
        ready = choose(await self.field.ready(today), 1)
        self.field.spared.update(visit["visit_id"] for visit in ready)
        return ready[0] if ready else None

    async def _forbidden_morning(self, today: date) -> None:
        """Acts on visits that could begin now; the day goes on around them."""
        ready = [visit for visit in await self.field.ready(today) if visit["visit_id"] not in self.field.spared]
        chosen = choose([visit for visit in ready if self.field.is_ahead(visit)], ACTS_NEED_VISITS)
        if len(chosen) < ACTS_NEED_VISITS:
            raise RuntimeError(f"the forbidden acts need {ACTS_NEED_VISITS} visits, {len(chosen)} are ready")
        door, stranger, paying, alarmed = chosen
        self.field.spared.update(visit["visit_id"] for visit in (door, paying, alarmed))
        await self._acts.payment_on_the_way(paying)
        start = datetime.fromisoformat(door["window"]["start"])
        await self._cast.pace.advance_to(max(start, self._cast.pace.now))
        await self._acts.at_the_door(door, stranger)
        await self._acts.below_the_minimum(door)
        await self._cast.pace.settle()
        await self._acts.over_budget(door)
        await self._acts.leave(door)
        (await self.field.set_off(alarmed)).expected()
        await self._acts.call_for_help(alarmed, silent=False)

    async def _outage(self, today: date) -> None:
        """compliance dies in the middle of a field day. Visits that have begun end first: signatures need its holds."""
        await self.field.finish()
        ready = [visit for visit in await self.field.ready(today) if self.field.is_ahead(visit)]
        waiting, alarmed = choose(ready, 2)
        self.field.spared.add(alarmed["visit_id"])
        self.told.recovery_seconds = await self._acts.compliance_dies(
            waiting,
            alarmed,
            seconds=COMPLIANCE_OUTAGE_SECONDS,
            meanwhile=lambda: self.field.work(today),
        )

    async def plan(self, day: date) -> None:
        """Have a field day planned: routes, and offers to the customers. Raises UnexpectedAnswer."""
        body = {"max_visits": self._cast.size.visits_per_day}
        (await self._cast.api.post("assignment", f"/v1/field-days/{day.isoformat()}/plan", body)).expected()
        self.told.field_days.append(day)

    async def _months_after(self) -> None:
        """Instalments fall due and are paid, or not, as the fitted data has it."""
        await self.field.finish()
        last = FIRST_DAY + timedelta(days=self._cast.size.days)
        for number, days in enumerate(_INSTALMENT_DAYS, start=1):
            today = last + timedelta(days=days)
            await self._cast.pace.advance_to(local(today, PAY_HOUR))
            self._cast.core.ledger.business_date = today
            self._cast.report("Instalments are paid", number, len(_INSTALMENT_DAYS))
            await self._repayment.pay_instalments(self._cast.api, self.field.signed, at=self._cast.pace.now)
            await self._cast.pace.settle()
            await self._cast.refresh()
        self._cast.say(f"{self._cast.pace.waited_seconds:.0f} s were spent waiting for the services to come to rest")

    async def _loan_ref(self, visit: dict[str, Any]) -> str:
        return (await self._directory.loan_of(visit["case_id"])).person.loan_ref

    async def _settle(self, what: str) -> None:
        self._cast.say(f"waiting until {what}")
        await self._cast.pace.settle()
        await self._cast.refresh()


def local(day: date, at: time) -> datetime:
    """A local time of a local date as UTC."""
    return datetime.combine(day, at, ZoneInfo(TIME_ZONE)).astimezone(UTC)


def _collector(number: int) -> dict[str, Any]:
    return {
        "staff_ref": f"staff-{number + 1:03d}",
        "name": f"Collector {number + 1} (synthetic)",
        "languages": ["zh"],
        "certificates": [
            {
                "kind": "home_visit",
                "reference": f"HV-{number + 1:04d}",
                "valid_from": "2025-01-01",
                "valid_to": "2027-12-31",
            }
        ],
    }
