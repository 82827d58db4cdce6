"""Who is sent."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from tests.integration.assignment.days import (
    HOME,
    register,
)
from tests.integration.assignment.harness import Desk


async def test_unknown_collector_is_named(desk: Desk) -> None:
    shift = {"start": "09:00", "end": "18:00", "time_zone": "Asia/Shanghai"}
    pair = {"collectors": [str(uuid4()), str(uuid4())], "device_id": "d", "home": HOME, "shift": shift}
    answer = await desk.post("/v1/pairs", {"items": [pair]})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/items/0/collectors")


@pytest.mark.parametrize(
    ("changes", "pointer", "kind"),
    [
        ([{"staff_ref": "s1"}], "/items/0/staff_ref", "staff_ref_taken"),
        ([{"staff_ref": "s8"}, {"staff_ref": "s9"}], "/items/1/collector_id", "repeated"),
    ],
)
async def test_staff_number_and_id_have_one_holder(desk: Desk, changes: Any, pointer: str, kind: str) -> None:
    await register(desk)
    person = {"collector_id": str(uuid4()), "name": "Another", "languages": ["zh"]}
    answer = await desk.post("/v1/collectors", {"items": [person | one for one in changes]})
    assert answer.status_code == 422, answer.text
    assert [(one["pointer"], one["kind"]) for one in answer.json()["errors"]] == [(pointer, kind)]


async def test_collectors_are_listed_with_their_lock(desk: Desk) -> None:
    await register(desk, until="2026-03-01")
    listed = (await desk.get("/v1/collectors")).json()["items"]
    assert [each["refused_today"] for each in listed] == ["certificate_expired"] * 2
