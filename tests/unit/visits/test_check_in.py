"""Each forbidden check-in is refused for its own reason; the lawful one is not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from services.visits.api.field import CHECK_IN_PROBLEMS, refused
from services.visits.domain.check_in import RULES, Attempt, Reason, Refusal, Standing, judge
from services.visits.domain.door import Arrival
from services.visits.domain.visit import State, Visit
from shared.balances import SignedBalance
from shared.geo import Point
from shared.security.signing import SigningKey

SECOND = timedelta(seconds=1)
HOME = Point(lat=30.1558, lon=119.9634, crs="WGS84")


def _balance(as_of: datetime, *, overdue_minor: int = 125_000, **more: object) -> SignedBalance:
    return SignedBalance.model_validate(
        {
            "iss": "intake",
            "sub": uuid4(),
            "case_id": uuid4(),
            "as_of": as_of,
            "overdue_totals": [{"amount_minor": overdue_minor, "currency": "CNY"}],
            **more,
        }
    )


@pytest.fixture
def attempt(make_visit: Callable[..., Visit], make_permit: Callable[..., str], real_now: datetime) -> Attempt:
    """A lawful check-in."""
    return Attempt(
        permit=make_permit(),
        device_id="device-1",
        crew_present=frozenset(make_visit().crew),
        position=HOME,
        home=HOME,
        balance=_balance(real_now - timedelta(seconds=1)),
        revocation_list=None,
    )


@pytest.fixture
def standing(permit_key: SigningKey, real_now: datetime) -> Standing:
    """What we know, fresh."""
    return Standing(
        keys=permit_key.public_keys(),
        revoked=frozenset(),
        used=frozenset(),
        facts_as_of=real_now - timedelta(seconds=1),
        fact_limit=timedelta(seconds=120),
    )


@pytest.fixture
def reasons(
    make_visit: Callable[..., Visit], attempt: Attempt, standing: Standing, now: datetime, real_now: datetime
) -> Callable[..., list[str]]:
    """The reasons against the lawful check-in after changes to the visit, the attempt, the standing, the time."""

    def judged(
        *, at: datetime = now, visit: dict[str, Any] | None = None, known: Any = None, **changes: Any
    ) -> list[str]:
        verdict = judge(
            make_visit(**(visit or {})),
            replace(attempt, **changes),
            replace(standing, **(known or {})),
            now=at,
            real_now=real_now,
        )
        return [] if isinstance(verdict, Arrival) else [str(refusal.reason) for refusal in verdict]

    return judged


def test_lawful(reasons: Callable[..., list[str]]) -> None:
    assert reasons() == []


def test_on_the_way(reasons: Callable[..., list[str]]) -> None:
    assert reasons(visit={"state": State.EN_ROUTE}) == []


def test_no_permit(reasons: Callable[..., list[str]]) -> None:
    assert reasons(permit=None) == ["no_permit"]


def test_other_signer(reasons: Callable[..., list[str]], make_permit: Callable[..., str], tmp_path: Path) -> None:
    assert reasons(permit=make_permit(key=SigningKey.open(tmp_path / "other", "permit"))) == ["permit_forged"]


def test_changed_claims(reasons: Callable[..., list[str]], make_permit: Callable[..., str], attempt: Attempt) -> None:
    head, _, tail = str(attempt.permit).split(".")
    _, body, _ = make_permit(duration_minutes=5).split(".")
    assert reasons(permit=f"{head}.{body}.{tail}") == ["permit_forged"]


def test_other_kind_of_document(reasons: Callable[..., list[str]], make_permit: Callable[..., str]) -> None:
    assert reasons(permit=make_permit(kind="revocations+jwt")) == ["permit_forged"]


def test_not_a_token(reasons: Callable[..., list[str]]) -> None:
    assert reasons(permit="\u4f60\u597d") == ["permit_forged"]


def test_unsigned(reasons: Callable[..., list[str]], make_permit: Callable[..., str]) -> None:
    _, body, _ = make_permit().split(".")
    assert reasons(permit=f"eyJhbGciOiJub25lIiwia2lkIjoieCJ9.{body}.") == ["permit_forged"]


@pytest.mark.parametrize(
    "claim",
    [
        {"subject_id": str(UUID(int=77))},
        {"sub": str(UUID(int=77))},
        {"tenant": "other-bank"},
        {"device_id": "device-2"},
        {"channel": "sms"},
        {"jti": str(UUID(int=78))},
    ],
)
def test_foreign(reasons: Callable[..., list[str]], make_permit: Callable[..., str], claim: dict[str, str]) -> None:
    assert reasons(permit=make_permit(**claim)) == ["permit_foreign"]


def test_foreign_collector(reasons: Callable[..., list[str]], attempt: Attempt) -> None:
    assert reasons(crew_present=attempt.crew_present | {uuid4()}) == ["permit_foreign"]


def test_revoked(reasons: Callable[..., list[str]], make_visit: Callable[..., Visit]) -> None:
    assert reasons(known={"revoked": frozenset({make_visit().permit_id})}) == ["permit_revoked"]


def test_recalled_visit(reasons: Callable[..., list[str]]) -> None:
    assert reasons(visit={"state": State.RECALLED}) == ["permit_revoked"]


def test_used(reasons: Callable[..., list[str]], make_visit: Callable[..., Visit]) -> None:
    used = frozenset({make_visit().permit_id})
    assert reasons(visit={"state": State.CHECKED_OUT}, known={"used": used}) == ["permit_used"]


def test_expired(reasons: Callable[..., list[str]], now: datetime) -> None:
    assert reasons(at=now + timedelta(minutes=90)) == ["permit_expired"]


def test_latest_start_is_lawful(reasons: Callable[..., list[str]], now: datetime) -> None:
    assert reasons(at=now + timedelta(minutes=60)) == []


def test_too_late_to_end_in_the_window(reasons: Callable[..., list[str]], now: datetime) -> None:
    assert reasons(at=now + timedelta(minutes=60, seconds=1)) == ["permit_expired"]


def test_not_yet_valid(reasons: Callable[..., list[str]], now: datetime) -> None:
    assert reasons(at=now - timedelta(minutes=31)) == ["permit_not_yet_valid"]


def test_one_collector(reasons: Callable[..., list[str]], make_visit: Callable[..., Visit]) -> None:
    assert reasons(crew_present=frozenset(make_visit().crew[:1])) == ["crew_incomplete"]


def test_too_far(reasons: Callable[..., list[str]]) -> None:
    assert reasons(position=Point(lat=HOME.lat + 0.0028, lon=HOME.lon, crs="WGS84")) == ["too_far"]


def test_near_enough(reasons: Callable[..., list[str]]) -> None:
    assert reasons(position=Point(lat=HOME.lat + 0.0026, lon=HOME.lon, crs="WGS84")) == []


def test_cell_decides_without_the_exact_point(reasons: Callable[..., list[str]]) -> None:
    assert reasons(home=None) == []
    assert reasons(home=None, position=Point(lat=HOME.lat + 0.02, lon=HOME.lon, crs="WGS84")) == ["too_far"]


@pytest.mark.parametrize(("age_seconds", "expected"), [(60, []), (61, ["facts_stale"])])
def test_freshness(
    reasons: Callable[..., list[str]], real_now: datetime, age_seconds: int, expected: list[str]
) -> None:
    assert reasons(known={"facts_as_of": real_now - timedelta(seconds=age_seconds)}) == expected


def test_nothing_heard_of_compliance(reasons: Callable[..., list[str]]) -> None:
    assert reasons(known={"facts_as_of": None}) == ["facts_stale"]


def test_nothing_is_owed_any_more(reasons: Callable[..., list[str]], real_now: datetime) -> None:
    assert reasons(balance=_balance(real_now, overdue_minor=0)) == ["nothing_owed"]


def test_a_core_that_is_not_believed_vouches_for_nothing(reasons: Callable[..., list[str]], real_now: datetime) -> None:
    assert reasons(balance=_balance(real_now, suspended="books_differ")) == ["facts_stale"]


@pytest.mark.parametrize(("age_seconds", "expected"), [(120, []), (121, ["facts_stale"])])
def test_balance_is_fresh(
    reasons: Callable[..., list[str]], real_now: datetime, age_seconds: int, expected: list[str]
) -> None:
    assert reasons(balance=_balance(real_now - age_seconds * SECOND)) == expected


def test_intake_does_not_answer(reasons: Callable[..., list[str]], permit_key: SigningKey, real_now: datetime) -> None:
    """The device's list vouches instead while it is fresh; compliance's watermark alone does not."""
    assert reasons(balance=None) == ["facts_stale"]
    assert reasons(balance=None, revocation_list=_list(permit_key, real_now - 120 * SECOND)) == []
    assert reasons(balance=None, revocation_list=_list(permit_key, real_now - 121 * SECOND)) == ["facts_stale"]


@pytest.mark.parametrize("purpose", ["customer_requested", "plan_service"])
def test_only_collection_needs_a_debt(
    reasons: Callable[..., list[str]], make_permit: Callable[..., str], real_now: datetime, purpose: str
) -> None:
    permit = make_permit(purpose=purpose)
    assert reasons(permit=permit, balance=None) == []
    assert reasons(permit=permit, balance=_balance(real_now, overdue_minor=0)) == []


def _list(key: SigningKey, as_of: datetime | None, *permit_ids: UUID, device_id: str = "device-1") -> str:
    document = {
        "number": 3,
        "as_of": as_of.isoformat() if as_of else None,
        "device_id": device_id,
        "permit_ids": [str(each) for each in permit_ids],
    }
    return key.sign_document(document, kind="revocations+jwt")


def test_fresh_list_replaces_the_watermark(
    reasons: Callable[..., list[str]], permit_key: SigningKey, real_now: datetime
) -> None:
    fresh = _list(permit_key, real_now - timedelta(seconds=120))
    assert reasons(known={"facts_as_of": None}, revocation_list=fresh) == []


def test_old_list(reasons: Callable[..., list[str]], permit_key: SigningKey, real_now: datetime) -> None:
    old = _list(permit_key, real_now - timedelta(seconds=121))
    assert reasons(known={"facts_as_of": None}, revocation_list=old) == ["facts_stale"]


def test_other_devices_list(reasons: Callable[..., list[str]], permit_key: SigningKey, real_now: datetime) -> None:
    other = _list(permit_key, real_now, device_id="device-2")
    assert reasons(known={"facts_as_of": None}, revocation_list=other) == ["facts_stale"]


def test_listed_permit(
    reasons: Callable[..., list[str]], permit_key: SigningKey, make_visit: Callable[..., Visit]
) -> None:
    permit_id = make_visit().permit_id
    assert permit_id is not None
    assert reasons(revocation_list=_list(permit_key, None, permit_id)) == ["permit_revoked"]


def test_not_assigned(reasons: Callable[..., list[str]]) -> None:
    assert reasons(visit={"state": State.AGREED, "permit_id": None}) == ["not_assigned"]


def test_all_reasons_are_told(reasons: Callable[..., list[str]], now: datetime) -> None:
    told = reasons(
        at=now + timedelta(hours=3),
        device_id="device-2",
        crew_present=frozenset({uuid4()}),
        position=Point(lat=0, lon=0, crs="WGS84"),
        known={"facts_as_of": None},
    )
    assert told == ["permit_foreign", "permit_expired", "crew_incomplete", "too_far", "facts_stale"]


def test_every_reason_has_rule_and_problem() -> None:
    assert set(RULES) == set(Reason) == set(CHECK_IN_PROBLEMS)


def test_problem_names_rule_and_citation() -> None:
    document = refused([Refusal(Reason.CREW_INCOMPLETE, "one"), Refusal(Reason.TOO_FAR, "far")]).document()
    assert document["type"] == "https://doorstep.example/problems/crew-incomplete"
    assert document["rule"] == "CN-CBA2026-VISIT-2P"
    assert "China Banking Association" in str(document["citation"])
    assert [each["reason"] for each in document["reasons"]] == ["crew_incomplete", "too_far"]  # type: ignore[attr-defined]
