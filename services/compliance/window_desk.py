"""The desk that answers for days ahead: when may these parties be contacted?"""

from __future__ import annotations

from datetime import timedelta

from services.compliance.decision_desk import debts_of, reason
from services.compliance.domain.budget_keys import keys_about
from services.compliance.domain.facts import PartyFacts, Question
from services.compliance.domain.local_time import Span
from services.compliance.domain.packs import RuleBook
from services.compliance.domain.windows import lawful_windows
from services.compliance.schemas.permits import WindowsAnswer, WindowsItem
from shared.database import UnitOfWork
from shared.events.base import TimeWindow


def windows_of(item: WindowsItem, facts: PartyFacts, book: RuleBook, uow: UnitOfWork) -> WindowsAnswer:
    """The lawful span of each local date, from now on, long enough for the contact."""
    duration = timedelta(minutes=item.duration_minutes)
    question = Question(
        party_id=item.party_id,
        case_id=None,
        subject_id=item.party_id,
        channel=item.channel,
        purpose=item.purpose,
        jurisdiction=item.jurisdiction,
        zones=tuple(item.time_zones),
        span=Span(uow.now, uow.now + duration),
        duration=duration,
        debts=debts_of(item, facts),
        keys=keys_about(debts_of(item, facts), facts.keys),
        now=uow.now,
        real_now=uow.real_now,
    )
    found = lawful_windows(question, item.days, facts, book)
    return WindowsAnswer(
        party_id=item.party_id,
        windows=[TimeWindow(start=span.start, end=span.end) for span in found.spans],
        refused=[reason(ruling.document(), ruling.earliest) for ruling in found.refused.values()],
    )
