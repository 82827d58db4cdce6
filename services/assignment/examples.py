"""One valid example per model of assignment's API: shown in its OpenAPI document, validated against the schemas."""

from __future__ import annotations

from typing import Any, Final

from services.assignment.schemas import (
    AssignmentSummary,
    CollectorBatch,
    CollectorView,
    CollectorViews,
    FieldDayAccepted,
    FieldDayView,
    PairBatch,
    PairView,
    PlanFieldDay,
)
from shared.access.schemas import examples_of
from shared.events.story import (
    CELL,
    COLLECTORS,
    DEVICE,
    FIELD_DATE,
    FIELD_DAY,
    OTHER,
    PAIR,
    PARTY,
    VISIT,
    WINDOW,
    cny,
)
from shared.web.examples import ExampleKey

_CERTIFICATE: Final = {
    "kind": "home_visit", "reference": "HV-2025-0107", "valid_from": "2025-09-01", "valid_to": "2027-08-31",
}  # fmt: skip
_COLLECTORS: Final[list[dict[str, Any]]] = [
    {
        "collector_id": collector, "staff_ref": staff_ref, "name": name, "languages": ["zh"],
        "certificates": [_CERTIFICATE | {"reference": certificate}], "active": True,
    }
    for collector, staff_ref, name, certificate in zip(
        COLLECTORS, ("S-107", "S-108"), ("Chen Jing", "Wu Lei"), ("HV-2025-0107", "HV-2025-0108"), strict=True
    )
]  # fmt: skip
_START: Final = {"lat": 31.2304, "lon": 121.4737, "crs": "WGS84"}
_PAIR: Final[dict[str, Any]] = {
    "pair_id": PAIR, "collectors": COLLECTORS, "device_id": DEVICE,
    "home": _START,
    "shift": {"start": "09:00:00", "end": "18:00:00", "time_zone": "Asia/Shanghai"}, "active": True,
}  # fmt: skip
# One stop of half an hour, 355 m away in a straight line: times, kilometres and cost by the policy's own models.
_FIGURES: Final[dict[str, Any]] = {
    "km": 1.0, "travel_minutes": 5, "visit_minutes": 30, "total_minutes": 35, "cost": cny(7330),
}  # fmt: skip
_STOP: Final[dict[str, Any]] = {
    "stop_number": 1, "visit_id": VISIT, "party_id": PARTY, "cell": CELL, "arrives_at": "2026-03-12T01:30:00Z",
    "window": WINDOW, "duration_minutes": 30, "state": "assigned", "cause": None, "rules": [],
}  # fmt: skip

EXAMPLES: Final[dict[ExampleKey, dict[str, Any]]] = examples_of("assignment") | {
    CollectorBatch: {"items": _COLLECTORS},
    CollectorView: _COLLECTORS[0] | {"refused_today": None},
    CollectorViews: {"items": [collector | {"refused_today": None} for collector in _COLLECTORS]},
    PairBatch: {"items": [_PAIR]},
    PairView: _PAIR,
    PlanFieldDay: {"max_visits": 600},
    FieldDayAccepted: {"field_day_id": FIELD_DAY, "status": "selecting"},
    FieldDayView: {
        "field_day_id": FIELD_DAY, "day": FIELD_DATE, "status": "planned", "policy_id": "selection-cn-2026-1",
        "travel_model": "haversine-prior-1",
        "travel_parameters": {"a_seconds": 120, "b_seconds_per_km": 160, "road_factor_percent": 140},
        "requested_at": "2026-03-11T00:30:00Z", "planned_at": "2026-03-11T00:30:04Z",
        "areas": {"total": 1, "planned": 1, "failed": 0}, "eligible": 2, "not_chosen": {"capacity": 3},
        "refused_pairs": {},
        "figures": _FIGURES | {"routes": 1, "planned_visits": 1, "cost_per_visit": cny(7330)},
        "routes": [
            _FIGURES | {
                "pair_id": PAIR, "crew": COLLECTORS, "device_id": DEVICE, "home": _START, "area": 1,
                "departs_at": "2026-03-12T01:27:03Z", "returns_at": "2026-03-12T02:02:57Z", "rest_start_at": None,
                "stops": [_STOP],
            }
        ],
        "unassigned": [{"party_id": OTHER, "reason": "no_lawful_window", "rules": ["CN-GBT45251-HOURS"]}],
    },
    AssignmentSummary: {
        "staff": {"collectors": 120, "pairs": 60},
        "cases_open": {"B1": 1200, "B2": 700, "B3": 300, "B4": 120, "B5": 70},
        "blocks": {"stop_request": 14, "plan_active": 31, "payment": 6}, "field_days": {"planned": 1},
        "visits": {"assigned": 430, "withdrawn": 52, "declined": 31, "completed": 87},
        "visit_causes": {"withdrawn:permit_denied": 40, "withdrawn:payment": 12, "declined:declined": 31},
        "unassigned": {"no_lawful_window": 9},
        "figures": {
            "routes": 60, "planned_visits": 600, "km": 2640.5, "travel_minutes": 6100, "visit_minutes": 18000,
            "total_minutes": 27500, "cost": cny(5896075), "cost_per_visit": cny(9827),
        },
    },
}  # fmt: skip
