"""What the API does: propose a plan, and sign it in the three steps that `domain.plan` explains."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from services.plans.domain import plan as plans
from services.plans.domain.affordability import (
    RULE_60_MONTHS,
    RULE_MINIMUM,
    PlanBelowProtectedMinimum,
    PlanLongerThanAllowed,
    Statement,
    assess,
    solve,
)
from services.plans.domain.document import document_text
from services.plans.domain.plan import Change, Plan, PlanState
from services.plans.domain.protected_minimum import NoProtectedMinimumError, ProtectedMinimumTable
from services.plans.holds import Holds
from services.plans.schemas import ProposePlan
from services.plans.store.plans import PlanStore, load_cases, record_refusal
from shared.database import Database, UnitOfWork
from shared.ids import entity_id, shard_of
from shared.money import Money
from shared.web.client import RemoteProblem, RemoteUnavailable
from shared.web.problems import FieldError, InvalidRequest, KnownProblem, NotFound, Problem


class CaseNotOpen(KnownProblem):
    """The case is not known here yet, or nothing is overdue on it any more."""

    kind, status, title = "case_not_open", 409, "There is no open case to make a plan for"


class DebtNotOwed(KnownProblem):
    """The debts of the plan are more than the case's loans owe: nothing may be agreed that is not owed."""

    kind, status, title = "debt_not_owed", 422, "More than is owed"


class PlanAlreadyActive(KnownProblem):
    """The case has a plan that runs: signed with us, or imported from another system."""

    kind, status, title = "plan_already_active", 409, "A plan is already active"


class HoldNotPlaced(KnownProblem):
    """Compliance could not confirm the hold that must stand before a plan is signed; nothing was signed."""

    kind, status, title = "hold_not_placed", 503, "The plan cannot be signed right now"


class NoMinimumTable(KnownProblem):
    """No protected-minimum table covers this currency and day; without one nothing can be judged."""

    kind, status, title = "no_protected_minimum_table", 422, "No protected minimum is known for this currency"


class PlanDesk:
    """Proposals and signatures."""

    def __init__(self, store: PlanStore, table: ProtectedMinimumTable, holds: Holds) -> None:
        self._store = store
        self._table = table
        self._holds = holds

    async def propose(self, uow: UnitOfWork, asked: ProposePlan) -> Plan | Problem:
        """Check affordability and keep a proposal, or return the refusal (which is told as `plan.refused`).

        The party is locked. Raises CaseNotOpen, DebtNotOwed, PlanAlreadyActive, NoMinimumTable.
        """
        known = (await load_cases(uow, [asked.party_id])).get((asked.party_id, asked.case_id))
        if known is None or not known.is_open:
            raise CaseNotOpen(retry_after_seconds=2)
        if not known.owes(asked.debt):
            raise DebtNotOwed("the debts are more than the outstanding balance of the case's loans")
        before = [plan for plan in await self._store.of_parties(uow, [asked.party_id]) if plan.case_id == asked.case_id]
        if any(plan.is_running for plan in before):
            raise PlanAlreadyActive()
        plan_id = entity_id(shard_of(asked.party_id))
        try:
            plan, statement = self._solve(uow, asked, plan_id)
        except (PlanBelowProtectedMinimum, PlanLongerThanAllowed) as refusal:
            await self._refuse(uow, asked, plan_id, refusal)
            return refusal
        except NoProtectedMinimumError as error:
            raise NoMinimumTable(str(error)) from error
        await self._keep(uow, [plans.superseded(old) for old in before])
        await self._store.add(uow, plan, statement=statement)
        for event in plans.proposed(plan).events:
            uow.emit(event)
        return plan

    def _solve(self, uow: UnitOfWork, asked: ProposePlan, plan_id: UUID) -> tuple[Plan, dict[str, Any]]:
        today = uow.now.date()
        statement = Statement(
            household=asked.household,
            income=asked.monthly_income,
            rent=asked.monthly_rent,
            commitments=asked.other_commitments,
        )
        affordability = assess(statement, self._table, today)
        schedule = solve(asked.debt, affordability, wished=asked.wished_instalment, start=today)
        text = document_text(
            plan_id=plan_id,
            debt=asked.debt,
            schedule=schedule,
            affordability=affordability,
            table=self._table,
            day=today,
        )
        plan = plans.new_plan(
            plan_id=plan_id,
            party_id=asked.party_id,
            case_id=asked.case_id,
            visit_id=asked.visit_id,
            debt=asked.debt,
            surplus=affordability.surplus,
            table_id=affordability.table_id,
            schedule=schedule,
            document=text,
            now=uow.now,
        )
        told = asked.model_dump(
            mode="json", include={"household", "monthly_income", "monthly_rent", "other_commitments"}
        )
        return plan, told

    async def _refuse(
        self,
        uow: UnitOfWork,
        asked: ProposePlan,
        plan_id: UUID,
        refusal: PlanBelowProtectedMinimum | PlanLongerThanAllowed,
    ) -> None:
        rule = RULE_MINIMUM if isinstance(refusal, PlanBelowProtectedMinimum) else RULE_60_MONTHS
        await record_refusal(uow, party_id=asked.party_id, plan_id=plan_id, rule=rule)
        assert asked.wished_instalment is not None  # only a wish can be refused
        uow.emit(
            plans.refused(
                plan_id=plan_id,
                party_id=asked.party_id,
                case_id=asked.case_id,
                rule=rule,
                wished=asked.wished_instalment,
                most=Money.model_validate(refusal.members["most_affordable"]),
                now=uow.now,
            )
        )

    async def place_hold(self, database: Database, plan: Plan, *, code: str) -> tuple[int, UUID]:
        """Steps 1 and 2 of signing: open the attempt, then place its hold. No transaction is open during the call.

        Returns attempt and hold. Raises PlanNotOpen, SignatureCodeMismatch, PlanAlreadyActive, HoldNotPlaced.
        """
        async with database.unit_of_work() as uow:
            await uow.lock_parties([plan.party_id])
            now_known = await self._found(uow, plan.plan_id)
            await self._require_no_other(uow, now_known)
            change = plans.open_attempt(now_known, code=code, now=uow.now, real_now=uow.real_now)
            await self._keep(uow, [change] if change.plan is not now_known else [])
            opened = change.plan
        assert opened.attempt_opened_at is not None
        try:
            hold_id = await self._holds.place(
                party_id=opened.party_id,
                plan_id=opened.plan_id,
                attempt=opened.attempt,
                valid_from=opened.attempt_opened_at,
            )
        except (RemoteUnavailable, RemoteProblem) as error:
            raise HoldNotPlaced(
                "compliance did not confirm that collection stops; nothing was signed", retry_after_seconds=5
            ) from error
        return opened.attempt, hold_id

    async def sign(
        self, uow: UnitOfWork, plan_id: UUID, *, attempt: int, hold_id: UUID, signed_at: datetime | None
    ) -> Plan:
        """Step 3 of signing. The party is locked. Raises PlanNotOpen, SigningExpired, InvalidRequest."""
        plan = await self._found(uow, plan_id)
        if plan.state is PlanState.SIGNED:  # the same signature arrived twice; the first one counts
            return plan
        if signed_at is not None and not plan.proposed_at <= signed_at <= uow.now:
            detail = "must lie between the proposal and now"
            raise InvalidRequest(errors=[FieldError("body", "/signed_at", "out_of_range", detail)])
        await self._require_no_other(uow, plan)
        change = plans.sign(
            plan,
            attempt=attempt,
            hold_id=hold_id,
            signed_at=signed_at or uow.now,
            now=uow.now,
            real_now=uow.real_now,
        )
        await self._keep(uow, [change])
        return change.plan

    async def _require_no_other(self, uow: UnitOfWork, plan: Plan) -> None:
        for other in await self._store.of_parties(uow, [plan.party_id]):
            if other.case_id == plan.case_id and other.plan_id != plan.plan_id and other.is_running:
                raise PlanAlreadyActive()

    async def _found(self, uow: UnitOfWork, plan_id: UUID) -> Plan:
        plan = await self._store.load(uow, plan_id)
        if plan is None:
            raise NotFound("there is no such plan")
        return plan

    async def _keep(self, uow: UnitOfWork, changes: Sequence[Change]) -> None:
        await self._store.save(uow, [change.plan for change in changes])
        for change in changes:
            for event in change.events:
                uow.emit(event)
            for intent in change.intents:
                uow.intend(intent)
