"""Duties with a time: what recurs, what answers a cause, and when it is overdue."""

from datetime import UTC, date, datetime, time, timedelta

from services.compliance.domain.duties import (
    FIRST_RECORD,
    INSTITUTION,
    Duty,
    OwedToCauses,
    Waiting,
    Watched,
    late_by_owner,
    recurring,
    standing,
)
from services.compliance.domain.packs import RuleBook

TODAY = date(2027, 1, 14)
RULE = "CN-CBA2026-VENDOR"


def duties(
    book: RuleBook, *watched: Watched, waiting: tuple[Waiting, ...] = (), today: date = TODAY,
    causes: tuple[OwedToCauses, ...] = (),
) -> list[Duty]:  # fmt: skip
    return standing(book, now=datetime.combine(today, time(0), UTC), watched=watched, waiting=waiting, causes=causes)


def of(found: list[Duty], rule: str, subject: str = INSTITUTION) -> Duty:
    [duty] = [one for one in found if (one.rule.id, one.subject) == (rule, subject)]
    return duty


def since(days: int, subject: str = INSTITUTION, done: int | None = None) -> Watched:
    last = None if done is None else TODAY - timedelta(days=done)
    return Watched(rule=RULE, subject=subject, since=TODAY - timedelta(days=days), last_done=last)


def complaint(days: int, place: str | None) -> Waiting:
    return Waiting(
        tracks="complaint_acknowledged", caused_at=datetime(2027, 1, 14, 9, tzinfo=UTC) - timedelta(days=days),
        place=place,
    )  # fmt: skip


def test_every_recurring_duty_is_owed_before_anybody_looked(book: RuleBook) -> None:
    found = duties(book)
    assert {one.rule.id for one in found if one.rule.every_days} == recurring(book, TODAY).keys()
    assert of(found, RULE).due_on == TODAY + FIRST_RECORD
    assert of(found, RULE).owner == "vendors"


def test_never_recorded_it_is_overdue_after_the_first_month(book: RuleBook) -> None:
    assert of(duties(book, since(30)), RULE).late == 0
    late = of(duties(book, since(31)), RULE)
    found = late.found()
    assert (late.late, found is not None and found.finding.rule) == (1, RULE)


def test_recorded_it_is_due_again_after_its_time(book: RuleBook) -> None:
    assert of(duties(book, since(800, done=365)), RULE).late == 0
    assert of(duties(book, since(800, done=366)), RULE).late == 1


def test_where_agencies_are_named_nothing_is_owed_of_the_institution(book: RuleBook) -> None:
    found = duties(book, since(400), since(100, "agency-7", done=100), since(700, "agency-8", done=600))
    assert (of(found, RULE).late, of(found, RULE, "agency-7").late, of(found, RULE, "agency-8").late) == (0, 0, 1)


def test_a_law_of_the_place_is_stricter_than_the_bank(book: RuleBook) -> None:
    found = duties(book, waiting=(complaint(2, "AU"), complaint(2, "CN"), complaint(6, "CN")))
    assert (of(found, "AU-COMPLAINT-ACK").late, of(found, "BANK-COMPLAINT-ACK").late) == (1, 1)
    assert of(found, "BANK-COMPLAINT-ACK").waiting == 2


def test_where_the_place_is_not_known_the_strictest_of_all_places_counts(book: RuleBook) -> None:
    assert of(duties(book, waiting=(complaint(2, None),)), "AU-COMPLAINT-ACK").late == 1


def test_a_need_is_reviewed_by_the_day_after_its_date(book: RuleBook) -> None:
    needs = [Waiting(tracks="vulnerability_reviewed", caused_at=complaint(days, "GB").caused_at, place="GB")
             for days in (1, 2)]  # fmt: skip
    found = duties(book, waiting=tuple(needs))
    assert (of(found, "BANK-NEED-REVIEW").waiting, of(found, "BANK-NEED-REVIEW").late) == (2, 1)
    assert late_by_owner(found, ("care", "complaints", "compliance", "data_protection", "vendors"))["care"] == 1


def test_drafts_ask_for_nothing_unless_the_bank_judges_by_them(book: RuleBook) -> None:
    assert "IN-D26-POLICY" not in recurring(book, TODAY)


def test_before_the_rule_is_in_force_nothing_is_owed(book: RuleBook) -> None:
    assert "BANK-NEED-REVIEW" not in {one.rule.id for one in duties(book, today=date(2026, 12, 14))}
