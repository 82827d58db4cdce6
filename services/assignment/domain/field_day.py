"""A field day as it is kept: what was asked, how far planning is, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Literal
from uuid import UUID

from services.assignment.domain.routing import Call, RouteFigures
from services.assignment.domain.routing_problem import Route
from services.assignment.domain.travel import TravelModel

DayStatus = Literal["selecting", "routing", "planned"]
AreaStatus = Literal["waiting", "planned", "failed"]


@dataclass(frozen=True, kw_only=True)
class FieldDay:
    """One local date on which visits are made; planned once."""

    field_day_id: UUID
    day: date
    status: DayStatus
    policy_id: str
    max_visits: int | None
    requested_at: datetime
    planned_at: datetime | None = None
    eligible: int = 0
    not_chosen: dict[str, int] = field(default_factory=dict)
    refused_pairs: dict[str, str] = field(default_factory=dict)
    travel_model: TravelModel | None = None


@dataclass(frozen=True, kw_only=True)
class FieldArea:
    """A part of the day that is routed in one piece."""

    area_number: int
    pair_ids: tuple[UUID, ...]
    party_ids: tuple[UUID, ...]
    status: AreaStatus = "waiting"


@dataclass(frozen=True, kw_only=True)
class PairRoute:
    """One pair's route as it was planned."""

    pair_id: UUID
    area_number: int
    crew: tuple[UUID, ...]
    device_id: str
    stops: int
    figures: RouteFigures
    departs_at: datetime
    returns_at: datetime
    rest_start_at: datetime | None
    cost_minor: int
    cost_currency: str


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """A party that was handed to the router but is not visited, and why."""

    party_id: UUID
    reason: str
    rules: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class RoutedArea:
    """The router's answer for an area, with what is needed to act on it."""

    calls: tuple[Call, ...]
    routes: tuple[tuple[UUID, Route, RouteFigures], ...]
    left_out: tuple[LeftOut, ...]
    origin: datetime
