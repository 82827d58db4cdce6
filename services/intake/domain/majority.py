"""From which day on somebody is of age, by the law of the place."""

from __future__ import annotations

from datetime import date
from typing import Final

_USUAL_YEARS: Final = 18
# Ala. Code s. 26-1-1, Neb. Rev. Stat. s. 43-2101, Miss. Code s. 1-3-27. Everywhere else that a rule pack covers: 18
# (China: Civil Code art. 17; India: Majority Act 1875 s. 3; Hong Kong: Cap. 410 s. 2; Singapore: Civil Law Act s. 35).
_YEARS: Final = {"US-AL": 19, "US-NE": 19, "US-MS": 21}


def of_age_on(born_on: date, jurisdiction: str) -> date:
    """The first day on which the person is of age. Who was born on a leap day waits for March where there is none."""
    year = born_on.year + _YEARS.get(jurisdiction, _USUAL_YEARS)
    if year > date.max.year:
        return date.max
    try:
        return born_on.replace(year=year)
    except ValueError:
        return date(year, 3, 1)


def is_minor(born_on: date, jurisdiction: str, today: date) -> bool:
    """Whether nobody may speak of a debt with the person yet."""
    return today < of_age_on(born_on, jurisdiction)
