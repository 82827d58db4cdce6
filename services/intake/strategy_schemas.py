"""What intake's API says of next actions, and what the bank's systems tell it of steps that were taken."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from services.intake.strategy.history import KindStep, Recordable
from shared.events.base import CaseId, PartyId, Reference
from shared.events.case import NextAction, StrategyArm
from shared.moments import Moment

Name = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f]+$")]


class StrategyUsed(BaseModel):
    """The strategy that chose."""

    id: str = Field(description="Its id.")
    version: int = Field(ge=0, description="Its version; 0: it may not be used, so everything waits.")
    sha256: str = Field(description="SHA-256 of its file.")
    arm: StrategyArm = Field(description="Whether it is in force or tried beside the one that is.")


class NextActionItem(BaseModel):
    """A case with its next action."""

    case_id: CaseId
    party_id: PartyId
    action: NextAction = Field(description="What happens next.")
    reasons: list[str] = Field(description="Why, as codes.")
    rule: str = Field(description="Rule that chose.")
    next_on: date | None = Field(description="When time alone can change it; null: only a fact can.")
    number: int = Field(ge=0, description="Number of the choice on topic `case`; 0: none was told, the case waits.")
    strategy: StrategyUsed = Field(description="By which strategy.")
    chosen_at: Moment = Field(description="When it was chosen, business time.")


class WalkedStep(BaseModel):
    """A softer step of the case, in the order of the strategy."""

    step: KindStep = Field(description="The step.")
    by: KindStep | None = Field(description="What stands for it; null: its channel is closed and nothing may.")
    done_on: date | None = Field(description="Day on which it was done in this arrears; null: not yet.")


class CaseNextAction(NextActionItem):
    """The next action of a case, with the steps that come before any visit."""

    steps: list[WalkedStep] = Field(description="All softer steps, done or not, as things are now.")


class ActionCount(BaseModel):
    """Open cases with one next action."""

    action: NextAction = Field(description="The action.")
    champion: int = Field(ge=0, description="Cases by the strategy in force.")
    challenger: int = Field(ge=0, description="Cases by the one that is tried.")


class ActionFigures(BaseModel):
    """How many open cases have which next action."""

    actions: list[ActionCount] = Field(description="By action, those with cases only.")
    not_used: Literal["demonstration_only", "not_simulated", "not_approved"] | None = Field(
        description="Why the strategy may not be used, so that everything waits; null: it is used."
    )


class TakenStep(BaseModel):
    """A step that the bank has taken with a person."""

    model_config = ConfigDict(extra="forbid")

    core: Name = Field(description="The core that knows the person.")
    party_ref: Name = Field(description="The core's reference of the person.")
    step: Recordable = Field(
        description="What was done. `legal_review`: a person has looked at the case, and it may go on."
    )
    done_at: Moment = Field(description="When, business time.")
    reference: Reference = Field(description="The sending system's reference: the same step has one, and counts once.")
    vouched: Literal["acknowledged", "attested"] = Field(
        description="`acknowledged`: by the system that did it; `attested`: as history, at a cut-over."
    )


class TakenSteps(BaseModel):
    """Up to 1,000 steps."""

    model_config = ConfigDict(extra="forbid")

    items: list[TakenStep] = Field(min_length=1, max_length=1_000, description="The steps.")


class StepsHeld(BaseModel):
    """How many of the steps that were named are kept."""

    held: int = Field(ge=0, description="Steps kept.")
    of_nobody: int = Field(ge=0, description="Steps of references that lead to nobody, as after an erasure.")


class TakenStepResult(BaseModel):
    """What became of one step."""

    reference: str = Field(description="Its reference.")
    outcome: Literal["recorded", "duplicate", "unknown_party", "in_future"] = Field(
        description="`unknown_party`: send it again once the core has told of the person. What is attested is kept "
        "until it does."
    )


class TakenStepResults(BaseModel):
    """Results in the order of the steps."""

    items: list[TakenStepResult] = Field(description="One per step.")
