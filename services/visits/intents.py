"""Carries out the intents of visits: asks compliance and assignment, and lets timers end each waiting."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from services.visits import trace_intents
from services.visits.domain import appointment, door
from services.visits.domain import intents as kinds
from services.visits.domain.visit import Change, State, Visit
from services.visits.remote import (
    CollectorAnswers,
    Neighbours,
    PermitItem,
    PermitKeys,
)
from services.visits.store import facts as fact_store
from services.visits.store import visits as visit_store
from shared.database import Database, UnitOfWork
from shared.ids import derived_id
from shared.messaging import Answer, Intent, IntentHandler, TimerHandler
from shared.permits import PermitDecision, PermitReleases, PermitUses
from shared.telemetry.metrics import count
from shared.web.client import RemoteProblem, RemoteUnavailable

KEY_REFRESH: Final = timedelta(hours=1)
_MOOT: Final = "moot"
_MAX_PAGES: Final = 50

NeighboursOf = Callable[[], Neighbours]
DatabaseOf = Callable[[], Database]


def handlers(*, database: DatabaseOf, neighbours: NeighboursOf, total_key: trace_intents.KeyOf) -> list[IntentHandler]:
    """All handlers; what they need is opened by the service's lifespan."""
    return [
        OfferPermits(database, neighbours),
        PermitUses(kinds.PERMIT_USE, lambda: neighbours().compliance),
        PermitReleases(kinds.PERMIT_RELEASE, lambda: neighbours().compliance),
        LearnPermitKeys(neighbours),
        LearnCrew(neighbours),
        Timer(kinds.ANSWER_DUE, lambda visit, now, _: appointment.answer_overdue(visit, now=now)),
        Timer(kinds.WINDOW_ENDED, lambda visit, now, _: appointment.window_over(visit, now=now)),
        Timer(kinds.STAY_OVERDUE, lambda visit, now, real: door.stay_over(visit, now=now, real_now=real)),
        *trace_intents.handlers(database=database, neighbours=neighbours, total_key=total_key),
    ]


class OfferPermits:
    """Asks compliance, for many visits at once, whether their offers may be sent."""

    kind = kinds.OFFER_PERMIT
    batch_size = 200

    def __init__(self, database: DatabaseOf, neighbours: NeighboursOf) -> None:
        self._database = database
        self._neighbours = neighbours

    async def call(self, intents: Sequence[Intent]) -> Sequence[Answer | None]:
        """One question for all visits that still wait; one of a party whose case we have not heard of yet waits
        longer.
        """
        async with self._database().read_only() as uow:
            visits = await visit_store.load_visits(uow, [_visit_id(intent) for intent in intents])
            facts = await fact_store.load_facts(uow, {visit.party_id for visit in visits.values()})
        moot: set[UUID] = set()
        items: list[PermitItem] = []
        tries: list[str] = []
        for intent in intents:
            visit = visits.get(_visit_id(intent))
            if visit is None or visit.state is not State.PROPOSED:
                moot.add(intent.id)
            elif facts[visit.party_id].case_version is not None:
                items.append(_item(intent, visit, facts[visit.party_id].time_zones))
                tries.append(f"{intent.id}:{intent.attempts}")
        # The tries are part of the key: an answer that lacked facts must not be replayed once they are known.
        decisions = await self._decisions(items, key=str(derived_id("offer-permits", *tries)))
        return [
            Answer(body={_MOOT: True}) if intent.id in moot else _usable(intent, decisions.get(intent.id))
            for intent in intents
        ]

    async def commit(self, uow: UnitOfWork, answered: Sequence[tuple[Intent, Answer]]) -> None:
        """Granted: hand the offer over. Refused: try at the earliest lawful time, or give up."""
        visits = await visit_store.load_visits(uow, [_visit_id(intent) for intent, _ in answered])
        changes: list[Change] = []
        for intent, answer in answered:
            visit = visits.get(_visit_id(intent))
            if visit is None or answer.body.get(_MOOT):
                continue
            decision = PermitDecision.model_validate(answer.body)
            if decision.decision == "allow" and decision.permit_id is not None:
                change = appointment.offer(visit, permit_id=decision.permit_id, now=uow.now, real_now=uow.real_now)
            else:
                change = appointment.refuse_offer(
                    visit,
                    attempt=int(intent.payload["attempt"]),
                    earliest_lawful=decision.earliest_lawful,
                    now=uow.now,
                )
            visits[visit.visit_id] = change.visit
            changes.append(change)
        await visit_store.save_changes(uow, changes)

    async def _decisions(self, items: Sequence[PermitItem], *, key: str) -> Mapping[UUID, PermitDecision]:
        if not items:
            return {}
        try:
            return await self._neighbours().permits(items, key=key)
        except (RemoteProblem, RemoteUnavailable):
            return {}


class LearnPermitKeys:
    """Keeps compliance's public keys in our database, so that a check-in needs nobody."""

    kind = kinds.LEARN_PERMIT_KEYS
    batch_size = 20

    def __init__(self, neighbours: NeighboursOf) -> None:
        self._neighbours = neighbours

    async def call(self, intents: Sequence[Intent]) -> Sequence[Answer | None]:
        """One call answers all that ask."""
        try:
            answer = await self._neighbours().compliance.get("/v1/permit-keys", PermitKeys)
        except (RemoteProblem, RemoteUnavailable):
            return [None for _ in intents]
        return [Answer(body=answer.model_dump()) for _ in intents]

    async def commit(self, uow: UnitOfWork, answered: Sequence[tuple[Intent, Answer]]) -> None:
        """Keep the keys and look again in an hour: a withdrawn key must die here too."""
        keys = PermitKeys.model_validate(answered[-1][1].body).keys
        await fact_store.save_permit_keys(uow, [key for key in keys if isinstance(key.get("kid"), str)])
        hour = (uow.real_now + KEY_REFRESH).replace(minute=0, second=0, microsecond=0)
        uow.intend(kinds.learn_permit_keys(reason=f"hourly {hour.isoformat()}", due_at=hour))


class LearnCrew:
    """Learns what a customer may see of the people at the door."""

    kind = kinds.LEARN_CREW
    batch_size = 200

    def __init__(self, neighbours: NeighboursOf) -> None:
        self._neighbours = neighbours

    async def call(self, intents: Sequence[Intent]) -> Sequence[Answer | None]:
        """Read assignment's register once for all."""
        wanted = {UUID(member) for intent in intents for member in intent.payload["collectors"]}
        found: dict[str, dict[str, Any]] = {}
        cursor: str | None = None
        try:
            for _ in range(_MAX_PAGES):
                params: dict[str, str | int] = {"limit": 200} | ({"cursor": cursor} if cursor else {})
                page = await self._neighbours().assignment.get("/v1/collectors", CollectorAnswers, params=params)
                found |= {
                    str(item.collector_id): item.model_dump() for item in page.items if item.collector_id in wanted
                }
                cursor = page.next
                if cursor is None or len(found) == len(wanted):
                    break
        except (RemoteProblem, RemoteUnavailable):
            return [None for _ in intents]
        return [
            Answer(body={member: found[member] for member in intent.payload["collectors"] if member in found})
            for intent in intents
        ]

    async def commit(self, uow: UnitOfWork, answered: Sequence[tuple[Intent, Answer]]) -> None:
        """Keep name and photo reference of each."""
        found = {UUID(member): known for _, answer in answered for member, known in answer.body.items()}
        if found:
            await fact_store.save_collectors(
                uow, [(member, known["name"], known["photo_ref"]) for member, known in sorted(found.items())]
            )


class Timer(TimerHandler):
    """A moment that ends a waiting. `step` decides by the visit's state then; what was overtaken changes nothing."""

    batch_size = 500

    def __init__(self, kind: str, step: Callable[[Visit, datetime, datetime], Change]) -> None:
        self.kind = kind
        self._step = step

    async def commit(self, uow: UnitOfWork, answered: Sequence[tuple[Intent, Answer]]) -> None:
        """Let each visit take the step of its timer."""
        visits = await visit_store.load_visits(uow, [_visit_id(intent) for intent, _ in answered])
        steps = [self._step(visit, uow.now, uow.real_now) for _, visit in sorted(visits.items())]
        await visit_store.save_changes(uow, [step for step in steps if step.events or step.alarm])
        for step in steps:
            if step.alarm is not None:
                count("doorstep.alarms.raised", kind=step.alarm.kind)


def _item(intent: Intent, visit: Visit, time_zones: Sequence[str]) -> PermitItem:
    return PermitItem.model_validate(
        {
            "request_id": intent.id,
            "party_id": visit.party_id,
            "case_id": visit.case_id,
            "subject_id": visit.visit_id,
            "channel": "sms",
            "purpose": "appointment_admin",
            "jurisdiction": visit.jurisdiction,
            "time_zones": list(time_zones),
            "window": {"start": intent.payload["start"], "end": intent.payload["end"]},
            "duration_minutes": 1,
            "crew": [],
            "device_id": None,
            "place_cell": None,
            "versions": {"case": visit.case_version},
        }
    )


def _usable(intent: Intent, decision: PermitDecision | None) -> Answer | None:
    """The decision as an answer; None when there is none yet."""
    if decision is None or not decision.stands(tries=intent.attempts):
        return None
    return Answer(body=decision.model_dump(mode="json"))


def _visit_id(intent: Intent) -> UUID:
    return UUID(intent.payload["visit_id"])
