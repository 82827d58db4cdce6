"""Decisions in words, over HTTP."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, Field, JsonValue

from services.compliance.domain.explanations import Language, Voice


class ExplainedRuleView(BaseModel):
    """One rule of the decision."""

    rule: str = Field(description="Id of the rule.", examples=["CN-GBT45251-HOURS"])
    citation: str = Field(description="The law, standard or policy behind it.")
    answer: Literal["allow", "deny", "needs-fact"] = Field(description="What it answered.")
    confidence: str | None = Field(description="How sure we are of the rule's source; null: policy.")
    detail: str | None = Field(description="What was in the way; null where nothing was.")
    values: dict[str, JsonValue] = Field(description="The values that it looked at.")


class ExplanationView(BaseModel):
    """A decision in words."""

    decision_id: UUID = Field(description="The decision.")
    answer: Literal["allow", "deny", "needs-fact"] = Field(description="The answer.")
    voice: Voice = Field(description="Who reads it.")
    language: Language = Field(description="Language of the text.")
    text: str = Field(description="The explanation.")
    earliest_lawful: AwareDatetime | None = Field(
        description="Business time from which all rules would have allowed it."
    )
    lawful_after: str | None = Field(description="Auditor only: the event that had to come first; `never`: none.")
    rules: list[ExplainedRuleView] = Field(description="Auditor only: every rule that was asked, refusing ones first.")
    rule_set: str = Field(description="Hash of the rules by which it was decided.")
