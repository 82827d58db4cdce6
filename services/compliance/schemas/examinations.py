"""Examinations over HTTP."""

from __future__ import annotations

from typing import Any, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from shared.moments import Moment

ExaminedList = Literal["contacts", "decisions", "facts", "permits", "findings", "complaints", "holds"]


class GrantExamination(BaseModel):
    """What an outside examiner may read, and until when. Exactly one of `party_id`, `case_id`, `month` and `year`."""

    model_config = ConfigDict(extra="forbid")

    examiner: str = Field(min_length=3, max_length=200, description="The examiner: subject of their access token.")
    authority: str = Field(min_length=5, max_length=500, description="On what order, with its number.")
    party_id: UUID | None = Field(None, description="One party, all cases.")
    case_id: UUID | None = Field(None, description="One case.")
    month: str | None = Field(None, pattern=r"^\d{4}-\d{2}$", description="A month of business time.")
    year: str | None = Field(None, pattern=r"^\d{4}$", description="A year of business time.")
    zone: str = Field("UTC", max_length=64, description="Calendar of the month or year (IANA name).")
    valid_from: Moment = Field(description="Real time from which it is open.")
    valid_to: Moment = Field(description="Real time at which it closes; at most 90 days later.")

    @model_validator(mode="after")
    def _one_scope(self) -> Self:
        if sum(one is not None for one in (self.party_id, self.case_id, self.month, self.year)) != 1:
            raise ValueError("name exactly one of party_id, case_id, month and year")
        return self


class EndExamination(BaseModel):
    """Why a grant is taken back."""

    model_config = ConfigDict(extra="forbid")

    reason: str = Field(min_length=5, max_length=500, description="Why.")


class ExaminationView(BaseModel):
    """A grant as it stands."""

    grant_id: UUID = Field(description="The grant; the examiner names it in every read.")
    examiner: str = Field(description="The examiner: subject of their access token.")
    authority: str = Field(description="On what order.")
    scope_kind: str = Field(description="`case`, `party`, `month` or `year`.", examples=["case"])
    scope_name: str = Field(description="Which one.")
    valid_from: Moment = Field(description="Real time from which it is open.")
    valid_to: Moment = Field(description="Real time at which it closes.")
    granted_by: str = Field(description="Who granted it (subject of the access token).")
    ended_at: Moment | None = Field(description="Real time at which it was taken back, if it was.")


class ExaminedRow(BaseModel):
    """One row of a list, as evidence packs show it (docs/evidence-pack.md)."""

    position: int = Field(description="Its place in the list, from 0; another case's rows leave gaps.", examples=[0])
    row: dict[str, Any] = Field(description="The row.")


class ExaminationReadView(BaseModel):
    """One read by an examiner."""

    number: int = Field(description="Number of the read, rising.", examples=[1])
    by_whom: str = Field(description="The examiner: subject of the access token.")
    client_id: str = Field(description="The software that read.", examples=["examiner"])
    list: str = Field(description="What was read.", examples=["contacts"])
    position: int = Field(description="From which position on.", examples=[0])
    rows: int = Field(description="How many rows the answer held.", examples=[25])
    read_at: Moment = Field(description="Real time.")
