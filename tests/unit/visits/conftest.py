"""Makers of visits, proposals and permits; times are fixed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from services.visits.domain.visit import State, Visit
from shared.security.signing import SigningKey

NOW = datetime(2026, 3, 12, 1, 0, tzinfo=UTC)
PARTY = UUID("019d2f00-0000-8a01-8000-000000000001")
VISIT = UUID("019d2f00-0000-8a01-8000-000000000003")
CREW = (UUID("019d2f00-0000-8a01-8000-00000000000a"), UUID("019d2f00-0000-8a01-8000-00000000000b"))
PERMIT = UUID("019d2f00-0000-8a01-8000-000000000005")


@pytest.fixture
def now() -> datetime:
    """The business time of these tests: inside the visit's window."""
    return NOW


@pytest.fixture
def real_now() -> datetime:
    """The real time of these tests, far from the business time so that mixing them up shows."""
    return datetime(2030, 1, 1, tzinfo=UTC)


@pytest.fixture
def make_visit(real_now: datetime) -> Callable[..., Visit]:
    """A visit, assigned and due now unless told otherwise."""

    def make(**changes: Any) -> Visit:
        values: dict[str, Any] = {
            "tenant": "bank", "party_id": PARTY, "visit_id": VISIT, "case_id": UUID(int=2), "state": State.ASSIGNED,
            "version": 4, "partition": 3, "field_day": date(2026, 3, 12), "window_start": NOW - timedelta(minutes=30),
            "window_end": NOW + timedelta(minutes=90), "duration_minutes": 30, "pair_id": UUID(int=9), "crew": CREW,
            "device_id": "device-1", "cell": "88309a5915fffff", "jurisdiction": "CN", "case_version": 2,
            "answer_by": NOW - timedelta(hours=2), "proposed_real": real_now - timedelta(hours=5),
            "correlation_id": "saga", "permit_id": PERMIT, "permit": "token", "stop_number": 1, "door_code": "7K3M9Q2X",
        }  # fmt: skip
        return Visit(**(values | changes))

    return make


@pytest.fixture
def permit_key(tmp_path: Path) -> SigningKey:
    """Compliance's signing key."""
    return SigningKey.open(tmp_path, "permit")


@pytest.fixture
def make_permit(permit_key: SigningKey) -> Callable[..., str]:
    """A permit for the visit of `make_visit`, signed by `permit_key` unless another key is given."""

    def make(*, key: SigningKey = permit_key, kind: str = "permit+jwt", **changes: Any) -> str:
        claims: dict[str, Any] = {
            "iss": "compliance", "jti": str(PERMIT), "sub": str(PARTY), "tenant": "bank", "subject_id": str(VISIT),
            "channel": "visit", "purpose": "collection", "crew": [str(member) for member in CREW],
            "device_id": "device-1", "place_cell": "88309a5915fffff",
            "nbf": int((NOW - timedelta(minutes=30)).timestamp()),
            "exp": int((NOW + timedelta(minutes=90)).timestamp()),
            "duration_minutes": 30, "iat_real": "2030-01-01T00:00:00Z", "rule_set": "0" * 64,
            "decision_id": str(UUID(int=4)),
        }  # fmt: skip
        return key.sign_document(claims | changes, kind=kind)

    return make
