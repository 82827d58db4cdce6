"""Decisions in words, over HTTP."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from pydantic import BaseModel, Field, JsonValue

from services.compliance.domain.counterfactuals import ChangeKind, DenyingKind
from services.compliance.domain.explanations import Voice
from shared.access.texts import Language
from shared.moments import Moment


class ExplainedRuleView(BaseModel):
    """One rule of the decision."""

    rule: str = Field(description="Id of the rule.", examples=["CN-GBT45251-HOURS"])
    citation: str = Field(description="The law, standard or policy behind it.")
    answer: Literal["allow", "deny", "needs-fact"] = Field(description="What it answered.")
    confidence: str | None = Field(description="How sure we are of the rule's source; null: policy.")
    detail: str | None = Field(description="What was in the way; null where nothing was.")
    values: dict[str, JsonValue] = Field(description="The values that it looked at.")


class ChangeView(BaseModel):
    """One fact otherwise than it was."""

    kind: ChangeKind | DenyingKind = Field(
        description="What sort of change: another moment, a fact found out, a permission ..."
    )
    subject: str = Field(description="The fact, or the rule to be permitted.", examples=["balance"])
    was: JsonValue = Field(description="What it was; null: not known.")
    would_be: JsonValue = Field(description="What it would have been.")


class CounterfactualView(BaseModel):
    """Which fact would have changed the answer, found by judging the decision again with it changed."""

    changes: list[ChangeView] = Field(
        description="Of a refusal, the one change that would have allowed it; several where only all of them would. Of "
        "an allow, the one nearest at hand that would have denied it. None where none would."
    )
    missing: Literal["erased", "not_replayable", "damaged", "rules_not_kept"] | None = Field(
        description="Why it cannot be said: the person was erased, the decision was recorded before facts were kept, "
        "what is kept is not what it names, or its rules were never kept."
    )


class ExplanationView(BaseModel):
    """A decision in words."""

    decision_id: UUID = Field(description="The decision.")
    answer: Literal["allow", "deny", "needs-fact"] = Field(description="The answer.")
    voice: Voice = Field(description="Who reads it.")
    language: Language = Field(description="Language of the text.")
    text: str = Field(description="The explanation.")
    earliest_lawful: Moment | None = Field(description="Business time from which all rules would have allowed it.")
    lawful_after: str | None = Field(description="Auditor only: the event that had to come first; `never`: none.")
    rules: list[ExplainedRuleView] = Field(description="Auditor only: every rule that was asked, refusing ones first.")
    rule_set: str = Field(description="Hash of the rules by which it was decided.")
    counterfactual: CounterfactualView | None = Field(
        description="Auditor only: which fact would have changed the answer."
    )
    facts_as_of: dict[str, Moment] = Field(
        description="Auditor only: since when each fact was so, or was last known to be; balance and watermarks in "
        "real time."
    )
