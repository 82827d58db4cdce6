"""The bank's policy of following an agreement up: readable, dated TOML, checked when it is loaded."""

from __future__ import annotations

import tomllib
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from shared.money import Currency

DEFAULT_POLICIES = Path(__file__).parent.parent / "data" / "follow-up.toml"
Days = Annotated[int, Field(ge=1, le=366)]


class FollowUpPolicy(BaseModel):
    """One dated policy; the file's comments say what each line means. Days are whole local dates of the tenant."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(pattern=r"^[A-Za-z0-9._:-]{1,64}$")
    valid_from: date
    time_zone: str
    channel: Literal["sms", "email", "letter"]
    reminder_days_before: int = Field(ge=0, le=28)
    grace_days: int = Field(ge=0, le=90)
    help_wait_days: Days
    missed_before_warning: int = Field(ge=2, le=12)
    last_missed_days: int = Field(ge=30, le=366)
    cure_days: int = Field(ge=7, le=366)
    most_more_days: Days
    pausing_holds: frozenset[str] = Field(min_length=1)
    other_holds: frozenset[str]
    materiality_minor: dict[Currency, Annotated[int, Field(ge=0)]] = Field(default_factory=dict)

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except ZoneInfoNotFoundError as error:
            raise ValueError("not an IANA zone") from error
        return value

    @model_validator(mode="after")
    def _apart(self) -> Self:
        if both := self.pausing_holds & self.other_holds:
            raise ValueError(f"a hold pauses or does not: {sorted(both)}")
        return self

    def pauses(self, kind: str) -> bool:
        """Whether a hold of this kind pauses; one that the policy does not know does."""
        return kind not in self.other_holds

    def today(self, now: datetime) -> date:
        """The tenant's local date."""
        return now.astimezone(ZoneInfo(self.time_zone)).date()


class FollowUpPolicies(BaseModel):
    """All parts of the file, the oldest first."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    policy: tuple[FollowUpPolicy, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        begins = [one.valid_from for one in self.policy]
        if begins != sorted(set(begins)):
            raise ValueError("policies are in the order of `valid_from`, each from a day of its own")
        return self

    @classmethod
    def load(cls, path: Path = DEFAULT_POLICIES) -> Self:
        """Read a file. Raises pydantic.ValidationError naming the field, OSError, tomllib.TOMLDecodeError."""
        return cls.model_validate(tomllib.loads(path.read_text()))

    def at(self, now: datetime) -> FollowUpPolicy:
        """The policy in force; before the first one begins, the first one."""
        begun = [one for one in self.policy if one.valid_from <= one.today(now)]
        return begun[-1] if begun else self.policy[0]
