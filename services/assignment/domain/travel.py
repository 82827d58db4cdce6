"""Travel times: a port, and its default without map data.

The default is a haversine calibrated per area, `a + b * km` (routing.md 5: an uncalibrated speed made 11-15 % of visits
late). Engines such as OSRM or Valhalla are further adapters of the same port. Model id and parameters stay on every
plan.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from services.assignment.domain.policy import TravelPolicy
from services.assignment.domain.routing_problem import Matrix
from shared.geo import Point, distance_m


@dataclass(frozen=True, kw_only=True)
class TravelMatrix:
    """Whole seconds and road metres from each point (row) to each point (column)."""

    seconds: Matrix
    metres: Matrix


@dataclass(frozen=True, kw_only=True)
class TravelModel:
    """What identifies the model that a plan was made with."""

    model_id: str
    parameters: dict[str, int]


class TravelPort(Protocol):
    """Answers travel times between points."""

    @property
    def model(self) -> TravelModel:
        """Identity and parameters, kept on the plan."""
        ...

    def matrix(self, points: Sequence[Point]) -> TravelMatrix:
        """All pairs. Blocking: call it in a thread."""
        ...


class CalibratedHaversine:
    """`seconds = a + b * straight km`; the same place costs nothing."""

    def __init__(self, policy: TravelPolicy) -> None:
        self._policy = policy

    @property
    def model(self) -> TravelModel:
        """Identity and parameters."""
        parameters = {
            "a_seconds": self._policy.a_seconds,
            "b_seconds_per_km": self._policy.b_seconds_per_km,
            "road_factor_percent": self._policy.road_factor_percent,
        }
        return TravelModel(model_id=self._policy.model_id, parameters=parameters)

    def matrix(self, points: Sequence[Point]) -> TravelMatrix:
        """All pairs; symmetric, so each distance is computed once."""
        size = len(points)
        seconds = [[0] * size for _ in points]
        metres = [[0] * size for _ in points]
        for i in range(size):
            for j in range(i):
                straight_m = distance_m(points[i], points[j])
                if straight_m < 1:
                    continue
                seconds[i][j] = seconds[j][i] = self.seconds(straight_m)
                metres[i][j] = metres[j][i] = round(straight_m * self._policy.road_factor_percent / 100)
        return TravelMatrix(seconds=tuple(map(tuple, seconds)), metres=tuple(map(tuple, metres)))

    def seconds(self, straight_m: float) -> int:
        """Travel time over a straight distance, rounded up: a plan may be slow, never too fast."""
        return -(-round(self._policy.a_seconds * 1000 + self._policy.b_seconds_per_km * straight_m) // 1000)
