"""What follows when the core says another word about who is who: the aliases, the books, the cases, the events."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date
from typing import Any
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from services.intake.domain import groups
from services.intake.domain.announcement import identity_told, stopped
from services.intake.domain.book import NOBODY, Book, Case
from services.intake.domain.conclusion import Circumstances, conclude
from services.intake.domain.groups import Alias
from services.intake.domain.trigger import Trigger
from shared.events import NewEvent


class Word(Struct, frozen=True):
    """The core's word behind a change."""

    core: str
    business_date: date
    trigger: Trigger


class Regrouped(Struct, frozen=True):
    """`aliases`: those that differ; `moved`: those for whom somebody else stands now; `books`: of everybody."""

    aliases: list[Alias]
    moved: list[Alias]
    books: dict[UUID, Book]
    events: list[NewEvent[Any]]


def regrouped(
    told: Mapping[UUID, Book], known: Mapping[UUID, Alias], said: Alias, word: Word, circumstances: Circumstances
) -> Regrouped:
    """From the aliases `known` in all groups concerned to those with `said`.

    `told`: the book of everybody named in them, as each reference was told. First both sides are stopped, then both
    are told who is who, then the cases follow.
    """
    if said.party_id in known:
        was = known[said.party_id]
        said = replace(said, lead=was.lead, other=was.other, version=was.version, settled=was.settled)
    stated = {**known, said.party_id: said}
    everybody = {party_id for one in (*known.values(), said) for party_id in (one.party_id, one.into)}
    leads = {**{party_id: party_id for party_id in everybody}, **groups.leads_of(stated.values())}
    before = {party_id: known[party_id].lead if party_id in known else party_id for party_id in leads}
    aliases = {party_id: groups.led(alias, leads[party_id]) for party_id, alias in stated.items()}
    moved = [aliases[party_id] for party_id in sorted(leads) if leads[party_id] != before[party_id]]
    merging = {side for one in aliases.values() if not one.settled for side in (one.party_id, one.lead, one.other)}
    books, concluded = _conclude(told, before, leads, merging, word, circumstances)
    touched = {lead for one in moved for lead in (before[one.party_id], one.lead)}
    events: list[NewEvent[Any]] = [
        stopped(party_id, "identity", "collection", word.trigger, reference=word.trigger.reference)
        for party_id in sorted(touched)
    ]
    for alias in moved:
        events += identity_told(alias, books, word.business_date, word.trigger)
    changed = [alias for party_id, alias in sorted(aliases.items()) if alias != known.get(party_id)]
    return Regrouped(changed, moved, books, events + concluded)


def _conclude(
    told: Mapping[UUID, Book], before: Mapping[UUID, UUID], leads: Mapping[UUID, UUID], merging: Collection[UUID],
    word: Word, circumstances: Circumstances,
) -> tuple[dict[UUID, Book], list[NewEvent[Any]]]:  # fmt: skip
    after = groups.divided(told, before, leads)
    events: list[NewEvent[Any]] = []
    for lead in sorted(set(leads.values())):
        is_back = before[lead] != lead
        was, members = groups.members_of(lead, before), groups.members_of(lead, leads)
        if was == members and not is_back:
            continue
        if is_back:
            previous = Book(lead, told[lead].core, NOBODY, {}, {}, told[lead].case)
        else:
            previous = groups.joined([told[one] for one in was], merging=False)
        if is_back or not set(was) <= set(members) or any(before[one] not in (one, lead) for one in members):
            # Who parted tells the holds of their own loans anew: what was told meanwhile was told of both.
            after |= {one: groups.untold(after[one]) for one in members}
        present = groups.joined([after[one] for one in members], merging=lead in merging)
        book, announced = conclude(previous, present, word.trigger, circumstances)
        events += announced
        after |= {one.party_id: one for one in groups.parted(book) or (book,)}
    for party_id, lead in leads.items():
        case = told[party_id].case
        if lead != party_id and case is not None and before[party_id] == party_id:
            after[party_id] = replace(after[party_id], case=_given_up(case, word.business_date))
    return after, events


def _given_up(case: Case, as_of: date) -> Case:
    """The case of somebody who is another person now: nothing is left in it."""
    return Case(
        case_id=case.case_id, version=case.version, status="closed", as_of=max(case.as_of, as_of), suspended=(),
        opened_at=case.opened_at, held=case.held,
    )  # fmt: skip
