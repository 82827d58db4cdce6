"""A person in Shanghai about whom everything is known, and a lawful question about a visit."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from msgspec import structs

from services.compliance.domain.facts import Balance, Freshness, PartyFacts, Question
from services.compliance.domain.local_time import Span
from services.compliance.domain.packs import RuleBook
from services.compliance.domain.permits import Permit
from services.compliance.rule_book import rule_book
from shared.ids import draw_shard, entity_id

NOW = datetime(2026, 3, 2, 2, 0, tzinfo=UTC)
REAL = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
PARTY = entity_id(draw_shard())
CASE = uuid4()
CREW = (uuid4(), uuid4())


def at(hour: int, minute: int = 0, second: int = 0, *, day: int = 2) -> datetime:
    """A moment of March 2026 by the clocks of Shanghai (UTC+8, no summer time)."""
    return datetime(2026, 3, day, hour, minute, second, tzinfo=UTC) - timedelta(hours=8)


def facts(**changes: Any) -> PartyFacts:
    known = PartyFacts(
        party_id=PARTY,
        known=True,
        case_id=CASE,
        case_open=True,
        case_version=1,
        jurisdiction="CN",
        zones=("Asia/Shanghai",),
        history_known_from=date(2026, 1, 1),
        freshness=Freshness(watermarks=dict.fromkeys(("intake", "assignment", "visits", "plans"), REAL)),
        balance=Balance(as_of=REAL, overdue_minor={"CNY": 100}, digest="0"),
    )
    return structs.replace(known, **changes)


def question(start: datetime | None = None, end: datetime | None = None, **changes: Any) -> Question:
    begin = start or at(14)
    asked = Question(
        party_id=PARTY,
        case_id=CASE,
        subject_id=uuid4(),
        channel="visit",
        purpose="collection",
        jurisdiction="CN",
        zones=("Asia/Shanghai",),
        span=Span(begin, end or begin + timedelta(minutes=30)),
        duration=timedelta(minutes=30),
        crew=CREW,
        device_id="device-1",
        place_cell="88309a5915fffff",
        now=NOW,
        real_now=REAL,
    )
    return structs.replace(asked, **changes)


@pytest.fixture(scope="session")
def book() -> RuleBook:
    """The shipped rule book."""
    return rule_book()


@pytest.fixture(scope="session")
def permit() -> Permit:
    """A visit permit from 14:00 to 16:00 in Shanghai."""
    return Permit(
        permit_id=uuid4(),
        party_id=PARTY,
        tenant="bank",
        decision_id=uuid4(),
        request_id=uuid4(),
        case_id=CASE,
        subject_id=uuid4(),
        channel="visit",
        purpose="collection",
        crew=CREW,
        device_id="device-1",
        place_cell="88309a5915fffff",
        window=Span(at(14), at(16)),
        duration=timedelta(minutes=30),
        zones=("Asia/Shanghai",),
        rule_set="0" * 64,
        granted_real=REAL,
    )
