"""Choosing what happens next: at once when the field or another service says something, soon after the core does.

Facts of the core come by the million, so their cases are chosen for a little later, by a worker, from intents that the
facts' own transaction leaves (one row for hundreds of cases). What the field says is rare and is chosen on at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any, Final, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

import asyncpg

from services.intake.domain.policy import DelinquencyPolicy
from services.intake.settings import IntakeSettings
from services.intake.store import choices
from services.intake.store import strategy as store
from services.intake.store.choices import NewChoice
from services.intake.store.strategy import Chosen
from services.intake.strategy.decision import CaseState, Choice, choose
from services.intake.strategy.history import PastFact, PastHold
from services.intake.strategy.release import NO_STRATEGY, Strategy, Version
from services.intake.strategy.seen import MadeChoice, Seen
from shared.database import UnitOfWork
from shared.events import NewEvent
from shared.events.base import EventData
from shared.events.case import CaseActionChosen, StrategyArm
from shared.ids import event_id
from shared.messaging import Answer, Intent, NewIntent, TimerHandler
from shared.messaging.backlog import GivesWay
from shared.telemetry.metrics import count

CHOOSE: Final = "choose_actions"
CHOOSE_ALL: Final = "choose_all_actions"
_AT_ONCE: Final = 500
"""Cases per step of a run over all."""
_PER_INTENT: Final = 150
"""Cases per intent of a batch of facts: a few intents are chosen on together."""
_BREATH: Final = 50
"""Cases after which the process's other loops get their turn."""


class Looked(NamedTuple):
    """A case of the store as the strategy sees it: what was seen, and the number of the history's last fact."""

    row: asyncpg.Record
    seen: Seen
    facts_to: int
    case: CaseState


@dataclass(frozen=True)
class Deciding:
    """Chooses by the strategy in force, with the tenant's buckets and calendar."""

    strategy: Strategy
    buckets: DelinquencyPolicy
    time_zone: str

    @classmethod
    def of(cls, strategy: Strategy, settings: IntakeSettings) -> Deciding:
        """As the tenant has set it."""
        return cls(strategy, settings.policy(), settings.time_zone)

    async def decide(self, uow: UnitOfWork, causes: Mapping[UUID, str]) -> None:
        """Choose anew for parties whose locks are held; `causes`: the event or intent behind each. Tells of changes."""
        chosen: list[Chosen] = []
        made: list[NewChoice] = []
        looked = await self.look(uow, causes)
        last = await choices.newest(uow, [one.row["party_id"] for one in looked])
        for row, seen, facts_to, case in looked:
            choice, version, arm = self.choice(row["party_id"], case)
            one = self._chosen(row, choice, version, arm)
            if one is not None:
                chosen.append(one)
                if one.number != (row["number"] or 0):
                    count("doorstep.strategy.chosen", type=choice.action)
                    uow.emit(_told(one, uow.now).caused_by(causes[one.party_id]))
            now = MadeChoice(case.today, seen, facts_to, choice, version.sha256, arm)
            before = last.get(row["party_id"])
            if before is None or not before.foretells(now, self.buckets.bucket):
                made.append(NewChoice(row["party_id"], row["case_id"], now))
        await store.save(uow, chosen)
        await choices.add(uow, made)

    async def look(self, uow: UnitOfWork, party_ids: Iterable[UUID]) -> list[Looked]:
        """The parties' cases as the strategy sees them, in order of party."""
        rows = await store.load_cases(uow, party_ids)
        known = [row["party_id"] for row in rows]
        members = await store.members_of(uow, known)
        history = await store.load_history(uow, known, members)
        holds = await store.load_holds(uow, known, members)
        found: list[Looked] = []
        for row in rows:
            one = row["party_id"]
            found.append(self._looked(row, uow.now, history.get(one, ()), holds.get(one, ())))
            if len(found) % _BREATH == 0:
                await asyncio.sleep(0)
        return found

    def choice(self, party_id: UUID, case: CaseState) -> tuple[Choice, Version, StrategyArm]:
        """The choice, the strategy that made it, and its arm. A strategy that may not be used lets everything wait."""
        arm = self.strategy.arm_of(party_id, case)
        version = self.strategy.of_arm(arm)
        if self.strategy.not_used is not None:
            return Choice("wait", (self.strategy.not_used,), NO_STRATEGY), version, arm
        return choose(version.policy, case), version, arm

    def _looked(
        self, row: asyncpg.Record, now: datetime, history: Sequence[asyncpg.Record], holds: Sequence[asyncpg.Record]
    ) -> Looked:
        zone = ZoneInfo(self.time_zone)
        cure = row["cure_probability"]
        seen = Seen(
            status=row["status"],
            held=row["held"],
            suspended=tuple(row["suspended"]),
            as_of=row["as_of"],
            days_contractual=row["days_contractual"],
            days_effective=row["days_effective"],
            bucket=self.buckets.bucket(row["days_effective"], row["as_of"]),
            overdue_minor=store.totals_of(row),
            has_phone=bool(row["has_phone"]),
            has_home=bool(row["has_home"]),
            cure_permille=None if cure is None else round(cure * 1_000),
            scored_on=row["scored_on"],
            holds=tuple(sorted((hold_of(one, zone, now) for one in holds), key=_begins)),
            members=tuple(sorted({one["party_id"] for one in history} - {row["party_id"]})),
        )
        facts_to = max((one["fact_id"] for one in history), default=0)
        case = seen.state((fact_of(one, zone) for one in history), now.astimezone(zone).date())
        return Looked(row, seen, facts_to, case)

    def _chosen(self, row: asyncpg.Record, choice: Choice, version: Version, arm: StrategyArm) -> Chosen | None:
        """What is to be kept; None when nothing is different. Waiting is told only to whoever heard something else."""
        before = (row["action"], tuple(row["reasons"] or ()))
        now = (choice.action, choice.reasons)
        rest = (choice.rule, choice.next_on, version.sha256, arm)
        if before == now and (row["rule"], row["next_on"], row["strategy_sha256"], row["arm"]) == rest:
            return None
        number = row["number"] or 0
        told = before != now and (number > 0 or choice.action != "wait")
        used = version.policy.version if self.strategy.not_used is None else 0
        return Chosen(row["party_id"], row["case_id"], number + told, choice, version, arm, used)


@dataclass(frozen=True)
class ChooseActions(GivesWay, TimerHandler):
    """Intent handler: chooses for the cases that facts of the core have changed; many intents at a time."""

    deciding: Deciding
    kind: str = CHOOSE
    batch_size: int = 4

    async def commit(self, uow: UnitOfWork, answered: Sequence[tuple[Intent, Answer]]) -> None:
        """Choose once for each party of all intents."""
        causes: dict[UUID, str] = {}
        for intent, _ in answered:
            causes |= dict.fromkeys(map(UUID, intent.payload["parties"]), str(intent.id))
        await uow.lock_parties(causes)
        await self.deciding.decide(uow, causes)


@dataclass(frozen=True)
class ChooseAll(GivesWay, TimerHandler):
    """Intent handler: chooses for every open case, some at a time; each step commits with the intent of the next."""

    deciding: Deciding
    kind: str = CHOOSE_ALL
    batch_size: int = 1

    async def commit(self, uow: UnitOfWork, answered: Sequence[tuple[Intent, Answer]]) -> None:
        """One step per intent."""
        for intent, _ in answered:
            await self._step(uow, intent)

    async def _step(self, uow: UnitOfWork, intent: Intent) -> None:
        payload = intent.payload
        after = None if payload["after"] is None else UUID(payload["after"])
        parties = await store.open_parties(uow, core=payload["core"], after=after, limit=_AT_ONCE)
        await uow.lock_parties(parties)
        await self.deciding.decide(uow, dict.fromkeys(parties, str(intent.id)))
        if len(parties) == _AT_ONCE:
            uow.intend(choose_all(uow, run=payload["run"], core=payload["core"], after=parties[-1]))


def choose_later(uow: UnitOfWork, party_ids: Iterable[UUID], *, seconds: float) -> None:
    """Intend that the cases of these parties are chosen for, `seconds` from now."""
    wanted = sorted(set(party_ids))
    due_at = uow.real_now + timedelta(seconds=seconds)
    for first in range(0, len(wanted), _PER_INTENT):
        payload = {"parties": [party_id.hex for party_id in wanted[first : first + _PER_INTENT]]}
        uow.intend(NewIntent(kind=CHOOSE, key=str(event_id()), due_at=due_at, payload=payload))


def choose_all(uow: UnitOfWork, *, run: str, core: str | None = None, after: UUID | None = None) -> NewIntent:
    """The intent that chooses for open cases (None: of every core) after a party; once per `run`."""
    payload: dict[str, Any] = {"run": run, "core": core, "after": None if after is None else str(after)}
    key = f"{uow.tenant}|{run}|{core or ''}|{after or ''}"
    return NewIntent(kind=CHOOSE_ALL, key=key, due_at=uow.real_now, payload=payload)


async def begin_use(uow: UnitOfWork, strategy: Strategy) -> None:
    """At the start of a worker: a strategy that has not chosen before chooses for every open case."""
    number = await store.note_use(uow, strategy)
    if number is not None:
        uow.intend(choose_all(uow, run=f"use-{number}"))


def _told(one: Chosen, now: datetime) -> NewEvent[EventData]:
    choice = one.choice
    data = CaseActionChosen(
        case_id=one.case_id,
        party_id=one.party_id,
        number=one.number,
        action=choice.action,
        reasons=list(choice.reasons),
        rule=choice.rule,
        next_on=choice.next_on,
        strategy=one.by.policy.id,
        strategy_version=one.version,
        strategy_sha256=one.by.sha256,
        arm=one.arm,
    )
    return NewEvent(type="case.action_chosen", party_id=one.party_id, aggregate_id=one.case_id, data=data, time=now)


def fact_of(row: asyncpg.Record, zone: ZoneInfo) -> PastFact:
    """A row of the history, on the tenant's date."""
    on = row["happened_at"].astimezone(zone).date()
    return PastFact(on, row["kind"], row["reference"], tuple(row["codes"]))


def hold_of(row: asyncpg.Record, zone: ZoneInfo, now: datetime | None = None) -> PastHold:
    """A row of the holds, by the tenant's dates; as it stands at `now`, where that is told."""
    ends = None if row["valid_to"] is None else row["valid_to"].astimezone(zone)
    # A hold that ends in the course of a day covers that day, and stands no longer on it once it has ended.
    ends_on = None if ends is None else ends.date() + timedelta(days=ends.time() != time.min)
    starts_on = row["valid_from"].astimezone(zone).date()
    channels = None if row["channels"] is None else tuple(row["channels"])
    is_over = ends is not None and now is not None and ends <= now
    return PastHold(row["kind"], starts_on, ends_on, channels, is_over)


def _begins(hold: PastHold) -> tuple[date, str, date, tuple[str, ...]]:
    """One order for the same holds, however they were read."""
    return hold.starts_on, hold.kind, hold.ends_on or date.max, hold.channels or ()
