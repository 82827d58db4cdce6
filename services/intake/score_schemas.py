"""What intake's API says of scores."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from services.intake.scoring.artefact import Purpose
from services.intake.scoring.features import Segment
from shared.events.base import CaseId
from shared.moments import Moment

UnavailableBecause = Literal[
    "not_overdue",
    "not_scored_yet",
    "segment_not_shown",
    "demonstration_only",
    "not_backtested",
    "not_approved",
    "no_randomised_controls",
]


class ScoreReason(BaseModel):
    """One thing that was looked at, with the points it earned against the neutral value 0."""

    code: str = Field(description="`characteristic:value`; lateness in begun months, shares paid in per mille.")
    points: int = Field(description="Points; negative: it spoke against the customer.")


class AvailableScore(BaseModel):
    """A score that may be shown."""

    state: Literal["available"] = Field("available", description="There is a number.")
    probability: float = Field(ge=0, le=1, description="Probability within the next month, under unknown treatment.")
    points: int = Field(description="Points; more always speak for the customer, 50 more double the odds.")
    reasons: list[ScoreReason] = Field(max_length=3, description="Up to three, those with the fewest points first.")


class UnavailableScore(BaseModel):
    """Why there is no number. It is not a low score, and not zero."""

    state: Literal["unavailable"] = Field("unavailable", description="There is no number.")
    because: UnavailableBecause = Field(description="Why.")
    detail: str = Field(description="The same in words.")
    citation: str = Field(description="Where it is explained.")


ScoreAnswer = Annotated[AvailableScore | UnavailableScore, Field(discriminator="state")]


class ScoreModel(BaseModel):
    """The model that scored."""

    version: str = Field(description="Its name.")
    sha256: str = Field(description="SHA-256 of the model; its card names it.")
    purpose: Purpose = Field(description="`demonstration` is never used in production.")


class CaseScore(BaseModel):
    """What will probably become of a case in the next month. It may order help or contact, and never makes a visit."""

    case_id: CaseId
    as_of: date | None = Field(description="Business date of what was looked at; null without a score.")
    scored_at: Moment | None = Field(description="When it was scored, business time; null without a score.")
    segment: Segment | None = Field(description="Days past due, and whether it is known how late the case was before.")
    model: ScoreModel | None = Field(description="The model; null without a score.")
    treatment: Literal["unknown"] = Field(
        "unknown", description="The data do not say who was contacted: nothing here says what contact would change."
    )
    cure: ScoreAnswer = Field(description="That nothing is past due a month later.")
    roll: ScoreAnswer = Field(description="That it is later by a month or more, a month later.")
    payment: ScoreAnswer = Field(description="That any money is paid within the month.")
    without_contact: ScoreAnswer = Field(description="That it cures in 30 days when nobody contacts the customer.")
    recovery: ScoreAnswer = Field(description="The share of the overdue amount that is paid within 180 days.")
    uplift: ScoreAnswer = Field(description="By how much the offer of a visit raises the chance of a cure in 30 days.")
