"""What the API reads and answers."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from services.plans.domain.document import signature_code
from services.plans.domain.origin import Basis
from services.plans.domain.plan import Plan
from services.plans.domain.protected_minimum import Household
from shared.events.base import CaseId, PartyId, PlanId
from shared.events.plan import Instalment
from shared.moments import Moment
from shared.money import Money


def _not_negative(money: Money) -> Money:
    if money.amount_minor < 0:
        raise ValueError("must not be negative")
    return money


def _positive(money: Money) -> Money:
    if money.amount_minor <= 0:
        raise ValueError("must be more than zero")
    return money


Amount = Annotated[Money, AfterValidator(_not_negative)]
Debt = Annotated[Money, AfterValidator(_positive)]


class ProposePlan(BaseModel):
    """The household's month as the customer tells it, and the debts the plan is for; all in one currency."""

    model_config = ConfigDict(extra="forbid")

    party_id: UUID = Field(description="The customer.")
    case_id: UUID = Field(description="The case.")
    visit_id: UUID | None = Field(None, description="Visit at which it is made, if any.")
    household: Household = Field(description="The people who live from the income below.")
    monthly_income: Amount = Field(description="Net income of the household.")
    monthly_rent: Amount = Field(description="Rent or housing cost.")
    other_commitments: Amount = Field(description="Other obligations that must be paid.")
    wished_instalment: Amount | None = Field(None, description="What the customer would like to pay; none: the most.")
    debts: list[Debt] = Field(min_length=1, max_length=100, description="Debts in the plan; not more than is owed.")

    @model_validator(mode="after")
    def _one_currency(self) -> Self:
        amounts = [self.monthly_income, self.monthly_rent, self.other_commitments, *self.debts]
        if self.wished_instalment is not None:
            amounts.append(self.wished_instalment)
        if len({amount.currency for amount in amounts}) != 1:
            raise ValueError("all amounts of a plan are in one currency")
        return self

    @property
    def debt(self) -> Money:
        """Sum of the debts."""
        return Money(amount_minor=sum(debt.amount_minor for debt in self.debts), currency=self.monthly_income.currency)


class SignPlan(BaseModel):
    """The customer's signature."""

    model_config = ConfigDict(extra="forbid")

    customer_signature_code: str = Field(
        min_length=4, max_length=32, description="The code printed under the document, typed by the customer."
    )
    signed_at: Moment | None = Field(None, description="Business time, never ahead of now; none: now.")


class ImportedFrom(BaseModel):
    """The other system's agreement behind an imported plan."""

    cutover_id: str = Field(description="The cut-over that brought it.")
    basis: Basis = Field(description="`signed_plan`: a signed agreement there; `promise`: somebody's word there.")
    document_ref: str | None = Field(description="The other system's reference of its document.")
    agreed_at: Moment = Field(description="When it was agreed there.")


class PlanView(BaseModel):
    """A plan as it stands."""

    plan_id: PlanId
    party_id: PartyId
    case_id: CaseId
    visit_id: UUID | None = Field(description="Visit at which it was made, if any.")
    kind: Literal["instalments", "token", "pause"] = Field(
        description="`instalments` repay the debt, `token` pays what is possible until the review, `pause` nothing."
    )
    state: Literal["proposed", "signed", "imported", "completed", "broken", "superseded", "lapsed"] = Field(
        description="`proposed`, then `signed`, then `completed` or `broken`; a proposal may end `superseded` or "
        "`lapsed`. One that runs on from another system is `imported` first: nobody signed it with us."
    )
    version: int = Field(description="Grows by one with each change.")
    debt: Money = Field(description="What was owed when it was made.")
    total: Money = Field(description="Sum of the schedule, exact; of an imported plan what was open at the cut-over.")
    paid: Money = Field(description="Payments matched so far.")
    instalments: list[Instalment] = Field(description="The schedule, at most 60 months; empty for a pause.")
    monthly_surplus: Money | None = Field(
        description="What the household has above its protected minimum (may be negative); null: imported."
    )
    table_id: str | None = Field(description="Protected-minimum table used; null: imported.")
    review_on: date = Field(description="Date of the next review.")
    proposed_at: Moment = Field(description="Business time.")
    signed_at: Moment | None = Field(description="Business time; null until signed.")
    completed_at: Moment | None = Field(description="Business time; null until paid or cured.")
    hold_id: UUID | None = Field(description="Compliance's hold that stops collection.")
    document: str = Field(description="The agreement in plain words; the customer gets a copy.")
    document_sha256: str | None = Field(
        description="SHA-256 of the document's UTF-8 text, hexadecimal; of an imported plan that of the other system's "
        "document; null: a promise has none."
    )
    signature_code: str | None = Field(description="Printed under the document while it can be signed.")
    imported: ImportedFrom | None = Field(None, description="Where an imported plan comes from; null: made here.")

    @classmethod
    def of(cls, plan: Plan) -> Self:
        """The view of a plan."""
        return cls(
            plan_id=plan.plan_id,
            party_id=plan.party_id,
            case_id=plan.case_id,
            visit_id=plan.visit_id,
            kind=plan.kind,
            state=plan.state.value,
            version=plan.version,
            debt=plan.debt,
            total=plan.total,
            paid=plan.paid,
            instalments=list(plan.instalments),
            monthly_surplus=plan.surplus,
            table_id=plan.table_id,
            review_on=plan.review_on,
            proposed_at=plan.proposed_at,
            signed_at=plan.signed_at,
            completed_at=plan.completed_at,
            hold_id=plan.hold_id,
            document=plan.document,
            document_sha256=plan.document_sha256,
            signature_code=signature_code(plan.document) if plan.state.value == "proposed" else None,
            imported=None
            if plan.imported is None
            else ImportedFrom(
                cutover_id=plan.imported.cutover_id,
                basis=plan.imported.basis,
                document_ref=plan.imported.document_ref,
                agreed_at=plan.imported.agreed_at,
            ),
        )


class PlansOfParty(BaseModel):
    """A party's plans, oldest first."""

    items: list[PlanView] = Field(description="The plans, ended ones included.")


class PlansSummary(BaseModel):
    """Figures over all plans."""

    plans: dict[str, int] = Field(description="Plans by state.")
    kinds_signed: dict[str, int] = Field(description="Signed and completed plans by kind.")
    refusals: dict[str, int] = Field(description="Refused proposals by rule.")
    agreed: list[Money] = Field(description="Sum of signed schedules, one per currency.")
    paid: list[Money] = Field(description="Matched payments, one per currency.")
    payments_matched: int = Field(description="Payments that count on a plan.")
