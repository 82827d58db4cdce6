"""What the API takes for collectors and pairs."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from pydantic import ValidationError

from services.assignment import schemas
from services.assignment.schemas import CollectorBody, PairBatch

HOME = {"lat": 31.2304, "lon": 121.4737, "crs": "WGS84"}


def pair(number: int) -> dict[str, Any]:
    shift = {"start": "09:00", "end": "18:00", "time_zone": "Asia/Shanghai"}
    return {"collectors": [uuid4(), uuid4()], "device_id": f"d{number}", "home": HOME, "shift": shift}


def test_zones_are_looked_for_once_for_a_whole_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[None] = []

    def look() -> set[str]:
        looked.append(None)
        return {"Asia/Shanghai"}

    monkeypatch.setattr(schemas, "available_timezones", look)
    schemas._zones.cache_clear()
    PairBatch.model_validate({"items": [pair(number) for number in range(schemas.MAX_BATCH)]})
    schemas._zones.cache_clear()
    assert len(looked) == 1


def test_a_certificate_appears_once() -> None:
    held = {"kind": "home_visit", "reference": "c1", "valid_from": "2026-01-01", "valid_to": "2026-12-31"}
    person = {"staff_ref": "s1", "name": "One", "languages": ["zh"], "certificates": [held, held]}
    with pytest.raises(ValidationError, match="appears twice"):
        CollectorBody.model_validate(person)
