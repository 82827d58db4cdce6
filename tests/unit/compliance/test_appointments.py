"""A visit's appointment is proved by our own records: a message that announced it, or the answer to its offer."""

from datetime import timedelta
from typing import Any

from services.compliance.domain.appointments import announced_at
from services.compliance.domain.dossier import Dossier, DossierEntry
from services.compliance.domain.facts import Counted
from services.compliance.domain.local_time import Span

from .conftest import NOW, PARTY, REAL, facts

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def made(before: timedelta = 2 * DAY, **changes: Any) -> Counted:
    values: dict[str, Any] = {
        "channel": "sms", "purpose": "appointment_admin", "span": Span(NOW - before, NOW - before),
        "zones": ("Asia/Shanghai",), "lawful": True,
    }  # fmt: skip
    return Counted(**(values | changes))


def test_message_that_reached_the_person_announces() -> None:
    assert announced_at([made(3 * DAY), made(2 * DAY)], at=NOW) == NOW - 2 * DAY


def test_what_is_no_announcement() -> None:
    for one in (
        made(channel="call"),
        made(purpose="collection"),
        made(contact=False),
        made(lawful=False),
        made(lawful=None),
        made(-HOUR),
    ):
        assert announced_at([one], at=NOW) is None


def test_one_message_announces_one_visit() -> None:
    visit = made(DAY, channel="visit", purpose="collection")
    assert announced_at([made(2 * DAY), visit], at=NOW) is None
    assert announced_at([made(2 * DAY), visit, made(HOUR)], at=NOW) == NOW - HOUR


def test_later_word_counts() -> None:
    def standing(*entries: DossierEntry) -> bool:
        told = Dossier(entries).applied_to(facts(counted=(made(2 * DAY),)), at=NOW).told["visit_notice_given"]
        return told.value

    def word(before: timedelta) -> DossierEntry:
        return DossierEntry(
            party_id=PARTY, name="visit_notice_given", value=False, as_of=NOW - before, recorded_real=REAL,
            owner="visits",
        )  # fmt: skip

    assert standing()
    assert standing(word(3 * DAY))
    assert not standing(word(DAY))
