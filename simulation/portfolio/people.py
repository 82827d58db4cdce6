"""Made-up people and homes, seeded by account number, labelled synthetic. No real person, number or address."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import date, timedelta
from math import cos, radians
from typing import Final

from shared.geo import Point

TIME_ZONE: Final = "Asia/Shanghai"
JURISDICTION: Final = "CN"
_FAMILY_NAMES: Final = (
    "Wang", "Li", "Zhang", "Liu", "Chen", "Yang", "Zhao", "Huang", "Zhou", "Wu", "Xu", "Sun", "Hu", "Zhu", "Gao", "Lin",
)  # fmt: skip
_GIVEN_NAMES: Final = (
    "Wei", "Fang", "Na", "Min", "Jing", "Lei", "Qiang", "Yan", "Jie", "Juan", "Tao", "Ming", "Chao", "Xia", "Ping",
    "Gang",
)  # fmt: skip
# Centres of a made-up city: the extent and spacing of Shanghai's districts, but no district of it.
_TOWNS: Final = (
    ("North Quay", 31.262, 121.481), ("Mulberry Park", 31.223, 121.438), ("Old Lock", 31.195, 121.436),
    ("Silk Yard", 31.241, 121.405), ("East Ferry", 31.222, 121.545), ("Lantern Hill", 31.112, 121.382),
    ("Reed Bank", 31.301, 121.435), ("Tea Bridge", 31.275, 121.523), ("Crane Field", 31.166, 121.412),
    ("Willow Gate", 31.205, 121.600), ("Plum Court", 31.249, 121.366), ("Salt Well", 31.133, 121.492),
)  # fmt: skip
_SPREAD_KM: Final = 1.8
_ONE_MINOR_IN: Final = 1_500
_THE_MINOR: Final = 1_203
_KM_PER_DEGREE: Final = 111.195


@dataclass(frozen=True, slots=True)
class Person:
    """A made-up debtor."""

    party_ref: str
    loan_ref: str
    name: str
    phone: str
    address: str
    home: Point
    born_on: date


def person_of(number: int, *, seed: int) -> Person:
    """The person behind account `number`; the same for the same seed."""
    draw = random.Random(f"person:{seed}:{number}")
    town, lat, lon = draw.choice(_TOWNS)
    north_km, east_km = draw.gauss(0, _SPREAD_KM), draw.gauss(0, _SPREAD_KM)
    name = f"{draw.choice(_FAMILY_NAMES)} {draw.choice(_GIVEN_NAMES)} (synthetic {number})"
    return Person(
        party_ref=f"P-{number:06d}",
        loan_ref=f"L-{number:06d}",
        name=name,
        phone=f"+86100{number:08d}",  # no Chinese mobile number begins with 10
        address=f"Synthetic {town}, Lane {draw.randint(1, 990)}, Building {draw.randint(1, 40)}, Door {number}",
        home=Point(
            lat=round(lat + north_km / _KM_PER_DEGREE, 6),
            lon=round(lon + east_km / (_KM_PER_DEGREE * cos(radians(lat))), 6),
            crs="WGS84",
        ),
        born_on=_born_on(number, draw),
    )


def _born_on(number: int, draw: random.Random) -> date:
    """A birthday between 1948 and 2003; of one in fifteen hundred between 2010 and 2014, who is a minor until 2028."""
    is_young = number % _ONE_MINOR_IN == _THE_MINOR
    first, days = (date(2010, 1, 1), 1_800) if is_young else (date(1948, 1, 1), 20_400)
    return first + timedelta(days=draw.randrange(days))


def town_centres() -> list[Point]:
    """Where the collectors' pairs set out from."""
    return [Point(lat=lat, lon=lon, crs="WGS84") for _, lat, lon in _TOWNS]
