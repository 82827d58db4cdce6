"""The desk that answers for days ahead: when may these parties be contacted?"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from services.compliance.decision_desk import debts_of, reason
from services.compliance.domain.budget_keys import Keys, joined, keys_about
from services.compliance.domain.facts import PartyFacts, Question
from services.compliance.domain.judged_on import refused_of_debts, ruling_of
from services.compliance.domain.local_time import Span
from services.compliance.domain.windows import lawful_windows
from services.compliance.instruments import Instruments
from services.compliance.schemas.permits import WindowsAnswer, WindowsItem
from shared.database import UnitOfWork
from shared.events.base import TimeWindow


def points_named_by(items: Sequence[WindowsItem], instruments: Instruments) -> dict[UUID, Keys]:
    """The commitments to the contact points that were named, by party."""
    found: dict[UUID, Keys] = {}
    for item in items:
        found[item.party_id] = joined(found.get(item.party_id, {}), _point_of(item, instruments))
    return found


def _point_of(item: WindowsItem, instruments: Instruments) -> Keys:
    if item.contact_point is None:
        return {}
    return {"contact_point": frozenset({instruments.contact_point_commitment(item.contact_point)})}


def windows_of(item: WindowsItem, facts: PartyFacts, instruments: Instruments, uow: UnitOfWork) -> WindowsAnswer:
    """The lawful span of each local date, from now on, long enough for the contact; none where a permit would be
    refused because of a debt that was named.
    """
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
        keys=joined(keys_about(debts_of(item, facts), facts.keys), _point_of(item, instruments)),
        now=uow.now,
        real_now=uow.real_now,
    )
    found = lawful_windows(question, item.days, facts, instruments.book)
    refused_by = refused_of_debts(item.debt_ids or (), item.purpose, facts)
    refused = [*found.refused.values(), *([] if refused_by is None else [ruling_of(refused_by)])]
    return WindowsAnswer(
        party_id=item.party_id,
        windows=[TimeWindow(start=span.start, end=span.end) for span in found.spans] if refused_by is None else [],
        refused=[reason(ruling.document(), ruling.earliest) for ruling in refused],
    )
