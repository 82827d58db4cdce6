"""How far the crew is from the door: from the exact point where intake gives it, else from the permit's cell."""

from __future__ import annotations

from math import cos, hypot, radians
from typing import Final

import h3

from shared.geo import EARTH_RADIUS_M, Point, distance_m

_METRES_PER_DEGREE: Final = EARTH_RADIUS_M * radians(1)


def metres_from_home(position: Point, *, home: Point | None, cell: str) -> int:
    """Whole metres to the registered home, or, while only the cell is known, to the nearest edge of the cell (0
    inside).

    Raises ValueError when `cell` is not an H3 cell.
    """
    if home is not None:
        return round(distance_m(position, home))
    if not h3.is_valid_cell(cell):
        raise ValueError("not an H3 cell")
    if position.cell() == cell:
        return 0
    corners = [_local(position, lat, lon) for lat, lon in h3.cell_to_boundary(cell)]
    return round(min(_to_segment(a, b) for a, b in zip(corners, corners[1:] + corners[:1], strict=True)))


def _local(origin: Point, lat: float, lon: float) -> tuple[float, float]:
    """Metres east and north of `origin` on its tangent plane: exact to centimetres over a cell's 500 m."""
    east_degrees = (lon - origin.lon + 180) % 360 - 180
    return (east_degrees * _METRES_PER_DEGREE * cos(radians(origin.lat)), (lat - origin.lat) * _METRES_PER_DEGREE)


def _to_segment(a: tuple[float, float], b: tuple[float, float]) -> float:
    """Distance of the origin to the segment from `a` to `b`."""
    run, rise = b[0] - a[0], b[1] - a[1]
    along = max(0.0, min(1.0, -(a[0] * run + a[1] * rise) / (run * run + rise * rise)))
    return hypot(a[0] + along * run, a[1] + along * rise)
