"""Plans that run on from another system, over HTTP."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator

from services.plans.domain.imported import CutoverState, OldPlan
from services.plans.domain.origin import Basis
from services.plans.schemas import Amount, Debt
from shared.events.base import PartyId, Reference
from shared.events.plan import Instalment
from shared.moments import Moment
from shared.money import Money
from shared.web.shown_as import ShownAs

MAX_PLANS = 500


class BeginPlans(BaseModel):
    """Begin to import plans of a cut-over that compliance has begun."""

    model_config = ConfigDict(extra="forbid")

    cutover_id: Reference = Field(description="Name of the cut-over.")


class OldInstalment(BaseModel):
    """What is still to be paid of one instalment."""

    model_config = ConfigDict(extra="forbid")

    due_date: date = Field(description="Due date.")
    rest: Amount = Field(description="What is unpaid of it at the cut-over.")


class ImportedPlan(BaseModel):
    """A plan or promise that runs in the other system."""

    model_config = ConfigDict(extra="forbid")

    record_ref: Reference = Field(description="The other system's own reference: sent again, it is the same plan.")
    party_id: PartyId
    basis: Basis = Field(description="`signed_plan` names its document; `promise` is somebody's word.")
    kind: Literal["instalments", "token", "pause"] = Field(description="Kind of arrangement.")
    instalments: list[OldInstalment] = Field(max_length=60, description="What is still to be paid, by due date.")
    debt: Debt = Field(description="What is owed at the cut-over.")
    agreed_at: Moment = Field(description="When it was agreed there.")
    review_on: date = Field(description="Date of the next review.")
    document_ref: Reference | None = Field(None, description="The other system's reference of the signed document.")
    document_sha256: str | None = Field(None, pattern=r"^[0-9a-f]{64}$", description="SHA-256 of that document.")
    hold_id: UUID = Field(description="Compliance's hold, imported before, that stops collection while it is kept.")
    hold_stands: bool = Field(
        True, description="Whether that hold stands. On one that has ended nothing is imported that was not before."
    )

    @model_validator(mode="after")
    def _signed_plan_has_a_document(self) -> Self:
        if self.basis == "signed_plan" and (self.document_ref is None or self.document_sha256 is None):
            raise ValueError("a signed plan names its document and the digest of it")
        return self

    @model_validator(mode="after")
    def _schedule_is_one(self) -> Self:
        due = [one.due_date for one in self.instalments]
        if due != sorted(set(due)) or any(one.rest.currency != self.debt.currency for one in self.instalments):
            raise ValueError("instalments are in order of their due dates, one a date, in the currency of the debt")
        if (self.kind == "pause") != (not self.instalments):
            raise ValueError("a pause has no instalments, every other plan has some")
        if sum(one.rest.amount_minor for one in self.instalments) > self.debt.amount_minor:
            raise ValueError("more is to be paid than is owed")
        return self

    def old_plan(self) -> OldPlan:
        """What the domain works with."""
        currency = self.debt.currency
        open_rests = [one for one in self.instalments if one.rest.amount_minor]
        return OldPlan(
            record_ref=self.record_ref,
            party_id=self.party_id,
            basis=self.basis,
            kind=self.kind,
            instalments=tuple(
                Instalment(number=number, due_date=one.due_date, amount=one.rest)
                for number, one in enumerate(open_rests, start=1)
            ),
            total=Money(amount_minor=sum(one.rest.amount_minor for one in open_rests), currency=currency),
            debt=self.debt,
            agreed_at=self.agreed_at,
            review_on=self.review_on,
            document_ref=self.document_ref,
            document_sha256=self.document_sha256,
            hold_id=self.hold_id,
            hold_stands=self.hold_stands,
        )


class ImportedPlans(BaseModel):
    """Plans of one cut-over. Each stands for itself: a bad one is refused, the others are imported."""

    model_config = ConfigDict(extra="forbid")

    items: list[Annotated[JsonValue, ShownAs(ImportedPlan)]] = Field(
        min_length=1, max_length=MAX_PLANS, description="The plans."
    )
    final: bool = Field(
        False,
        description="The last try: the hold of a plan that is refused now ends, unless a running plan of the person "
        "stands on it.",
    )


class LeftOutPlan(BaseModel):
    """A plan that was announced and is not imported, because its person was erased meanwhile."""

    model_config = ConfigDict(extra="forbid")

    record_ref: Reference = Field(description="The other system's own reference; kept as a commitment (HMAC).")
    total: Amount = Field(description="What is still to be paid on it.")


class LeftOutPlans(BaseModel):
    """Plans of erased people; each counts once."""

    model_config = ConfigDict(extra="forbid")

    items: list[LeftOutPlan] = Field(min_length=1, max_length=MAX_PLANS, description="The plans.")


class ImportedPlanResult(BaseModel):
    """What became of one plan."""

    position: int = Field(ge=0, description="Its place in the request, from 0.")
    status: Literal["good", "imported", "repeated", "refused"] = Field(
        description="`good`: can be read; `imported` now; `repeated`: imported before; `refused`: see `problem`."
    )
    plan_id: UUID | None = Field(None, description="The plan.")
    problem: dict[str, JsonValue] | None = Field(
        None, description="Why it was refused (RFC 9457); `case-not-open` may be sent again once the case is known."
    )


class ImportedPlanResults(BaseModel):
    """Results in the order of the plans."""

    items: list[ImportedPlanResult] = Field(description="One per plan.")


class PlansOfCutover(BaseModel):
    """What plans holds of a cut-over, counted anew."""

    cutover_id: str = Field(description="Name.")
    business_date: date = Field(description="Payments after it count.")
    state: CutoverState = Field(description="`importing`, then `closed`.")
    held: int = Field(description="Plans and promises held.")
    total: list[Money] = Field(description="Sums still to be paid at the cut-over, one per currency.")
    left_out: int = Field(description="Plans not held because their person was erased meanwhile.")
    left_out_total: list[Money] = Field(description="Sums still to be paid on those, one per currency.")
