"""Taking over plans that run in another system, as far as compliance has begun the cut-over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from urllib.parse import quote
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from services.plans import same_persons
from services.plans.cutover_schemas import ImportedPlanResult, LeftOutPlan, PlansOfCutover
from services.plans.domain.case import KnownCase
from services.plans.domain.imported import (
    CutoverNotOpen,
    CutoverState,
    ImportedHoldEnded,
    ImportedPlanInFuture,
    OldPlan,
    end_of_hold,
    same_record,
    taken_over,
)
from services.plans.domain.plan import Plan
from services.plans.plan_desk import CaseNotOpen, PlanAlreadyActive
from services.plans.store import cutovers as cutover_store
from services.plans.store.plans import PlanStore, load_cases
from shared.database import UnitOfWork
from shared.ids import entity_id, shard_of
from shared.money import Money
from shared.web.client import RemoteProblem, RemoteUnavailable, ServiceClient
from shared.web.problems import NotFound, Problem


class SeenCutover(BaseModel):
    """What compliance says of a cut-over."""

    model_config = ConfigDict(extra="ignore")

    state: str
    business_date: date


@dataclass(frozen=True)
class Cutovers:
    """The desk of imported plans. Compliance alone knows who signed; we take over only while it imports."""

    store: PlanStore
    compliance: ServiceClient

    async def seen(self, cutover_id: str) -> SeenCutover:
        """What compliance says now; asked outside any transaction. Raises CutoverNotOpen, RemoteProblem."""
        try:
            return await self.compliance.get(f"/v1/cutovers/{quote(cutover_id, safe='')}", SeenCutover)
        except RemoteUnavailable as error:
            raise CutoverNotOpen("compliance does not answer", state="unknown", retry_after_seconds=5) from error
        except RemoteProblem as error:
            if error.status == NotFound.status:
                raise CutoverNotOpen("compliance has begun none of this name", state="unknown") from error
            raise

    async def begin(self, uow: UnitOfWork, cutover_id: str, seen: SeenCutover) -> PlansOfCutover:
        """Plans of it may be imported. Raises CutoverNotOpen."""
        if seen.state != "importing":
            raise CutoverNotOpen(f"at compliance it is {seen.state}", state=seen.state)
        await cutover_store.begin(uow, cutover_id, seen.business_date)
        return await self.view(uow, cutover_id)

    async def close(self, uow: UnitOfWork, cutover_id: str, seen: SeenCutover) -> PlansOfCutover:
        """Nothing more is imported, as two people have accepted at compliance. Raises NotFound, CutoverNotOpen."""
        if seen.state == "importing":
            raise CutoverNotOpen("at compliance nobody has accepted it", state=seen.state)
        await cutover_store.close(uow, cutover_id)
        return await self.view(uow, cutover_id)

    async def view(self, uow: UnitOfWork, cutover_id: str) -> PlansOfCutover:
        """What is held of it. Raises NotFound."""
        business_date, state = await self._found(uow, cutover_id)
        held = await cutover_store.held(uow, cutover_id)
        left_out = await cutover_store.left_out(uow, cutover_id)
        return PlansOfCutover(
            cutover_id=cutover_id,
            business_date=business_date,
            state=state,
            held=sum(count for count, _ in held),
            total=[total for _, total in held],
            left_out=sum(count for count, _ in left_out),
            left_out_total=[total for _, total in left_out],
        )

    async def leave_out(self, uow: UnitOfWork, cutover_id: str, plans: Sequence[LeftOutPlan]) -> PlansOfCutover:
        """Plans of people who were erased since they were announced. Raises NotFound, CutoverNotOpen."""
        await self._importing(uow, cutover_id)
        kept = [(self.store.record_of(cutover_id, one.record_ref), None, one.total) for one in plans]
        await cutover_store.keep(uow, cutover_id, kept)
        return await self.view(uow, cutover_id)

    async def take_over(
        self, uow: UnitOfWork, cutover_id: str, plans: Mapping[int, OldPlan], *, final: bool = False
    ) -> dict[int, ImportedPlanResult]:
        """Import what is new; results by position. The parties are locked. Raises NotFound, CutoverNotOpen.

        `final`: the holds of those that are refused end.
        """
        business_date = await self._importing(uow, cutover_id)
        persons = await same_persons.stand_for(uow, {old.party_id for old in plans.values()})
        await uow.lock_parties(set(persons.values()) - uow.locked)
        merged = await same_persons.merged_into(uow, set(persons.values()))
        persons |= {given_up: person for given_up, into in merged.items() for person in into}
        known = await self.store.of_parties(uow, {*persons, *persons.values()})
        found = await load_cases(uow, set(persons.values()))
        cases = {party_id: case for (party_id, _), case in found.items() if case.is_open}
        new: list[Plan] = []
        earlier: list[tuple[bytes, UUID | None, Money]] = []
        results: dict[int, ImportedPlanResult] = {}
        for position, old in sorted(plans.items()):
            person = persons[old.party_id]
            of_party = [plan for plan in (*known, *new) if persons.get(plan.party_id, plan.party_id) == person]
            before = same_record(of_party, cutover_id, old)
            if before is not None:
                if before.imported is not None and before.imported.cutover_id != cutover_id:
                    earlier.append((self.store.record_of(cutover_id, old.record_ref), before.plan_id, old.total))
                results[position] = ImportedPlanResult(position=position, status="repeated", plan_id=before.plan_id)
                continue
            try:
                case = _open_case(cases, of_party, person)
                change = taken_over(
                    old, plan_id=entity_id(shard_of(old.party_id)), case_id=case.case_id, cutover_id=cutover_id,
                    business_date=business_date, now=uow.now,
                )  # fmt: skip
            except (CaseNotOpen, PlanAlreadyActive, ImportedPlanInFuture, ImportedHoldEnded) as refusal_:
                results[position] = refusal(position, refusal_)
                if final and (end := end_of_hold(old, of_party, real_now=uow.real_now)) is not None:
                    uow.intend(end)
                continue
            new.append(change.plan)
            for event in change.events:
                uow.emit(event)
            results[position] = ImportedPlanResult(position=position, status="imported", plan_id=change.plan.plan_id)
        await self.store.add_imported(uow, new)
        await cutover_store.keep(uow, cutover_id, earlier)
        return results

    async def _importing(self, uow: UnitOfWork, cutover_id: str) -> date:
        business_date, state = await self._found(uow, cutover_id, to_import=True)
        if state != "importing":
            raise CutoverNotOpen("it is closed", state=state)
        return business_date

    async def _found(self, uow: UnitOfWork, cutover_id: str, *, to_import: bool = False) -> tuple[date, CutoverState]:
        known = await cutover_store.find(uow, cutover_id, to_import=to_import)
        if known is None:
            raise NotFound("there is no such cut-over")
        return known


def refusal(position: int, problem: Problem) -> ImportedPlanResult:
    """The result of a plan that cannot be imported."""
    return ImportedPlanResult(position=position, status="refused", problem=problem.document())


def _open_case(cases: Mapping[UUID, KnownCase], of_party: list[Plan], party_id: UUID) -> KnownCase:
    """The case of who the plan's party is by now: a person has one case, and one plan that runs."""
    case = cases.get(party_id)
    if case is None:
        raise CaseNotOpen("the person's case is not known here yet, or nothing is overdue", retry_after_seconds=2)
    if any(plan.is_running for plan in of_party):
        raise PlanAlreadyActive()
    return case
