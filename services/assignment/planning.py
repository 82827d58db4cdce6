"""Planning a field day, in two kinds of intents: choose and cut into areas once, then route area by area.

Nothing here holds a transaction open while it asks or computes. What was decided meanwhile counts: when an area's plan
is committed, each party's facts are read again under its lock, and whoever may no longer be visited is left out.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from uuid import UUID

from services.assignment import remote
from services.assignment.domain import saga
from services.assignment.domain.candidacy import Candidacy, CaseFacts, refusal
from services.assignment.domain.collectors import ReadyPair, ready_pairs
from services.assignment.domain.field_day import FieldArea, FieldDay, LeftOut, PairRoute, RoutedArea
from services.assignment.domain.policy import SelectionPolicy
from services.assignment.domain.routing import (
    Call,
    appointment,
    build_problem,
    figures,
    origin_of,
    unassigned_reason,
)
from services.assignment.domain.routing_problem import Route
from services.assignment.domain.selection import Selection, about, fenced, select
from services.assignment.domain.travel import TravelPort
from services.assignment.domain.visits import PlannedVisit
from services.assignment.ledger import Ledger
from services.assignment.opened import OpenedDatabase
from services.assignment.remote import NotAnsweredError
from services.assignment.route_solver import RouteSolver, RoutingFailedError
from services.assignment.store import field_days, staff
from services.assignment.store.candidacies import load_candidacies, parties_worth_a_look, visited
from shared.database import UnitOfWork
from shared.ids import entity_id, shard_of
from shared.messaging import Answer, Intent, NewIntent
from shared.web.client import ServiceClient

SELECT_INTENT: Final = "field_day.select"
ROUTE_INTENT: Final = "field_day.route"
MAX_ROUTING_TRIES: Final = 3


@dataclass(frozen=True, slots=True)
class Selected(Answer):
    """Who is chosen, and which pairs may not go out."""

    selection: Selection | None = None
    eligible: int = 0
    refused_pairs: dict[UUID, str] | None = None


@dataclass(frozen=True, slots=True)
class Routed(Answer):
    """An area's plan; None when the engine failed for good."""

    area: RoutedArea | None = None


class SelectFieldDay:
    """Chooses the day's candidates and cuts them into areas."""

    kind = SELECT_INTENT
    batch_size = 1

    def __init__(self, opened: OpenedDatabase, policy: SelectionPolicy, travel: TravelPort) -> None:
        self._opened = opened
        self._policy = policy
        self._travel = travel

    async def call(self, intents: Sequence[Intent]) -> Sequence[Answer | None]:
        """Read, then compute in a thread."""
        return [await self._select(intent) for intent in intents]

    async def _select(self, intent: Intent) -> Answer:
        day, max_visits = date.fromisoformat(intent.payload["day"]), intent.payload["max_visits"]
        async with self._opened.database.read_only() as uow:
            looked_at = await load_candidacies(uow, await parties_worth_a_look(uow, self._policy, day))
            pairs, refused = await pairs_on(uow, day)
            chosen, names = await field_days.chosen_elsewhere(uow, UUID(intent.payload["field_day_id"]))
            taken = names | await visited(uow)
            now = uow.now
        free = {party_id: candidacy for party_id, candidacy in looked_at.items() if party_id not in chosen}
        return await asyncio.to_thread(self._choose, free, pairs, refused, day, max_visits, now, taken)

    def _choose(
        self,
        looked_at: dict[UUID, Candidacy],
        pairs: list[ReadyPair],
        refused: dict[UUID, str],
        day: date,
        max_visits: int | None,
        now: datetime,
        taken: set[str],
    ) -> Selected:
        reasons = {party: refusal(c, day, policy=self._policy, now=now) for party, c in looked_at.items()}
        eligible = [looked_at[party] for party, reason in reasons.items() if reason is None]
        selection = select(eligible, pairs, policy=self._policy, max_visits=max_visits, visited=taken)
        not_chosen = Counter(reason for reason in reasons.values() if reason is not None)
        not_chosen.update(selection.not_chosen)
        return Selected(
            selection=replace(selection, not_chosen=dict(not_chosen)), eligible=len(eligible), refused_pairs=refused
        )

    async def commit(self, uow: UnitOfWork, answered: Sequence[tuple[Intent, Answer]]) -> None:
        """Keep the areas; one intent each routes them."""
        for intent, answer in answered:
            assert isinstance(answer, Selected)
            assert answer.selection is not None
            await field_days.fence_choosing(uow)
            field_day = await field_days.lock_field_day(uow, UUID(intent.payload["field_day_id"]))
            if field_day.status != "selecting":
                continue
            selection = await self._fenced(uow, field_day, answer.selection)
            areas = [
                FieldArea(
                    area_number=number,
                    pair_ids=tuple(each.pair.pair_id for each in area.pairs),
                    party_ids=tuple(area.parties),
                )
                for number, area in enumerate(selection.areas, start=1)
            ]
            await field_days.add_areas(uow, field_day.field_day_id, areas)
            changed = replace(
                field_day,
                status="routing" if areas else "planned",
                planned_at=None if areas else uow.now,
                eligible=answer.eligible,
                not_chosen=selection.not_chosen,
                refused_pairs={str(pair): reason for pair, reason in (answer.refused_pairs or {}).items()},
                travel_model=self._travel.model,
            )
            await field_days.save_field_day(uow, changed)
            for area in areas:
                uow.intend(_route_intent(field_day, area, uow))

    async def _fenced(self, uow: UnitOfWork, field_day: FieldDay, selection: Selection) -> Selection:
        """Without whom a planner of another day has chosen since the candidates were read."""
        chosen, names = await field_days.chosen_elsewhere(uow, field_day.field_day_id)
        candidacies = await load_candidacies(uow, [party for area in selection.areas for party in area.parties])
        return fenced(selection, candidacies, chosen=chosen, taken=names | await visited(uow))


class RouteFieldDay:
    """Routes areas: lawful windows, exact points, engine; then proposes the visits."""

    kind = ROUTE_INTENT
    batch_size = 2

    def __init__(
        self,
        opened: OpenedDatabase,
        policy: SelectionPolicy,
        travel: TravelPort,
        *,
        solver: RouteSolver,
        compliance: ServiceClient,
        intake: ServiceClient,
    ) -> None:
        self._opened = opened
        self._policy = policy
        self._travel = travel
        self._solver = solver
        self._compliance = compliance
        self._intake = intake

    async def call(self, intents: Sequence[Intent]) -> Sequence[Answer | None]:
        """Route the areas side by side."""
        return await asyncio.gather(*(self._route(intent) for intent in intents))

    async def _route(self, intent: Intent) -> Answer | None:
        day, field_day_id = date.fromisoformat(intent.payload["day"]), UUID(intent.payload["field_day_id"])
        async with self._opened.database.read_only() as uow:
            area = await field_days.load_area(uow, field_day_id, intent.payload["area_number"])
            candidacies = await load_candidacies(uow, area.party_ids)
            pairs, _ = await pairs_on(uow, day, area.pair_ids)
        cases = [(party, case) for party in area.party_ids if (case := candidacies[party].case) is not None]
        try:
            calls, left_out = await self._calls(cases, day)
            return Routed(area=await self._solve(calls, pairs, left_out, day))
        except NotAnsweredError:
            return None
        except RoutingFailedError:
            return Routed() if intent.attempts + 1 >= MAX_ROUTING_TRIES else None

    async def _calls(self, cases: Sequence[tuple[UUID, CaseFacts]], day: date) -> tuple[list[Call], list[LeftOut]]:
        """Who can be called on at all: a lawful window and a known place are needed."""
        minutes = self._policy.visit.duration_minutes
        lawful, places = await asyncio.gather(
            remote.windows(self._compliance, cases, day=day, duration_minutes=minutes),
            remote.points(self._intake, [party for party, _ in cases]),
        )
        calls: list[Call] = []
        left_out: list[LeftOut] = []
        for party, case in cases:
            answer, place = lawful.get(party), places.get(party)
            if answer is None or not answer.windows:
                rules = tuple(dict.fromkeys(each.rule for each in answer.refused)) if answer is not None else ()
                left_out.append(LeftOut(party_id=party, reason="no_lawful_window", rules=rules))
            elif place is None:
                left_out.append(LeftOut(party_id=party, reason="place_unknown"))
            else:
                calls.append(Call(party_id=party, place=place, windows=tuple(answer.windows), language=case.language))
        return calls, left_out

    async def _solve(self, calls: list[Call], pairs: list[ReadyPair], left_out: list[LeftOut], day: date) -> RoutedArea:
        if not calls or not pairs:
            left_out += [LeftOut(party_id=call.party_id, reason="no_pair_ready") for call in calls]
            return RoutedArea(calls=(), routes=(), left_out=tuple(left_out), origin=datetime.combine(day, time(), UTC))
        places = [each.pair.home for each in pairs] + [call.place for call in calls]
        travel = await asyncio.to_thread(self._travel.matrix, places)
        problem = build_problem(calls, pairs, travel, day=day, policy=self._policy)
        solution = await self._solver.solve(problem)
        left_out += [
            LeftOut(party_id=calls[index].party_id, reason=unassigned_reason(problem, index))
            for index in solution.unassigned
        ]
        routes = tuple(
            (pairs[route.vehicle].pair.pair_id, route, figures(problem, route, travel)) for route in solution.routes
        )
        return RoutedArea(calls=tuple(calls), routes=routes, left_out=tuple(left_out), origin=origin_of(pairs, day))

    async def commit(self, uow: UnitOfWork, answered: Sequence[tuple[Intent, Answer]]) -> None:
        """Propose the visits under the parties' locks, all taken at once so that two areas cannot deadlock."""
        plans = [
            (intent, UUID(intent.payload["field_day_id"]), answer.area)
            for intent, answer in answered
            if isinstance(answer, Routed)
        ]
        await uow.lock_parties(call.party_id for _, _, plan in plans if plan is not None for call in plan.calls)
        await field_days.fence_choosing(uow)
        for intent, field_day_id, plan in plans:
            field_day = await field_days.lock_field_day(uow, field_day_id)
            area = await field_days.load_area(uow, field_day_id, intent.payload["area_number"])
            if area.status != "waiting":
                continue
            if plan is None:
                failed = [LeftOut(party_id=party, reason="routing_failed") for party in area.party_ids]
                last = await field_days.finish_area(
                    uow, field_day_id, replace(area, status="failed"), routes=[], left_out=failed
                )
            else:
                last = await self._propose(uow, intent, field_day, area, plan)
            if last:
                await field_days.save_field_day(uow, replace(field_day, status="planned", planned_at=uow.now))

    async def _propose(
        self, uow: UnitOfWork, intent: Intent, field_day: FieldDay, area: FieldArea, plan: RoutedArea
    ) -> bool:
        pairs = {each.pair.pair_id: each for each in (await pairs_on(uow, field_day.day, area.pair_ids))[0]}
        ledger = await Ledger.open(uow, [call.party_id for call in plan.calls])
        taken = await visited(uow)
        left_out = list(plan.left_out)
        routes: list[PairRoute] = []
        for pair_id, route, route_figures in plan.routes:
            pair = pairs.get(pair_id)
            parties = [plan.calls[stop.job].party_id for stop in route.stops]
            if pair is None:  # the certificate was withdrawn while the route was computed
                left_out += [LeftOut(party_id=party, reason="no_pair_ready") for party in parties]
                continue
            for number, party_id in enumerate(parties, start=1):
                if about(ledger[party_id]) & taken:
                    left_out.append(LeftOut(party_id=party_id, reason="one_visit_for_all"))
                    continue
                visit = self._visit(field_day, pair, plan, route, number, ledger[party_id], uow)
                step, reason = saga.propose(ledger[party_id], visit, policy=self._policy, now=uow.now)
                ledger.fold(step, cause_id=str(intent.id))
                if reason is None:
                    taken |= about(ledger[party_id])
                else:
                    left_out.append(LeftOut(party_id=party_id, reason=reason))
            cost = self._policy.cost.cost(metres=route_figures.metres, seconds=route_figures.duration_seconds)
            routes.append(
                PairRoute(
                    pair_id=pair_id,
                    area_number=area.area_number,
                    crew=pair.pair.collectors,
                    device_id=pair.pair.device_id,
                    stops=len(route.stops),
                    figures=route_figures,
                    departs_at=plan.origin + timedelta(seconds=route.departs),
                    returns_at=plan.origin + timedelta(seconds=route.returns),
                    rest_start_at=None
                    if route.rest_start is None
                    else plan.origin + timedelta(seconds=route.rest_start),
                    cost_minor=cost.amount_minor,
                    cost_currency=cost.currency,
                )
            )
        await ledger.save()
        return await field_days.finish_area(
            uow, field_day.field_day_id, replace(area, status="planned"), routes=routes, left_out=left_out
        )

    def _visit(
        self,
        field_day: FieldDay,
        pair: ReadyPair,
        plan: RoutedArea,
        route: Route,
        number: int,
        candidacy: Candidacy,
        uow: UnitOfWork,
    ) -> PlannedVisit:
        stop, case = route.stops[number - 1], candidacy.case
        assert case is not None
        call = plan.calls[stop.job]
        arrives_at = plan.origin + timedelta(seconds=stop.start)
        return PlannedVisit(
            visit_id=entity_id(shard_of(call.party_id)),
            party_id=call.party_id,
            case_id=case.case_id,
            field_day_id=field_day.field_day_id,
            field_day=field_day.day,
            pair_id=pair.pair.pair_id,
            crew=pair.pair.collectors,
            device_id=pair.pair.device_id,
            stop_number=number,
            arrives_at=arrives_at,
            window=appointment(arrives_at, call.windows, self._policy.visit),
            duration_minutes=self._policy.visit.duration_minutes,
            cell=call.place.cell(),
            jurisdiction=case.jurisdiction,
            time_zones=case.time_zones,
            case_version=case.version,
            changed_at=uow.now,
        )


async def pairs_on(
    uow: UnitOfWork, day: date, pair_ids: Sequence[UUID] | None = None
) -> tuple[list[ReadyPair], dict[UUID, str]]:
    """Pairs that may go out on `day`, and why the others may not."""
    pairs = await staff.load_pairs(uow, pair_ids)
    collectors = await staff.load_collectors(uow, [member for pair in pairs for member in pair.collectors])
    return ready_pairs(pairs, collectors, day)


def select_intent(field_day: FieldDay, uow: UnitOfWork) -> NewIntent:
    """The intent that begins planning."""
    return NewIntent(
        kind=SELECT_INTENT,
        key=str(field_day.field_day_id),
        due_at=uow.real_now,
        payload={
            "field_day_id": str(field_day.field_day_id),
            "day": field_day.day.isoformat(),
            "max_visits": field_day.max_visits,
        },
    )


def _route_intent(field_day: FieldDay, area: FieldArea, uow: UnitOfWork) -> NewIntent:
    return NewIntent(
        kind=ROUTE_INTENT,
        key=f"{field_day.field_day_id}:{area.area_number}",
        due_at=uow.real_now,
        payload={
            "field_day_id": str(field_day.field_day_id),
            "day": field_day.day.isoformat(),
            "area_number": area.area_number,
        },
    )
