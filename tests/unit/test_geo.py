import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from shared.geo import EARTH_RADIUS_M, Point, distance_m

points = st.builds(Point, lat=st.floats(-90, 90), lon=st.floats(-180, 180), crs=st.just("WGS84"))


@given(points, points)
def test_distance_is_symmetric_and_bounded(a: Point, b: Point) -> None:
    assert distance_m(a, b) == pytest.approx(distance_m(b, a), abs=1e-3)
    assert 0 <= distance_m(a, b) <= EARTH_RADIUS_M * 3.1416


def test_shanghai_to_beijing_is_1068_km() -> None:
    shanghai, beijing = Point(lat=31.2304, lon=121.4737, crs="WGS84"), Point(lat=39.9042, lon=116.4074, crs="WGS84")

    assert distance_m(shanghai, beijing) == pytest.approx(1_068_000, rel=0.005)


@pytest.mark.parametrize("fields", [{"lat": 91, "lon": 0}, {"lat": 0, "lon": 181}, {"lat": float("nan"), "lon": 0}])
def test_invalid_coordinates_are_refused(fields: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        Point(crs="WGS84", **fields)


@pytest.mark.parametrize("crs", ["GCJ02", "BD09", ""])
def test_another_datum_is_refused(crs: str) -> None:
    with pytest.raises(ValidationError):
        Point.model_validate({"lat": 31.2, "lon": 121.4, "crs": crs})


def test_neighbours_share_a_cell() -> None:
    assert Point(lat=31.23, lon=121.47, crs="WGS84").cell() == Point(lat=31.2301, lon=121.4701, crs="WGS84").cell()
