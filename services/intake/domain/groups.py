"""Several references of a core that are one person: their books are kept as they were told, and read together.

Each fact stays in the book of the reference under which it came. So it does not matter whether it comes before, during
or after the merge, a late one follows the alias, and taking the merge back restores each book as it would have been.
What the books say together is joined part by part: of each register the fact with the highest position, of holds,
pauses and parkings all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Final, Protocol, TypeVar
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from services.intake.domain.book import Book, Loan, Movement, Person, Place
from services.intake.domain.merge import Names
from services.intake.domain.position import Position
from services.intake.domain.rolling import moved
from services.intake.domain.standing import Obligors, SeenHold, Standing
from shared.events.base import EventData

_MERGED: Final = "merged"


class _Register(Protocol):
    @property
    def position(self) -> Position: ...


_RegisterT = TypeVar("_RegisterT", bound=_Register)


class Alias(Struct, frozen=True):
    """What the core last said of whether `party_id` is somebody else, and what follows.

    `into`: who it was said to be, or no longer to be. `lead`: who stands for it now, itself included; `other`: the
    other side of the last change. `version` counts the changes of `lead`. `settled`: everybody has had time to hear.
    """

    party_id: UUID
    into: UUID
    is_merged: bool
    position: Position
    lead: UUID
    other: UUID
    version: int = 0
    settled: bool = True

    @property
    def rank(self) -> tuple[date, int, bool, UUID]:
        """Its place among the statements about its party; of two under one number the same counts in any order."""
        return self.position.business_date, self.position.core_sequence, self.is_merged, self.into


def leads_of(aliases: Iterable[Alias]) -> dict[UUID, UUID]:
    """Who stands for whom, of everybody named.

    Chains are followed to their end. Where they form a ring the oldest statement in it does not count, so the same
    follows in whatever order they came.
    """
    said = {one.party_id: one for one in aliases if one.is_merged}
    named = {party_id for one in aliases for party_id in (one.party_id, one.into)}
    for start in sorted(said):
        ring = _ring(start, said)
        if ring:
            del said[min(ring, key=lambda party_id: (said[party_id].rank, party_id))]
    return {party_id: _end_of(party_id, said) for party_id in sorted(named)}


def _ring(start: UUID, said: Mapping[UUID, Alias]) -> list[UUID]:
    path: list[UUID] = []
    at = start
    while at in said and at not in path:
        path.append(at)
        at = said[at].into
    return path[path.index(at) :] if at in path else []


def _end_of(party_id: UUID, said: Mapping[UUID, Alias]) -> UUID:
    while party_id in said:
        party_id = said[party_id].into
    return party_id


def led(alias: Alias, lead: UUID) -> Alias:
    """The alias with who stands for its party now. A change is not settled until everybody has heard of it."""
    if alias.lead == lead:
        return alias
    other = alias.lead if lead == alias.party_id else lead
    return replace(alias, lead=lead, other=other, version=alias.version + 1, settled=False)


def members_of(lead: UUID, leads: Mapping[UUID, UUID]) -> list[UUID]:
    """The lead, then all others that it stands for, in order."""
    return [lead, *sorted(one for one, found in leads.items() if found == lead and one != lead)]


def joined(members: Sequence[Book], *, merging: bool) -> Book:
    """What the books say together; the first is the one that remains, and it alone describes the person."""
    lead = members[0]
    if len(members) == 1:
        return replace(lead, merging=merging)
    loans = {reference: _loan(found) for reference, found in _by_reference(book.loans for book in members).items()}
    movements = {
        reference: _movement(found) for reference, found in _by_reference(book.movements for book in members).items()
    }
    return Book(
        party_id=lead.party_id, core=lead.core, person=_person([book.person for book in members]), loans=loans,
        movements=movements, case=lead.case, members=tuple(members), merging=merging,
    )  # fmt: skip


def member(book: Book, party_id: UUID) -> Book:
    """The book of one member. Raises LookupError for somebody else."""
    for one in book.members:
        if one.party_id == party_id:
            return one
    raise LookupError("no member of this group")


def rejoined(book: Book, changed: Book) -> Book:
    """The group with another state of one member."""
    return joined([changed if one.party_id == changed.party_id else one for one in book.members], merging=book.merging)


def settled(book: Book) -> Book:
    """The group with what was concluded of it written back to its members: places, what was announced, the case."""
    return replace(book, members=parted(book)) if book.members else book


def parted(book: Book) -> tuple[Book, ...]:
    """The books of the members with what was concluded of the group; those that it leaves as they are, as they were."""
    holders = {reference: _holder(found) for reference, found in _owners(book.members).items()}
    return tuple(_parted(one, book, holders) for one in book.members)


def shared_names(book: Book, fact: EventData, names: Names) -> Names:
    """A loan that another member brought keeps its id when this one hears of it, too."""
    known = book.loans.get(getattr(fact, "loan_ref", ""))
    return names if known is None else replace(names, new_id=lambda _: known.loan_id)


def divided(told: Mapping[UUID, Book], before: Mapping[UUID, UUID], leads: Mapping[UUID, UUID]) -> dict[UUID, Book]:
    """The books, where people who were one are several again.

    A loan that references on both sides know was one loan. It goes to the side that it stood for, with everything that
    was said of it under either; it has left the other, unless the core says something newer there.
    """
    books = dict(told)
    for lead in sorted(set(before.values())):
        members = members_of(lead, before)
        for found in _owners([told[one] for one in members]).values():
            holder = _holder(found)
            strangers = [party_id for party_id, _ in found if leads[party_id] != leads[holder]]
            if strangers:
                _divide(books, [party_id for party_id, _ in found], holder, strangers, found[0][1].loan_ref)
    return books


def _divide(
    books: dict[UUID, Book], knowing: Sequence[UUID], holder: UUID, strangers: Iterable[UUID], loan_ref: str
) -> None:
    together = _loan([books[party_id].loans[loan_ref] for party_id in knowing])
    movements = _by_reference(
        {
            reference: movement
            for reference, movement in books[party_id].movements.items()
            if movement.loan_ref == loan_ref
        }
        for party_id in knowing
    )
    own = books[holder]
    books[holder] = replace(
        own,
        loans={**own.loans, loan_ref: replace(together, place=own.loans[loan_ref].place)},
        movements={**own.movements, **{reference: _movement(found) for reference, found in movements.items()}},
    )
    left = Obligors(position=_newest_position(together), obligors=(), bound=(), binds_party=False)
    for party_id in strangers:
        loan = books[party_id].loans[loan_ref]
        standing = replace(loan.standing or Standing(), obligors=left)
        books[party_id] = replace(
            books[party_id], loans={**books[party_id].loans, loan_ref: replace(loan, standing=standing)}
        )


def _newest_position(loan: Loan) -> Position:
    standing = None if loan.standing is None else loan.standing.position
    parts = [one.position for one in (loan.terms, loan.statement) if one is not None]
    return max(parts if standing is None else [*parts, standing])


def untold(book: Book) -> Book:
    """The book of somebody who was one with another person: its holds are told again, of whom they belong to now."""
    loans = {reference: _untold(loan) for reference, loan in book.loans.items()}
    return replace(book, loans=loans)


def _untold(loan: Loan) -> Loan:
    if loan.standing is None or not loan.standing.holds:
        return loan
    holds = tuple(replace(hold, told=None) for hold in loan.standing.holds)
    return replace(loan, standing=replace(loan.standing, holds=holds))


_ValueT = TypeVar("_ValueT")


def _by_reference(parts: Iterable[Mapping[str, _ValueT]]) -> dict[str, list[_ValueT]]:
    found: dict[str, list[_ValueT]] = {}
    for part in parts:
        for reference, value in part.items():
            found.setdefault(reference, []).append(value)
    return found


def _newest(*registers: _RegisterT | None) -> _RegisterT | None:
    known = [one for one in registers if one is not None]
    return max(known, key=lambda one: one.position, default=None)


def _stands(place: Place | None) -> bool:
    return place is not None and place.state != _MERGED


def _first(loans: Sequence[Loan]) -> int:
    """Which of the loans under one reference stands in the portfolio for all of them."""
    return next(
        (number for number, loan in enumerate(loans) if _stands(loan.place)),
        next((number for number, loan in enumerate(loans) if loan.terms is not None), 0),
    )


def _loan(found: Sequence[Loan]) -> Loan:
    if len(found) == 1:
        return found[0]
    standing = found[_first(found)]
    return Loan(
        loan_id=standing.loan_id,
        loan_ref=standing.loan_ref,
        terms=_newest(*(loan.terms for loan in found)),
        statement=_newest(*(loan.statement for loan in found)),
        standing=_standing([loan.standing for loan in found if loan.standing is not None]),
        place=standing.place,
    )


def _standing(found: Sequence[Standing]) -> Standing | None:
    if len(found) < 2:
        return found[0] if found else None
    demands = [one.demand for one in found if one.demand is not None]
    doubts = [one.disagreement for one in found if one.disagreement is not None]
    return Standing(
        obligors=_newest(*(one.obligors for one in found)),
        ending=_newest(*(one.ending for one in found)),
        charge_off=_newest(*(one.charge_off for one in found)),
        balance=_newest(*(one.balance for one in found)),
        holds=_holds(hold for one in found for hold in one.holds),
        disagreement=max(doubts, key=lambda one: (one.on, one.fields), default=None),
        demand=max(demands, key=lambda one: one.recorded_at, default=None),
    )


def _holds(holds: Iterable[SeenHold]) -> tuple[SeenHold, ...]:
    known: dict[str, SeenHold] = {}
    for hold in holds:
        before = known.get(hold.reference)
        known[hold.reference] = hold if before is None else _hold(before, hold)
    return tuple(known[reference] for reference in sorted(known))


def _hold(one: SeenHold, other: SeenHold) -> SeenHold:
    begun = other if one.start is None or (other.start and other.start.position > one.start.position) else one
    return replace(begun, end=_newest(one.end, other.end), told=one.told if one.told is not None else other.told)


def _movement(found: Sequence[Movement]) -> Movement:
    if len(found) == 1:
        return found[0]
    return Movement(
        transaction_ref=found[0].transaction_ref,
        receipt=_newest(*(one.receipt for one in found)),
        reversal=_newest(*(one.reversal for one in found)),
        posted=max(one.posted for one in found),
        reversal_posted=any(one.reversal_posted for one in found),
    )


def _person(people: Sequence[Person]) -> Person:
    """The survivor as described, with everything that keeps contact away from any of them.

    Any of their zones may be the right one, and contacts are attested from where they are for all.
    """
    profile = people[0].profile
    if profile is not None:
        described = [one.profile for one in people if one.profile is not None]
        zones = tuple(dict.fromkeys(zone for one in described for zone in one.time_zones))
        known_from = max(one.history_known_from for one in described)
        profile = replace(profile, time_zones=zones, history_known_from=known_from)
    deaths = [one.deceased_on for one in people if one.deceased_on is not None]
    return Person(
        profile=profile,
        deceased_on=min(deaths, default=None),
        parked_by=tuple(sorted({service for one in people for service in one.parked_by})),
        pauses=tuple(sorted({pause for one in people for pause in one.pauses})),
    )


def _owners(members: Sequence[Book]) -> dict[str, list[tuple[UUID, Loan]]]:
    return _by_reference(
        {reference: (book.party_id, loan) for reference, loan in book.loans.items()} for book in members
    )


def _holder(found: Sequence[tuple[UUID, Loan]]) -> UUID:
    return found[_first([loan for _, loan in found])][0]


def _parted(own: Book, group: Book, holders: Mapping[str, UUID]) -> Book:
    loans = {
        reference: _with_conclusions(loan, group.loans[reference], holds_place=holders[reference] == own.party_id)
        for reference, loan in own.loans.items()
    }
    movements = {
        reference: _with_announcements(movement, group.movements[reference])
        for reference, movement in own.movements.items()
    }
    case = group.case if own.party_id == group.party_id else own.case
    same = case is own.case and _unchanged(loans, own.loans) and _unchanged(movements, own.movements)
    return own if same else replace(own, loans=loans, movements=movements, case=case)


def _unchanged(after: Mapping[str, object], before: Mapping[str, object]) -> bool:
    return all(after[reference] is before[reference] for reference in after)


def _with_conclusions(own: Loan, together: Loan, *, holds_place: bool) -> Loan:
    place = together.place if holds_place else _merged_place(own.place, together.place)
    standing = _with_told(own.standing, together.standing)
    if place == own.place and standing == own.standing:
        return own
    return replace(own, place=place, standing=standing)


def _merged_place(own: Place | None, together: Place | None) -> Place | None:
    """A loan that two members know is one loan: where it does not stand for both, it has left by the merge."""
    if own is None or own.state == _MERGED:
        return own
    return moved(own, _MERGED, 0, own.since if together is None else max(own.since, together.since))


def _with_told(own: Standing | None, together: Standing | None) -> Standing | None:
    if together is None or (own is None and together.disagreement is None):
        return own
    own = own or Standing()
    told = {hold.reference: hold.told for hold in together.holds}
    holds = tuple(
        hold if hold.told == told[hold.reference] else replace(hold, told=told[hold.reference]) for hold in own.holds
    )
    found = replace(own, holds=holds, disagreement=together.disagreement)
    return own if found == own else found


def _with_announcements(own: Movement, together: Movement) -> Movement:
    if (own.posted, own.reversal_posted) == (together.posted, together.reversal_posted):
        return own
    return replace(own, posted=together.posted, reversal_posted=together.reversal_posted)
