"""Duties over HTTP."""

from __future__ import annotations

from datetime import date

from pydantic import BaseModel, ConfigDict, Field

from services.compliance.domain.duties import INSTITUTION
from services.compliance.domain.rule_parts import DutyOwner
from shared.moments import Moment


class DutyView(BaseModel):
    """Where a duty with a time stands."""

    rule: str = Field(description="The rule that asks for it.", examples=["CN-CBA2026-VENDOR"])
    citation: str = Field(description="Where that is written.")
    duty: str = Field(description="What is to be done.", examples=["inspect the agency"])
    owner: DutyOwner = Field(description="Who in the institution does it.")
    place: str = Field(description="Where the rule holds; `*`: everywhere.", examples=["CN"])
    subject: str = Field(description="What it is done to; `institution`: the bank as a whole.", examples=["agency-7"])
    every_days: int | None = Field(None, description="Recurs after so many days.")
    within_days: int | None = Field(None, description="Done within so many days after its cause.")
    within_working_days: int | None = Field(None, description="Done within so many days from Monday to Friday.")
    within_hours: int | None = Field(None, description="Done within so many hours.")
    last_done: date | None = Field(None, description="When a person last recorded it; null: never, or seen by itself.")
    due_on: date | None = Field(None, description="When it is due; of what waits the earliest. Null: nothing waits.")
    due_at: Moment | None = Field(None, description="From when on that is late, where its time runs from a cause.")
    waiting: int = Field(description="How much waits for it: complaints, requests, reviews, or the duty itself.")
    late: int = Field(description="How much of that is overdue. Each is in the duty's finding.")


class DutyDone(BaseModel):
    """That a recurring duty was done."""

    model_config = ConfigDict(extra="forbid")

    subject: str = Field(
        INSTITUTION, min_length=2, max_length=80, pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._-]*$",
        description="What it was done to, such as the agency; never a person.", examples=["agency-7"],
    )  # fmt: skip
    done_on: date = Field(description="When it was done; not in the future.")
    reference: str = Field(min_length=3, max_length=200, description="The report or file that shows it.")
