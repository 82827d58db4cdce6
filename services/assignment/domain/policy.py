"""The bank's selection policy: a readable TOML file, checked when it is loaded."""

from __future__ import annotations

import tomllib
from datetime import date, time, timedelta
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from shared.events.case import Bucket
from shared.money import Currency, Money

DEFAULT_POLICY = Path(__file__).parent.parent / "data" / "selection-policy.toml"

CoolingCause = Literal[
    "declined", "expired", "offer_refused", "stop_request", "withdrawn", "permit_denied", "payment", "recalled",
    "aborted", "completed",
]  # fmt: skip
Days = Annotated[int, Field(ge=0, le=36_500)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class VisitPolicy(_Part):
    """How long a visit takes and how wide the span is that the customer is offered; minutes."""

    duration_minutes: int = Field(ge=5, le=240)
    slack_before_minutes: int = Field(ge=0, le=240)
    slack_after_minutes: int = Field(ge=0, le=240)
    rounding_minutes: int = Field(ge=1, le=60)


class DayPolicy(_Part):
    """How much is planned for one day."""

    visits_per_pair: int = Field(ge=1, le=40)
    reserve_percent: int = Field(ge=0, le=200)
    area_visits: int = Field(ge=1, le=300)
    exploration_level: int = Field(ge=0, le=5)
    furthest_days_ahead: int = Field(ge=1, le=60)
    reach_km: int = Field(ge=1, le=500)


class BreakPolicy(_Part):
    """One floating break per pair and day; local times of the pair's zone."""

    minutes: int = Field(ge=0, le=240)
    earliest_start: time
    latest_start: time
    needed_from_shift_hours: int = Field(ge=0, le=24)


class CostPolicy(_Part):
    """What a pair costs the bank, minor units."""

    currency: Currency
    per_hour_minor: int = Field(ge=0)
    per_km_minor: int = Field(ge=0)

    def cost(self, *, metres: int, seconds: int) -> Money:
        """Cost of a route, rounded up to whole minor units."""
        scaled = metres * self.per_km_minor * 36 + seconds * self.per_hour_minor * 10
        return Money(amount_minor=-(-scaled // 36_000), currency=self.currency)


class TravelPolicy(_Part):
    """Parameters of the default travel model; kept on every plan made with it."""

    model_id: str = Field(min_length=1, max_length=64)
    a_seconds: int = Field(ge=0, le=3_600)
    b_seconds_per_km: int = Field(ge=1, le=3_600)
    road_factor_percent: int = Field(ge=100, le=400)


class SelectionPolicy(_Part):
    """The whole policy. The default answer is 'do not visit'; nothing in the file can change that."""

    id: str = Field(min_length=1, max_length=64)
    default: Literal["do_not_visit"]
    minimum_days_past_due: int = Field(ge=1)
    buckets: tuple[Bucket, ...] = Field(min_length=1)
    minimum_overdue_minor: dict[Currency, Annotated[int, Field(ge=0)]]
    visit: VisitPolicy
    day: DayPolicy
    break_: BreakPolicy = Field(alias="break")
    cooling_days: dict[CoolingCause, Days]
    cost: CostPolicy
    travel: TravelPolicy

    @model_validator(mode="after")
    def _complete(self) -> Self:
        missing = set(CoolingCause.__args__) - set(self.cooling_days)  # type: ignore[attr-defined]
        if missing:
            raise ValueError(f"cooling_days lacks {sorted(missing)}")
        return self

    @classmethod
    def load(cls, path: Path = DEFAULT_POLICY) -> Self:
        """Read a policy file. Raises pydantic.ValidationError naming the field, OSError, tomllib.TOMLDecodeError."""
        return cls.model_validate(tomllib.loads(path.read_text()))

    def cool_until(self, cause: CoolingCause, today: date) -> date:
        """First local date on which the person may be asked again."""
        return today + timedelta(days=self.cooling_days[cause])
