"""Distance to the home, or to its cell."""

from __future__ import annotations

import h3
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.visits.domain.place import metres_from_home
from shared.geo import Point

LATITUDE = st.floats(-60, 60)
LONGITUDE = st.floats(-180, 180)


def _point(lat: float, lon: float) -> Point:
    return Point(lat=lat, lon=lon, crs="WGS84")


@given(LATITUDE, LONGITUDE)
def test_inside_the_cell(lat: float, lon: float) -> None:
    position = _point(lat, lon)
    assert metres_from_home(position, home=None, cell=position.cell()) == 0


@given(LATITUDE, LONGITUDE, st.integers(0, 5))
def test_centre_of_the_next_cell_is_an_inner_radius_away(lat: float, lon: float, which: int) -> None:
    cell = _point(lat, lon).cell()
    neighbours = sorted(set(h3.grid_disk(cell, 1)) - {cell})
    position = _point(*h3.cell_to_latlng(neighbours[which % len(neighbours)]))
    assert 300 < metres_from_home(position, home=None, cell=cell) < 700


def test_exact_point_wins() -> None:
    position = _point(31.0, 121.0)
    assert metres_from_home(position, home=_point(31.001, 121.0), cell="88309a5915fffff") == 111


def test_not_a_cell() -> None:
    with pytest.raises(ValueError, match="H3"):
        metres_from_home(_point(31.0, 121.0), home=None, cell="123456789abcdef")
