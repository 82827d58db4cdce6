"""The desk that is told of people: facts by their owners, wishes and requests by the people themselves.

What is told is kept with its leaf, closes the tasks that waited for it, recalls permits that it forbids and is held
against contacts made since it has been so, all in one transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, cast
from uuid import UUID

from services.compliance import duty_cause_desk, fact_desk, hindsight, reconsideration, sharing_desk
from services.compliance.domain.canonical import Json, canonical, format_time
from services.compliance.domain.dossier import (
    CIRCUMSTANCES,
    DEBT_NOTICE,
    MISSED_AS,
    REFUSED_BY,
    Dossier,
    DossierEntry,
    DossierName,
    is_so,
)
from services.compliance.domain.facts import Inconvenient, PartyFacts, Question
from services.compliance.domain.leaves import NewLeaf
from services.compliance.domain.local_time import Span, hours_on, local_date
from services.compliance.domain.preferences import SHORTEST_CONTACT, ContradictoryPreferences, longest_left
from services.compliance.domain.rules.applicability import concerned
from services.compliance.domain.rules.hours import hours_rules, lawful_span
from services.compliance.domain.telling import FactsContradict
from services.compliance.instruments import Instruments
from services.compliance.store import dossiers as store
from services.compliance.store.facts import load_facts
from services.compliance.store.leaves import append_leaves
from shared.database import UnitOfWork
from shared.events.contact import Channel
from shared.ids import event_id

_LOOK_AHEAD_DAYS: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEntry:
    """Something told. `owner`: whose word it is."""

    party_id: UUID
    name: DossierName
    value: bool | str | tuple[str, ...] | tuple[Inconvenient, ...] | frozenset[Channel]
    as_of: datetime
    owner: str
    reference: str | None = None


async def tell(uow: UnitOfWork, instruments: Instruments, new: Sequence[NewEntry], *, told_by: str) -> list[bool]:
    """Keep what is new; returns for each whether it was. Told again, nothing happens. The parties are locked.

    Raises FactsContradict.
    """
    known = await store.load_dossiers(uow, instruments.cipher, {one.party_id for one in new})
    fresh: dict[tuple[UUID, str, datetime], DossierEntry] = {}
    answers: list[bool] = []
    for one in new:
        place = (one.party_id, one.name, one.as_of)
        if place in fresh and fresh[place].value != one.value:
            raise FactsContradict(f"two values of {one.name} at one moment", fact=one.name)
        is_new = place not in fresh and not _says(known[one.party_id], one)
        answers.append(is_new)
        if is_new:
            fresh[place] = DossierEntry(
                party_id=one.party_id, name=one.name, value=one.value, as_of=one.as_of, recorded_real=uow.real_now,
                owner=one.owner, reference=one.reference,
            )  # fmt: skip
    await _keep(uow, instruments, list(fresh.values()), told_by=told_by)
    return answers


async def refuse_what_leaves_nothing(
    uow: UnitOfWork, instruments: Instruments, party_id: UUID, wishes: Sequence[Inconvenient]
) -> None:
    """Raises ContradictoryPreferences when a channel that is to stay open would have no lawful time left.

    Of a person who is not known yet nothing can be said; the rules will say it. The party is locked.
    """
    facts = (await load_facts(uow, instruments.cipher, [party_id]))[party_id]
    closed = {channel for one in wishes if one.opens is None for channel in one.channels}
    for channel in sorted({channel for one in wishes for channel in one.channels} - closed):
        if facts.zones and _leaves_nothing(channel, wishes, facts, instruments, uow):
            raise ContradictoryPreferences("no lawful time would be left", channel=channel)


def _says(dossier: Dossier, new: NewEntry) -> bool:
    """Whether that was the last word on the moment already."""
    same = [one for one in dossier.entries if (one.name, one.as_of) == (new.name, new.as_of)]
    return bool(same) and max(same, key=lambda one: one.recorded_real).value == new.value


async def _keep(uow: UnitOfWork, instruments: Instruments, fresh: Sequence[DossierEntry], *, told_by: str) -> None:
    if not fresh:
        return
    told: dict[UUID, list[DossierEntry]] = {}
    for entry in fresh:
        told.setdefault(entry.party_id, []).append(entry)
    leaves = {party_id: _leaf(uow, party_id, entries, told_by) for party_id, entries in told.items()}
    kept = [(one, leaves[one.party_id].leaf_id) for one in fresh]
    await store.insert_entries(uow, instruments.cipher, kept, told_by=told_by)
    await append_leaves(uow, instruments.cipher, list(leaves.values()))
    await fact_desk.hear(uow, [(one.party_id, MISSED_AS.get(one.name, one.name)) for one in fresh])
    for one in fresh:
        if one.name == DEBT_NOTICE and is_so(one):
            await _settle_notices(uow, instruments, one)
    await reconsideration.reconsider(uow, instruments, told)
    past = [(one.party_id, hindsight.Since(one.as_of)) for one in fresh if one.as_of < uow.now]
    await hindsight.judge_since(uow, instruments, past)
    binding = [one for one in fresh if one.name == "preferences" or one.name in REFUSED_BY]
    await sharing_desk.follow_other_ids(uow, [(one.party_id, one.as_of, uow.real_now) for one in binding])
    laws = [(one.party_id, one.as_of) for one in fresh if one.name in CIRCUMSTANCES]
    await sharing_desk.follow_laws(uow, laws, arrived_real=uow.real_now)


async def _settle_notices(uow: UnitOfWork, instruments: Instruments, notice: DossierEntry) -> None:
    """What is owed because of first communications: about the debts that the notice names, or about all."""
    about = cast(tuple[str, ...], notice.value) if isinstance(notice.value, tuple) else None
    await duty_cause_desk.settle(
        uow, instruments, {notice.party_id: notice.as_of}, reference="told", kinds=["first_communication"], about=about
    )  # fmt: skip


def _leaf(uow: UnitOfWork, party_id: UUID, entries: Sequence[DossierEntry], told_by: str) -> NewLeaf:
    words: list[Json] = [
        {
            "name": entry.name,
            "value": store.value_document(entry),
            "as_of": format_time(entry.as_of),
            "reference": entry.reference,
        }
        for entry in entries
    ]
    return NewLeaf(
        kind="told",
        leaf_id=event_id(),
        party_id=party_id,
        occurred_at=uow.now,
        recorded_at=uow.real_now,
        public={"names": sorted({entry.name for entry in entries}), "owner": entries[0].owner},
        committed={"told": canonical({"words": words}), "told_by": told_by.encode()},
    )


def _leaves_nothing(
    channel: Channel, wishes: Sequence[Inconvenient], facts: PartyFacts, instruments: Instruments, uow: UnitOfWork
) -> bool:
    hours = [one for one in wishes if channel in one.channels]
    question = _probe(channel, facts, uow)
    lawful = False
    for days in range(_LOOK_AHEAD_DAYS):
        moment = uow.now + timedelta(days=days)
        asked = question.at(moment)
        rules = hours_rules(concerned(asked, facts, instruments.book), asked)
        if not rules:
            return False
        span = lawful_span(rules, local_date(moment, facts.zones[0]), facts.zones)
        lawful = lawful or span.length >= SHORTEST_CONTACT
        if span.length >= SHORTEST_CONTACT and longest_left(span, _taken(hours, span, facts)) >= SHORTEST_CONTACT:
            return False
    return lawful


def _probe(channel: Channel, facts: PartyFacts, uow: UnitOfWork) -> Question:
    return Question(
        party_id=facts.party_id, case_id=None, subject_id=facts.party_id, channel=channel, purpose="collection",
        jurisdiction=facts.jurisdiction or "", zones=facts.zones, span=Span(uow.now, uow.now + SHORTEST_CONTACT),
        duration=SHORTEST_CONTACT, now=uow.now, real_now=uow.real_now,
    )  # fmt: skip


def _taken(hours: Sequence[Inconvenient], span: Span, facts: PartyFacts) -> list[Span]:
    """What the wishes take, on every local date that the span touches."""
    dates = {local_date(moment, zone) for moment in span for zone in facts.zones}
    return [
        hours_on(day, opens=one.opens, closes=one.closes, zone_name=zone, widest=True)
        for one in hours
        if one.opens is not None and one.closes is not None
        for day in sorted(dates)
        for zone in facts.zones
    ]
