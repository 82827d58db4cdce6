"""Moments that others tell: whatever zone they come in, here they are UTC."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime


def in_utc(moment: datetime) -> datetime:
    """The same moment in UTC. Raises ValueError where it has none: the first and last hours of the calendar."""
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("has no time in UTC") from error


Moment = Annotated[AwareDatetime, AfterValidator(in_utc)]
"""A field that refuses what no database could keep, before anything depends on it."""
