"""The certificate is a lock: without a valid one nobody is sent out."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from uuid import UUID

import pytest

from services.assignment.domain.collectors import Certificate, Collector, Pair, Shift, ready_pairs
from shared.geo import Point

DAY = date(2026, 3, 5)
HOME = Point(lat=31.23, lon=121.47, crs="WGS84")
SHIFT = Shift(start=time(9), end=time(18), time_zone="Asia/Shanghai")


def collector(
    number: int, *, kind: str = "home_visit", until: date = date(2026, 12, 31), active: bool = True
) -> Collector:
    held = Certificate(kind=kind, reference=f"c{number}", valid_from=date(2026, 1, 1), valid_to=until)
    return Collector(
        collector_id=UUID(int=number), staff_ref=f"s{number}", name=f"Collector {number}",
        languages=frozenset({"zh"} if number % 2 else {"ug"}), certificates=(held,), active=active,
    )  # fmt: skip


def pair(number: int, first: int, second: int, *, active: bool = True) -> Pair:
    return Pair(
        pair_id=UUID(int=number), collectors=(UUID(int=first), UUID(int=second)), device_id=f"d{number}", home=HOME,
        shift=SHIFT, active=active,
    )  # fmt: skip


def refused(one: Collector, day: date = DAY) -> str | None:
    _, reasons = ready_pairs([pair(1, 1, 2)], {UUID(int=1): one, UUID(int=2): collector(2)}, day)
    return reasons.get(UUID(int=1))


def test_certified_pair_speaks_the_languages_of_both() -> None:
    ready, _ = ready_pairs([pair(1, 1, 2)], {UUID(int=n): collector(n) for n in (1, 2)}, DAY)
    assert ready[0].languages == {"zh", "ug"}


@pytest.mark.parametrize(
    ("one", "reason"),
    [
        (collector(1, until=date(2026, 3, 4)), "certificate_expired"),
        (collector(1, kind="telephone"), "certificate_missing"),
        (collector(1, active=False), "inactive"),
        (collector(1, until=DAY), None),
    ],
)
def test_lock(one: Collector, reason: str | None) -> None:
    assert refused(one) == reason


def test_certificate_of_tomorrow_does_not_count_today() -> None:
    assert refused(collector(1), date(2025, 12, 31)) == "certificate_expired"


def test_one_person_cannot_be_in_two_pairs() -> None:
    known = {UUID(int=n): collector(n) for n in (1, 2, 3)}
    ready, reasons = ready_pairs([pair(1, 1, 2), pair(2, 2, 3)], known, DAY)
    assert [each.pair.pair_id for each in ready] == [UUID(int=1)]
    assert reasons == {UUID(int=2): "collector_in_another_pair"}


def test_unknown_collector() -> None:
    _, reasons = ready_pairs([pair(1, 1, 2)], {UUID(int=1): collector(1)}, DAY)
    assert reasons == {UUID(int=1): "collector_unknown"}


def test_shift_is_local() -> None:
    span = SHIFT.span_on(DAY)
    assert (span.start, span.end) == (datetime(2026, 3, 5, 1, tzinfo=UTC), datetime(2026, 3, 5, 10, tzinfo=UTC))
