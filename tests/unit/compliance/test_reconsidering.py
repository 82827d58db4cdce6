"""Outstanding permits judged again: who must give way when there are more than the rules allow."""

from dataclasses import replace
from datetime import date, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from msgspec.structs import replace as replace_counted

from services.compliance.domain.facts import Counted
from services.compliance.domain.local_time import Span
from services.compliance.domain.packs import RuleBook
from services.compliance.domain.permits import Permit, PermitState
from services.compliance.domain.reconsidering import comes_unreserved, refused_now

from .conftest import NOW, REAL, at, facts


def message(permit: Permit, *, day: int, granted: int, used: bool = False) -> Permit:
    """A permit for a message; `granted`: in which order."""
    start = at(11, day=day)
    return replace(
        permit,
        permit_id=uuid4(),
        channel="sms",
        window=Span(start, start + timedelta(minutes=5)),
        duration=timedelta(minutes=1),
        granted_real=REAL + timedelta(seconds=granted),
        state=PermitState.USED if used else PermitState.GRANTED,
    )


def refused(book: RuleBook, permits: list[Permit], made: list[Counted], *, now: datetime = NOW) -> list[UUID]:
    known = facts(history_known_from=date(2025, 1, 1), counted=(*made, *(one.reservation() for one in permits)))
    return [permit.permit_id for permit, _ in refused_now(permits, known, book, now=now, real_now=REAL)]


def told_late(day: int) -> Counted:
    """A message of that day that nobody had a permit for."""
    start = at(10, day=day)
    return Counted(channel="sms", purpose="collection", span=Span(start, start), zones=("Asia/Shanghai",))


@pytest.fixture
def permits(permit: Permit) -> list[Permit]:
    """Three messages in seven dates, which is what the bank allows."""
    return [message(permit, day=day, granted=order) for order, day in ((1, 5), (2, 6), (3, 7))]


def test_nothing_new_changes_nothing(book: RuleBook, permits: list[Permit]) -> None:
    assert refused(book, permits, []) == []


def test_last_granted_gives_way(book: RuleBook, permits: list[Permit]) -> None:
    assert refused(book, permits, [told_late(3)]) == [permits[2].permit_id]


def test_used_one_does_not_give_way_though_it_was_granted_last(book: RuleBook, permit: Permit) -> None:
    """Nobody can take it back: the one that was granted before it and is still open does. Found by random worlds."""
    first, second = message(permit, day=6, granted=1), message(permit, day=7, granted=2)
    used = message(permit, day=4, granted=3, used=True)
    later = at(12, day=4)
    assert refused(book, [first, second, used], [told_late(3)], now=later) == [second.permit_id]


def test_lapsed_one_does_not_give_way_either(book: RuleBook, permit: Permit) -> None:
    first, second = message(permit, day=6, granted=1), message(permit, day=7, granted=2)
    lapsed = message(permit, day=4, granted=3)
    later = at(12, day=4)
    assert refused(book, [first, second, lapsed], [told_late(3)], now=later) == [second.permit_id]


def test_revoked_one_still_gives_way_when_its_window_is_over(book: RuleBook, permits: list[Permit]) -> None:
    revoked = replace(permits[2], window=permits[0].window, revoked_real=REAL)
    after = refused(book, [*permits[:2], revoked], [told_late(3)], now=at(12, day=5))
    assert after == [revoked.permit_id]


def test_contact_of_another_sort_than_its_permit_was_reserved_nowhere(permit: Permit) -> None:
    """A call on the permit of a visit: no limit on calls had counted it. Found by random worlds."""
    made = replace_counted(permit.reservation(), permit_id=permit.permit_id)
    assert not comes_unreserved(made, permit)
    assert comes_unreserved(replace_counted(made, channel="call"), permit)
    assert comes_unreserved(replace_counted(made, purpose="reply"), permit)
