"""Moments told by others."""

from datetime import UTC, datetime

import pytest
from pydantic import BaseModel, ValidationError

from shared.events.codec import parse_time
from shared.moments import Day, LocalTime, Moment, in_utc

BEFORE_ALL = "0001-01-01T00:00:00+14:00"


class _Told(BaseModel):
    at: Moment


def test_moment_is_kept_in_utc():
    told = _Told.model_validate({"at": "2026-03-10T09:00:00+08:00"})
    assert (told.at, told.at.tzinfo) == (datetime(2026, 3, 10, 1, tzinfo=UTC), UTC)


def test_moment_without_a_time_in_utc_is_refused_by_its_field():
    with pytest.raises(ValidationError, match="no time in UTC"):
        _Told.model_validate({"at": BEFORE_ALL})


def test_header_without_a_time_in_utc_is_malformed():
    with pytest.raises(ValueError, match="no time in UTC"):
        parse_time(BEFORE_ALL)


def test_last_hours_of_the_calendar_have_none_either():
    with pytest.raises(ValueError, match="no time in UTC"):
        in_utc(datetime.fromisoformat("9999-12-31T23:00:00-05:00"))


class _ToldDay(BaseModel):
    on: Day
    hour: LocalTime


@pytest.mark.parametrize("on", ["0001-01-01", "1899-12-31", "2200-01-01", "9999-12-31"])
def test_day_at_an_end_of_the_calendar_is_refused_by_its_field(on: str):
    with pytest.raises(ValidationError, match="lies outside 1900-01-01 to 2199-12-31"):
        _ToldDay.model_validate({"on": on, "hour": "08:00"})


@pytest.mark.parametrize("hour", ["08:00Z", "08:00+08:00", 0])
def test_local_time_has_no_zone(hour: object):
    with pytest.raises(ValidationError, match="local time, without a zone"):
        _ToldDay.model_validate({"on": "2026-03-10", "hour": hour})
