"""Places on the earth: WGS-84 is stored always; another datum must be named and converted at the edge."""

from __future__ import annotations

from math import asin, cos, radians, sin, sqrt
from typing import Final, Literal

import h3
from pydantic import BaseModel, ConfigDict, Field

EARTH_RADIUS_M: Final = 6_371_008.8  # IUGG mean radius
CELL_RESOLUTION: Final = 8  # H3 resolution 8: hexagons of about 0.74 km2, edge about 500 m


class Point(BaseModel):
    """A WGS-84 position in degrees. `crs` is mandatory: mixing datums in China is an error of 300-700 m."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    lat: float = Field(ge=-90, le=90, allow_inf_nan=False, description="Latitude in degrees.", examples=[31.2304])
    lon: float = Field(ge=-180, le=180, allow_inf_nan=False, description="Longitude in degrees.", examples=[121.4737])
    crs: Literal["WGS84"] = Field(
        description="Coordinate reference system; only WGS84 is accepted.", examples=["WGS84"]
    )

    def cell(self) -> str:
        """The H3 cell (about 500 m edge) that may travel on topics instead of the exact point."""
        return str(h3.latlng_to_cell(self.lat, self.lon, CELL_RESOLUTION))


def distance_m(a: Point, b: Point) -> float:
    """Great-circle distance in metres (haversine)."""
    half_lat = radians(b.lat - a.lat) / 2
    half_lon = radians(b.lon - a.lon) / 2
    chord = sin(half_lat) ** 2 + cos(radians(a.lat)) * cos(radians(b.lat)) * sin(half_lon) ** 2
    return 2 * EARTH_RADIUS_M * asin(min(1.0, sqrt(chord)))
