"""What intake is told besides the settings of every service (prefix `DOORSTEP_INTAKE_`)."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo

import msgspec
from pydantic import Field, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.intake.domain.calendar import USUAL_WEEK, BusinessCalendar
from services.intake.domain.policy import USUAL_BUCKETS, DelinquencyPolicy
from shared.money import known_currency

Days = Annotated[int, Field(ge=0, le=40_000)]
Minor = Annotated[int, Field(ge=0)]
LastDays = Annotated[tuple[Days, ...], Field(min_length=1, max_length=8)]


class IntakeSettings(BaseSettings):
    """The tenant's calendar and its delinquency policy."""

    model_config = SettingsConfigDict(env_prefix="DOORSTEP_INTAKE_", extra="ignore", frozen=True)

    time_zone: str = Field("Asia/Shanghai", description="IANA zone of the tenant's business dates.")
    days_ahead: int = Field(
        1,
        ge=0,
        le=7,
        description="How far a business date may lie after the expected one: cores roll over in the evening.",
    )
    bucket_last_days: LastDays | dict[date, LastDays] = Field(
        USUAL_BUCKETS,
        description="Last DPD of B1, B2 and so on, 1 to 8 of them; more is one bucket further, which is open. One "
        "list, or a list for each first business date; the first one counts for the days before it, too.",
        examples=[{"2020-01-01": [30, 60, 90, 180], "2026-07-01": [30, 60, 90, 120, 150, 180]}],
    )
    grace_days: Days = Field(0, description="Days after a due date that effective DPD leaves out.")
    materiality_minor: dict[str, Minor | dict[date, Minor]] = Field(
        default_factory=dict,
        description="Unpaid rest per currency, minor units, up to which an item is not past due: one number, or a "
        "number for each first day.",
        examples=[{"CNY": {"2026-07-01": 10_000}}],
    )
    moved_products: frozenset[Literal["card", "consumer", "mortgage", "business"]] = Field(
        frozenset(),
        description="Product classes whose contracts move a due date on a non-business day to the next business day.",
    )
    calendar: Path | None = Field(
        None,
        description="TOML file with the bank's `weekend` (ISO weekdays), `holidays` and `working_days`; needed where "
        "due dates move.",
    )
    feed_folder: Path | None = Field(
        None,
        description="Contracts of the feeds' tapes, with approvers and approvals; a tape that one of them promises and "
        "that does not come suspends its core.",
    )
    score_folder: Path | None = Field(
        None,
        description="The bank's score model, its back-test and approvals; the shipped one when left out.",
    )
    scoring_batch: int = Field(20_000, ge=1, le=100_000, description="Cases scored in one transaction.")
    strategy_folder: Path | None = Field(
        None,
        description="The bank's strategy, its simulation and approvals; the shipped one when left out.",
    )
    choose_after_seconds: float = Field(
        2.0,
        ge=0,
        le=60,
        description="Time after facts of the core until the next action of their cases is chosen, in which further "
        "facts of the same cases are waited for.",
    )
    reconcile_after_close: bool = Field(
        True, description="Compare all books with the core's after each day close, where its balance port is known."
    )
    ageing_batch: int = Field(500, ge=1, le=5_000, description="Cases aged in one transaction of the day close.")

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        ZoneInfo(name)
        return name

    @field_validator("materiality_minor")
    @classmethod
    def _known_currencies(cls, limits: dict[str, Any]) -> dict[str, Any]:
        return {known_currency(currency): limit for currency, limit in limits.items()}

    @model_validator(mode="after")
    def _policy_in_order(self) -> Self:
        self.policy()
        return self

    def policy(self) -> DelinquencyPolicy:
        """The delinquency policy. Raises ValueError when its limits are not in order."""
        if self.moved_products and self.calendar is None:
            raise ValueError("due dates that move need a calendar")
        told = self.bucket_last_days
        limits = tuple(sorted(told.items())) if isinstance(told, dict) else ((date.min, told),)
        return DelinquencyPolicy(
            bucket_limits=limits,
            grace_days=self.grace_days,
            materiality_minor={
                currency: tuple(sorted(limit.items())) if isinstance(limit, dict) else ((date.min, limit),)
                for currency, limit in self.materiality_minor.items()
            },
            calendar=USUAL_WEEK if self.calendar is None else _calendar(self.calendar),
            moved_products=self.moved_products,
        )

    def local_date(self, moment: datetime) -> date:
        """The tenant's calendar date at `moment`."""
        return moment.astimezone(ZoneInfo(self.time_zone)).date()


def _calendar(path: Path) -> BusinessCalendar:
    """Raises OSError, msgspec.ValidationError (a ValueError) where the file does not say a calendar."""
    return msgspec.toml.decode(path.read_bytes(), type=BusinessCalendar, strict=True)
