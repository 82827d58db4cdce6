"""Applying a scorecard: points per bin, their sum, the probability that it stands for, and three reasons."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from services.intake.scoring.features import CHARACTERISTICS, UNKNOWN, CharacteristicName, Features, Ints

Target = Literal["cure", "roll", "payment"]
TARGETS: Final[tuple[Target, ...]] = get_args(Target)
REASONS: Final = 3
NO_REASON: Final = -1
"""In the place of a reason, where a scorecard looks at fewer characteristics than reasons are given."""
POINTS_TO_DOUBLE_ODDS: Final = 50
FACTOR: Final = POINTS_TO_DOUBLE_ODDS / math.log(2)
"""Points per unit of log odds."""


@dataclass(frozen=True)
class Bin:
    """A range of values from `lowest` on (None: from the smallest). `share`: of the training where it was known."""

    lowest: int | None
    points: int
    woe: float
    share: float


@dataclass(frozen=True)
class Characteristic:
    """One thing looked at. A value that is not known gets the neutral value, 0 points."""

    name: CharacteristicName
    bins: tuple[Bin, ...]

    def places(self, values: Ints) -> NDArray[np.intp]:
        """The bin of each value; the number of bins where it is not known."""
        edges = [one.lowest for one in self.bins[1:]]
        found = np.searchsorted(np.array(edges, dtype=np.int32), values, side="right")
        return np.where(values == UNKNOWN, len(self.bins), found)

    def points(self) -> NDArray[np.int32]:
        """Points by place, the neutral value of the unknown last."""
        return np.array([*(one.points for one in self.bins), 0], dtype=np.int32)


class Reason(NamedTuple):
    """A characteristic, the bin it fell into, and its points against the neutral value 0."""

    code: str
    points: int


class Scored(NamedTuple):
    """Columns: points, probability of the target, and per case the numbers of three reasons (`Scorecard.reason`)."""

    points: Ints
    probability: NDArray[np.float64]
    reasons: NDArray[np.int16]


@dataclass(frozen=True)
class Scorecard:
    """Points for one question. More points always speak for the customer: cure, no roll, a payment.

    Points are a base and the bins' own; `FACTOR` points are one unit of log odds, and 0 points even odds.
    """

    target: Target
    base_points: int
    characteristics: tuple[Characteristic, ...]

    def apply(self, features: Features) -> Scored:
        """Score many cases. The reasons are those characteristics that lost most points against the neutral value."""
        count = len(features)
        own = np.zeros((count, len(self.characteristics)), dtype=np.int32)
        numbers = np.zeros((count, len(self.characteristics)), dtype=np.int16)
        for column, (first, one) in enumerate(self._numbered()):
            places = one.places(features.column(one.name))
            own[:, column] = one.points()[places]
            numbers[:, column] = first + places
        points = (self.base_points + own.sum(axis=1)).astype(np.int32)
        order = np.argsort(own, axis=1, kind="stable")[:, :REASONS]
        reasons = np.full((count, REASONS), NO_REASON, dtype=np.int16)
        reasons[:, : order.shape[1]] = np.take_along_axis(numbers, order, axis=1)
        return Scored(points, self.probability(points), reasons)

    def probability(self, points: Ints) -> NDArray[np.float64]:
        """The probability of the target that a sum of points stands for."""
        sign = 1.0 if self.target == "roll" else -1.0
        chance: NDArray[np.float64] = 1.0 / (1.0 + np.exp(sign * points / FACTOR))
        return chance

    def reason(self, number: int) -> Reason:
        """The reason with that number. Raises LookupError."""
        for first, one in self._numbered():
            place = number - first
            if 0 <= place < len(one.bins):
                return Reason(f"{one.name}:{_range(one.bins, place)}", one.bins[place].points)
            if place == len(one.bins):
                return Reason(f"{one.name}:unknown", 0)
        raise LookupError(f"no reason {number} in the scorecard of {self.target}")

    def _numbered(self) -> Iterator[tuple[int, Characteristic]]:
        first = 0
        for one in self.characteristics:
            yield first, one
            first += len(one.bins) + 1


def _range(bins: tuple[Bin, ...], place: int) -> str:
    """The values of a bin as text: `0`, `1-2`, `3+`."""
    lowest = bins[place].lowest or 0
    if place + 1 == len(bins):
        return f"{lowest}+"
    highest = (bins[place + 1].lowest or 0) - 1
    return f"{lowest}" if highest == lowest else f"{lowest}-{highest}"


def check(card: Scorecard) -> None:
    """Refuse a scorecard whose bins are out of order, or that looks at one thing twice. Raises ValueError."""
    names = [one.name for one in card.characteristics]
    if not names or len(set(names)) != len(names) or not set(names) <= set(CHARACTERISTICS):
        raise ValueError(f"{card.target}: different characteristics are needed, not {names}")
    for one in card.characteristics:
        edges = [each.lowest for each in one.bins]
        inner = [edge for edge in edges[1:] if edge is not None]
        if not edges or edges[0] is not None or len(inner) != len(edges) - 1 or inner != sorted(set(inner)):
            raise ValueError(f"{card.target}: the bins of {one.name} are not in order")
