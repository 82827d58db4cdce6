"""Follows running plans up, once a day at the tenant's midnight: notes what the day shows, asks permits for messages,
and takes a person's decision.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from services.plans import same_persons
from services.plans.domain import ladder
from services.plans.domain.case import KnownCase
from services.plans.domain.follow_up_policy import FollowUpPolicies, FollowUpPolicy
from services.plans.domain.following import NextContact, Paused, Standing, Step, standing
from services.plans.domain.ladder import Decision, Taken
from services.plans.domain.plan import Plan
from services.plans.permits import RELEASE_PERMIT, ask
from services.plans.store import follow_ups as follow_up_store
from services.plans.store.follow_ups import HeardHold
from services.plans.store.plans import PlanStore, load_cases
from shared.database import Database, UnitOfWork
from shared.events import Event
from shared.events.base import EventData
from shared.messaging import Answer, Intent, NewIntent, TimerHandler
from shared.messaging.disbelieved import disbelieved, hear_disbelief, is_disbelieved
from shared.permits import PermitDecision
from shared.web.client import ServiceClient
from shared.web.problems import NotFound

LOOK: Final = "plan.follow_up_look"
ASK: Final = "plan.follow_up_permit"
_AT_ONCE: Final = 200
_WINDOW: Final = timedelta(hours=1)


@dataclass(frozen=True, kw_only=True)
class Followed:
    """A plan with everything that says where it stands. `person`: who stands for its party by now."""

    plan: Plan
    person: UUID
    case: KnownCase | None
    steps: tuple[Step, ...]
    pauses: tuple[Paused, ...]
    feed_suspended: bool = False
    """Whether intake does not believe the core of the case: what was paid is not known."""

    def standing(self, policy: FollowUpPolicy, now: datetime) -> Standing:
        """Where it stands now."""
        stops = {
            "case_suspended": self.case is not None and self.case.suspended, "feed_suspended": self.feed_suspended,
        }  # fmt: skip
        withheld = [cause for cause, stands in stops.items() if stands]
        return standing(self.plan, self.steps, self.pauses, today=policy.today(now), policy=policy, withheld=withheld)


class FollowingDesk:
    """Looks at plans and takes steps."""

    def __init__(self, store: PlanStore, policies: FollowUpPolicies) -> None:
        self._store = store
        self.policies = policies

    async def running(self, uow: UnitOfWork, party_ids: Iterable[UUID]) -> dict[UUID, Followed]:
        """The running plans of the parties, by id."""
        plans = [plan for plan in await self._store.of_parties(uow, party_ids, opened=False) if plan.is_running]
        return {one.plan.plan_id: one for one in await self._followed(uow, plans)}

    async def in_review(self, uow: UnitOfWork, party_ids: Iterable[UUID], *, paused: bool = True) -> set[UUID]:
        """The plans of the parties that wait for a person by what is known now; not `paused`: that may be judged."""
        policy = self.policies.at(uow.now)
        found = {
            plan_id: one.standing(policy, uow.now) for plan_id, one in (await self.running(uow, party_ids)).items()
        }
        return {plan_id for plan_id, one in found.items() if one.stage == "in_review" and (paused or one.may_be_judged)}

    async def one(self, uow: UnitOfWork, plan_id: UUID) -> Followed:
        """A plan in whatever state. Raises NotFound."""
        plan = await self._store.load(uow, plan_id)
        if plan is None:
            raise NotFound("there is no such plan")
        (found,) = await self._followed(uow, [plan])
        return found

    async def _followed(self, uow: UnitOfWork, plans: Sequence[Plan]) -> list[Followed]:
        policy = self.policies.at(uow.now)
        owners = {plan.party_id for plan in plans}
        persons = await same_persons.stand_for(uow, owners)
        cases = await load_cases(uow, set(persons.values()))
        steps = await follow_up_store.steps_of(uow, owners)
        cores = await disbelieved(uow)
        of_plan = {plan.plan_id: _case_of(plan, persons[plan.party_id], cases) for plan in plans}
        holds = await follow_up_store.holds_of(uow, owners | set(persons.values()))
        return [
            Followed(
                plan=plan,
                person=persons[plan.party_id],
                case=(case := of_plan[plan.plan_id]),
                feed_suspended=is_disbelieved(None if case is None else case.core, cores),
                steps=tuple(steps.get(plan.plan_id, ())),
                pauses=tuple(
                    _paused(hold, policy)
                    for hold in holds
                    if hold.party_id in (plan.party_id, persons[plan.party_id]) and policy.pauses(hold.kind)
                ),
            )
            for plan in plans
        ]

    async def look(self, uow: UnitOfWork, party_ids: Sequence[UUID]) -> None:
        """Note what today shows of the parties' plans, and intend to ask for the messages that are due."""
        policy = self.policies.at(uow.now)
        for plan_id, one in sorted((await self.running(uow, party_ids)).items()):
            found = one.standing(policy, uow.now)
            plan = one.plan
            for step in found.records:
                taken = ladder.noted(plan, step, found, now=uow.now)
                await self._keep(uow, taken)
                plan = taken.change.plan
            if found.contact is not None:
                uow.intend(ask_for(plan_id, plan.party_id, found.contact, policy.today(uow.now), due_at=uow.now))

    async def decide(
        self, uow: UnitOfWork, plan_id: UUID, decision: Decision, until: date | None, *, by: str, reason: str
    ) -> Followed:
        """A person's decision. The party is locked. Raises NotFound, PlanNotInReview, InvalidRequest."""
        one = await self.one(uow, plan_id)
        policy = self.policies.at(uow.now)
        taken = ladder.decided(
            one.plan, one.standing(policy, uow.now), decision, until, policy=policy, now=uow.now,
            real_now=uow.real_now,
        )  # fmt: skip
        await self._keep(uow, taken, decided_by=by, reason=reason)
        return await self.one(uow, plan_id)

    async def contact(self, uow: UnitOfWork, one: Followed, asked: NextContact, permit_id: UUID) -> bool:
        """Take the step under its permit; False: it is not the next one any more."""
        policy = self.policies.at(uow.now)
        if one.standing(policy, uow.now).contact != asked:
            return False
        taken = ladder.contacted(
            one.plan, asked.kind, asked.instalment, person=one.person, permit_id=permit_id, policy=policy,
            now=uow.now, real_now=uow.real_now,
        )  # fmt: skip
        await self._keep(uow, taken, permit_id=permit_id)
        return True

    async def _keep(
        self, uow: UnitOfWork, taken: Taken, *, permit_id: UUID | None = None, decided_by: str | None = None,
        reason: str | None = None,
    ) -> None:  # fmt: skip
        plan = taken.change.plan
        await self._store.save(uow, [plan])
        await follow_up_store.take(
            uow, plan.party_id, plan.plan_id, taken.step, permit_id=permit_id, decided_by=decided_by, reason=reason
        )
        for event in taken.change.events:
            uow.emit(event)
        for intent in taken.change.intents:
            uow.intend(intent)


def _case_of(plan: Plan, person: UUID, cases: Mapping[tuple[UUID, UUID], KnownCase]) -> KnownCase | None:
    """The plan's own case, or that of the person who stands for its party: a person has one case for life."""
    own = cases.get((person, plan.case_id))
    return own if own is not None else next((case for (party_id, _), case in cases.items() if party_id == person), None)


def _paused(hold: HeardHold, policy: FollowUpPolicy) -> Paused:
    """The local dates that a hold touches, the whole of its first and last day."""
    last = None if hold.valid_to is None else policy.today(hold.valid_to)
    return Paused(first=policy.today(hold.valid_from), last=last, cause=hold.kind)


async def on_heartbeats(uow: UnitOfWork, events: Sequence[Event[EventData]]) -> None:
    """Which cores intake does not believe: nobody is judged by payments that may be missing."""
    await hear_disbelief(uow, events, speaker="intake")


@dataclass(frozen=True)
class LookAtPlans(TimerHandler):
    """Intent handler: looks at all running plans, some people at a time; the first step intends tomorrow's.

    While the holds of before are not known, nobody is looked at.
    """

    desk: FollowingDesk
    kind: str = LOOK
    batch_size: int = 1

    async def commit(self, uow: UnitOfWork, answered: Sequence[tuple[Intent, Answer]]) -> None:
        """One step per intent."""
        for intent, _ in answered:
            after = None if intent.payload["after"] is None else UUID(intent.payload["after"])
            day = date.fromisoformat(intent.payload["day"])
            if after is None:
                uow.intend(next_look(uow, self.desk.policies))
            if not await follow_up_store.are_learned(uow):
                continue
            parties = await follow_up_store.parties_with_plans(uow, after=after, limit=_AT_ONCE)
            await uow.lock_parties(parties)
            await self.desk.look(uow, parties)
            if len(parties) == _AT_ONCE:
                uow.intend(_look(uow, day, after=parties[-1], due_at=uow.now))


class AskForFollowUps:
    """Intent handler: asks permits for messages about plans, many at once. A refusal ends the day's try."""

    kind = ASK
    batch_size = 100

    def __init__(self, desk: FollowingDesk, compliance: ServiceClient, database: Callable[[], Database]) -> None:
        self._desk = desk
        self._compliance = compliance
        self._database = database

    async def call(self, intents: Sequence[Intent]) -> Sequence[Answer | None]:
        """One question for all; what is not due any more, or whose place nobody knows, is not asked for."""
        async with self._database().read_only() as uow:
            known = await self._desk.running(uow, [_party(intent) for intent in intents])
            now, policy = uow.now, self._desk.policies.at(uow.now)
        asked = {
            intent.id: request
            for intent in intents
            if (one := known.get(_plan_id(intent))) is not None
            and one.standing(policy, now).contact == _contact(intent)
            and (request := permit_request(intent, one, policy)) is not None
        }
        decisions = await ask(self._compliance, list(asked.values()), of=intents)
        return [
            _answer(intent, decisions.get(intent.id)) if intent.id in asked else Answer(body={}) for intent in intents
        ]

    async def commit(self, uow: UnitOfWork, answered: Sequence[tuple[Intent, Answer]]) -> None:
        """Allowed: the message is handed over. Refused until later today: asked again then."""
        persons = await same_persons.stand_for(uow, [_party(intent) for intent, _ in answered])
        await uow.lock_parties(set(persons.values()) - uow.locked)
        for intent, answer in answered:
            if not answer.body:
                continue
            decision = PermitDecision.model_validate(answer.body)
            if decision.permit_id is None:
                self._again(uow, intent, decision)
                continue
            one = (await self._desk.running(uow, [_party(intent)])).get(_plan_id(intent))
            if one is None or not await self._desk.contact(uow, one, _contact(intent), decision.permit_id):
                uow.intend(_release(intent, decision.permit_id, uow.real_now))

    def _again(self, uow: UnitOfWork, intent: Intent, decision: PermitDecision) -> None:
        policy, day = self._desk.policies.at(uow.now), date.fromisoformat(intent.payload["day"])
        lawful = decision.earliest_lawful
        if lawful is not None and lawful > intent.due_at and policy.today(lawful) == day:
            uow.intend(ask_for(_plan_id(intent), _party(intent), _contact(intent), day, due_at=lawful))


def next_look(uow: UnitOfWork, policies: FollowUpPolicies) -> NewIntent:
    """The intent of the next midnight of the tenant."""
    policy = policies.at(uow.now)
    tomorrow = policy.today(uow.now) + timedelta(days=1)
    midnight = datetime.combine(tomorrow, time(), tzinfo=ZoneInfo(policy.time_zone)).astimezone(UTC)
    return _look(uow, tomorrow, after=None, due_at=midnight)


def ask_for(plan_id: UUID, party_id: UUID, contact: NextContact, day: date, *, due_at: datetime) -> NewIntent:
    """Ask for the permit of a message on `day`, at `due_at` (business time)."""
    return NewIntent(
        kind=ASK,
        key=f"{plan_id}|{contact.kind}|{contact.instalment}|{due_at.isoformat()}",
        party_id=party_id,
        due_at=due_at,
        clock="business",
        payload={
            "plan_id": str(plan_id), "kind": contact.kind, "instalment": contact.instalment, "day": day.isoformat(),
        },
    )  # fmt: skip


def _look(uow: UnitOfWork, day: date, *, after: UUID | None, due_at: datetime) -> NewIntent:
    return NewIntent(
        kind=LOOK,
        key=f"{uow.tenant}|{day}|{after or ''}",
        due_at=due_at,
        clock="business",
        payload={"day": day.isoformat(), "after": None if after is None else str(after)},
    )


def _release(intent: Intent, permit_id: UUID, due_at: datetime) -> NewIntent:
    payload = {"permit_id": str(permit_id), "cause": "follow_up_not_due"}
    return NewIntent(kind=RELEASE_PERMIT, key=str(permit_id), party_id=intent.party_id, due_at=due_at, payload=payload)


def permit_request(intent: Intent, one: Followed, policy: FollowUpPolicy) -> dict[str, Any] | None:
    """What compliance is asked; None while nobody has said where the person lives: no law to ask about."""
    case = one.case
    if case is None or case.jurisdiction is None:
        return None
    return {
        "request_id": str(intent.id), "party_id": str(one.person), "case_id": str(case.case_id),
        "subject_id": str(one.plan.plan_id), "channel": policy.channel, "purpose": "plan_service",
        "jurisdiction": case.jurisdiction, "time_zones": list(case.time_zones),
        "window": {"start": intent.due_at.isoformat(), "end": (intent.due_at + _WINDOW).isoformat()},
        "duration_minutes": 1,
        "crew": [], "device_id": None, "place_cell": None, "versions": {"case": case.version},
    }  # fmt: skip


def _answer(intent: Intent, decision: PermitDecision | None) -> Answer | None:
    if decision is None or not decision.stands(tries=intent.attempts):
        return None
    return Answer(body=decision.model_dump(mode="json"))


def _contact(intent: Intent) -> NextContact:
    return NextContact(kind=intent.payload["kind"], instalment=intent.payload["instalment"])


def _plan_id(intent: Intent) -> UUID:
    return UUID(intent.payload["plan_id"])


def _party(intent: Intent) -> UUID:
    if intent.party_id is None:
        raise ValueError(f"intent {intent.kind} without a party")
    return intent.party_id
