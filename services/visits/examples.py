"""One valid example per model of the API of visits: shown in its OpenAPI document, validated against the schemas."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from services.visits import wording
from services.visits.domain.customer_link import door_code, make_link
from services.visits.schemas import (
    AlarmView,
    AnswerOffer,
    CameView,
    CheckedIn,
    CheckIn,
    CheckOut,
    DeviceSynced,
    DoorView,
    LinkView,
    OfferView,
    RequestStop,
    SomeoneCame,
    Sos,
    Summary,
    SyncDevice,
    TraceSourcesView,
    TraceSourceView,
    UnsyncedDeviceView,
    VisitView,
)
from shared.access.schemas import examples_of
from shared.events.story import (
    ALARM,
    CASE,
    CHECKED_IN_AT,
    CHECKED_OUT_AT,
    COLLECTORS,
    CONTACT,
    DEVICE,
    FIELD_DATE,
    MESSAGE,
    PAIR,
    PARTY,
    PERMIT,
    TOKEN,
    VISIT,
    WINDOW,
    cny,
)
from shared.web.examples import ExampleKey

_SECRET: Final = b"of the examples; no service has it"
_TOTAL_KEY: Final = "visits-door+2a36ca5d+AQABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"
_LINK_TOKEN: Final = make_link(UUID(VISIT), expires_at=datetime(2026, 3, 11, 10, tzinfo=UTC), secret=_SECRET)
_DOOR_CODE: Final = door_code(UUID(VISIT), secret=_SECRET)
_BANK: Final = "Example Bank"
_WHEN: Final[dict[str, Any]] = {"window": WINDOW, "answer_by": "2026-03-11T10:00:00Z"}

_PROPOSED: Final[dict[str, Any]] = _WHEN | {
    "visit_id": VISIT, "party_id": PARTY, "case_id": CASE, "state": "proposed", "version": 1, "field_day": FIELD_DATE,
    "duration_minutes": 30, "pair_id": PAIR, "crew": COLLECTORS, "device_id": DEVICE, "stop_number": None,
    "permit_id": None, "permit": None, "door_code": None, "checked_in_at": None, "checked_in_real": None,
    "crew_present": [], "distance_m": None, "notice_to_end": None, "checked_out_at": None, "outcome": None,
    "reason": None, "contact_id": None, "leaf_index": None, "end_cause": None,
}  # fmt: skip
_AGREED: Final[dict[str, Any]] = _PROPOSED | {"state": "agreed", "version": 3}
_ASSIGNED: Final[dict[str, Any]] = _AGREED | {
    "state": "assigned", "version": 4, "stop_number": 1, "permit_id": PERMIT, "permit": TOKEN, "door_code": _DOOR_CODE,
}  # fmt: skip
_ON_THE_WAY: Final[dict[str, Any]] = _ASSIGNED | {"state": "en_route", "version": 5}
_STOPPED: Final[dict[str, Any]] = _ASSIGNED | {
    "state": "recalled", "version": 5, "permit": None, "end_cause": "stop_request",
}  # fmt: skip
_CHECKED_OUT: Final[dict[str, Any]] = _ASSIGNED | {
    "state": "checked_out", "version": 7, "permit": None, "checked_in_at": CHECKED_IN_AT,
    "checked_in_real": CHECKED_IN_AT, "crew_present": COLLECTORS, "distance_m": 11, "checked_out_at": CHECKED_OUT_AT,
    "outcome": "promise_made", "reason": "income_late", "contact_id": CONTACT,
}  # fmt: skip
_ALARM: Final[dict[str, Any]] = {
    "alarm_id": ALARM, "kind": "sos", "visit_id": VISIT, "collector_id": COLLECTORS[0], "silent": False,
    "raised_at": "2026-03-12T01:50:00Z", "raised_real": "2026-03-12T01:50:00.120Z", "acknowledged_real": None,
    "acknowledged_by": None,
}  # fmt: skip

EXAMPLES: Final[dict[ExampleKey, dict[str, Any]]] = examples_of("visits") | {
    AnswerOffer: {"answer": "agree", "wished": None, "link_token": _LINK_TOKEN},
    SomeoneCame: {"came_at": "2026-03-12T02:05:00Z", "link_token": _LINK_TOKEN},
    SyncDevice: {"synced_to": "2026-03-12T10:00:00Z"},
    DeviceSynced: {"device_id": DEVICE, "synced_to": "2026-03-12T10:00:00Z"},
    UnsyncedDeviceView: {
        "device_id": DEVICE, "oldest_valid_to": "2026-03-12T04:00:00Z", "permits": 2,
        "synced_to": "2026-03-11T10:00:00Z", "heard_real": "2026-03-11T10:00:02Z",
    },
    CameView: {"visit_id": VISIT, "came_at": "2026-03-12T02:05:00Z"},
    RequestStop: {"heard_at": "2026-03-12T01:40:00Z"},
    CheckIn: {
        "permit": TOKEN, "device_id": DEVICE, "crew_present": COLLECTORS,
        "position": {"lat": 31.2301, "lon": 121.47, "crs": "WGS84"}, "revocation_list": TOKEN,
    },
    CheckedIn: {
        "visit_id": VISIT, "state": "checked_in", "checked_in_at": CHECKED_IN_AT, "end_by": WINDOW["end"],
        "distance_m": 11, "door_code": _DOOR_CODE,
    },
    CheckOut: {
        "outcome": "promise_made", "reason": "income_late", "right_party": True, "household_contacted": True,
        "debtor_met": True, "identity_shown": True, "recording_complete": True, "promise": cny(20000),
        "checked_out_at": CHECKED_OUT_AT,
    },
    Sos: {"collector_id": COLLECTORS[0], "silent": False, "raised_at": "2026-03-12T01:50:00Z"},
    AlarmView: _ALARM | {"acknowledged_real": "2026-03-12T01:51:10Z", "acknowledged_by": "dispatcher-3"},
    VisitView: _ASSIGNED,
    "answer_offer": _AGREED,
    "pass_on_stop": _STOPPED,
    "set_off": _ON_THE_WAY,
    "check_out": _CHECKED_OUT,
    "call_for_help": _ALARM,
    "call_for_help_at_visit": _ALARM,
    OfferView: _WHEN | {
        "message_id": MESSAGE, "visit_id": VISIT, "party_id": PARTY, "channel": "sms", "language": "en",
        "text": f"{_BANK}: two of our staff would like to visit you, 2026-03-12 09:00 to 11:00. Please answer: "
        f"https://visits.example/v/{_LINK_TOKEN} You may refuse, choose another time, or ask us to stop.",
        "link_token": _LINK_TOKEN, "handed_at": "2026-03-11T00:31:00Z", "state": "offered",
    },
    LinkView: _WHEN | {
        "visit_id": VISIT, "state": "offered", "bank": _BANK, "can_answer": True, "rights": wording.rights("en"),
    },
    DoorView: {
        "bank": _BANK,
        "people": [
            {"badge": "0000000A", "name": "Chen Jing", "photo_ref": "staff/S-107"},
            {"badge": "0000000B", "name": "Wu Lei", "photo_ref": "staff/S-108"},
        ],
        "window": WINDOW, "expected_now": True, "rights": wording.rights("en"),
    },
    TraceSourceView: {"source": "visits-door", "kind": "door_code", "total_key": _TOTAL_KEY},
    TraceSourcesView: {"items": [{"source": "visits-door", "kind": "door_code", "total_key": _TOTAL_KEY}]},
    Summary: {
        "visits_by_state": {"assigned": 430, "recorded": 87, "declined": 31, "recalled": 12},
        "visits_by_outcome": {"promise_made": 30, "no_answer": 41, "plan_signed": 16},
        "ended_by_cause": {"declined": 31, "payment": 12}, "offers_handed_over": 600, "check_ins": 87,
        "check_ins_without_recorded_leaf": 0, "refused_check_ins": 2,
        "refused_check_ins_by_reason": {"permit_revoked": 2},
        "recalls": {"count": 12, "p50_ms": 180.0, "p95_ms": 420.0, "p99_ms": 510.0, "max_ms": 512.4},
        "recalls_by_cause": {"payment": 12}, "notices_to_end": 1,
        "check_ins_after_fact": {"within_limit": 0, "beyond_limit": 0},
        "sos": {"count": 1, "silent": 0, "open": 0, "answered_within_5_minutes": 1}, "check_outs_overdue": 0,
    },
}  # fmt: skip
