"""Reconciliation's decisions: which hours are closed, what a difference says, how its finding lives."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from services.compliance.domain.findings import FindingVersion, decide, found_again
from services.compliance.domain.reconciliation import (
    ComparedHour,
    Stream,
    difference_found,
    last_settled,
    strays_found,
)

NOW = datetime(2026, 3, 2, 6, 25, tzinfo=UTC)
HOUR = datetime(2026, 3, 2, 5, tzinfo=UTC)
STREAM = Stream("visits", "contact")
ID = "019ce000-3f10-7a01-8000-000000000081"


def apart(**changes: object) -> FindingVersion:
    hour = ComparedHour(stream=STREAM, hour=HOUR, published=41, applied=40, differs=True, missing=(ID,))
    found = difference_found(replace(hour, **changes))  # type: ignore[arg-type]
    assert found is not None
    return found


def test_an_hour_is_closed_when_its_publisher_has_come_past_it() -> None:
    assert last_settled(NOW, NOW - timedelta(seconds=5)) == datetime(2026, 3, 2, 6, tzinfo=UTC)
    assert last_settled(NOW, datetime(2026, 3, 2, 5, 59, tzinfo=UTC)) == HOUR


def test_the_last_minutes_may_still_be_on_their_way() -> None:
    now = datetime(2026, 3, 2, 6, 9, tzinfo=UTC)
    assert last_settled(now, now) == HOUR


def test_a_publisher_that_stands_still_is_waited_for_two_hours() -> None:
    assert last_settled(NOW, NOW - timedelta(days=3)) == datetime(2026, 3, 2, 4, tzinfo=UTC)
    assert last_settled(NOW, None) == datetime(2026, 3, 2, 4, tzinfo=UTC)


def test_a_difference_names_topic_hour_counts_and_ids() -> None:
    found = apart(extra=("019ce000-3f10-7a01-8000-000000000082",))

    assert found.subject == "service:visits"
    assert found.finding.detail == (
        f"topic contact, hour 2026-03-02T05Z: 41 published, 40 taken over; missing {ID}; "
        "extra 019ce000-3f10-7a01-8000-000000000082"
    )


def test_many_ids_are_counted_not_listed() -> None:
    ids = tuple(f"019ce000-3f10-7a01-8000-{number:012d}" for number in range(30))

    assert apart(missing=ids).finding.detail.endswith("000000000009 and 20 more; extra none")


def test_a_stray_that_is_no_id_is_shown_by_its_digest() -> None:
    detail = strays_found(STREAM, HOUR, ["Mr Wang, 13800000000"]).finding.detail

    assert "Wang" not in detail
    assert "sha256:" in detail


def test_a_repaired_difference_closes_by_itself() -> None:
    after = found_again(apart(), None, repaired="agreed")

    assert after is not None
    assert (after.version, after.state, after.finding.harm, after.finding.conduct) == (2, "remedied", False, True)
    assert found_again(after, None, repaired="agreed") is None


def test_a_difference_that_comes_back_opens_its_finding_again() -> None:
    closed = found_again(apart(), None, repaired="agreed")
    again = found_again(closed, apart(), repaired="agreed")

    assert again is not None
    assert (again.version, again.state, again.finding.harm) == (3, "open", True)


def test_the_same_difference_makes_no_version_and_another_one_does() -> None:
    standing = apart()
    other = found_again(standing, apart(applied=39), repaired="agreed")

    assert found_again(standing, apart(), repaired="agreed") is None
    assert other is not None
    assert (other.version, other.state) == (2, "open")


def test_what_a_person_dismissed_stays_dismissed_until_it_changes() -> None:
    dismissed = decide(apart(), "dismiss", by_whom="a", reason="a restore", reference=None)
    again = found_again(dismissed, apart(applied=39), repaired="agreed")

    assert found_again(dismissed, apart(), repaired="agreed") is None
    assert again is not None
    assert again.state == "open"
