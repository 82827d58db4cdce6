"""The desk of causes: what happened and asks for an answer, and the answers given; each is a leaf of its person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from services.compliance.domain.canonical import Json, canonical, format_time
from services.compliance.domain.duty_causes import (
    BY_ITSELF,
    SOME_DEBT,
    Answer,
    Cause,
    CauseKind,
    CauseNotKnown,
    Right,
    cause_name,
    owed_by,
    taken,
)
from services.compliance.domain.facts import Circumstances, PartyFacts
from services.compliance.domain.leaves import NewLeaf
from services.compliance.instruments import Instruments
from services.compliance.store import duty_causes as store
from services.compliance.store.case_facts import load_cases
from services.compliance.store.holds import load_holds
from services.compliance.store.leaves import append_leaves
from services.compliance.store.same_persons import load_same
from shared.database import UnitOfWork
from shared.events.contact import ContactRecorded
from shared.ids import digest_id, event_id

# What a person's erasure leaves nobody to answer for.
OF_PEOPLE: Final[tuple[CauseKind, ...]] = ("request", "relatives_request", "first_communication")


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCause:
    """A cause to record. `party_id` None: it concerns nobody by name, and `places` says whose law asks."""

    kind: CauseKind
    party_id: UUID | None
    caused_at: datetime
    reference: str
    by_whom: str
    places: tuple[str, ...] = ()
    said: Mapping[str, str]
    circumstances: Circumstances | None = None


def first_communication(contact: ContactRecorded, facts: PartyFacts, reference: str) -> NewCause:
    """That somebody was reached before it was said what a debt is; one for each debt, whichever contact it was."""
    return NewCause(
        kind="first_communication", party_id=contact.party_id, caused_at=contact.started_at, reference=reference,
        by_whom=BY_ITSELF, said={}, circumstances=facts.circumstances,
    )  # fmt: skip


async def record(uow: UnitOfWork, instruments: Instruments, new: Sequence[NewCause]) -> list[Cause]:
    """Keep the causes with what is owed because of them, by the law of the person's place. Told again, it is the same.

    The parties are locked.
    """
    if not new:
        return []
    cases = await load_cases(uow, [one.party_id for one in new if one.party_id is not None])
    places = {party_id: case.jurisdiction for party_id, case in cases.items()}
    causes = {_id(instruments, one): one for one in new}
    # Of nobody by name: two who report the same breach at once wait for each other here.
    await uow.lock_parties(cause_id for cause_id, one in causes.items() if one.party_id is None)
    known = await store.find(uow, causes)
    fresh = {
        cause_id: _cause(instruments, cause_id, one, places)
        for cause_id, one in causes.items()
        if cause_id not in known
    }
    leaves = {cause_id: _cause_leaf(uow, cause, causes[cause_id].party_id) for cause_id, cause in fresh.items()}
    await store.keep(
        uow,
        [
            (cause, _person_key(instruments, causes[cause_id].party_id), leaves[cause_id].leaf_id)
            for cause_id, cause in fresh.items()
        ],
    )
    await append_leaves(uow, instruments.cipher, list(leaves.values()))
    return [fresh[one] if one in fresh else known[one].cause for one in (_id(instruments, each) for each in new)]


async def answer(
    uow: UnitOfWork, instruments: Instruments, cause_id: UUID, given: Answer, *, party_id: UUID | None
) -> Cause:
    """One thing owed is answered. `party_id`: whom the cause is about, locked; checked against it.

    Raises CauseNotKnown, CauseAnswered, AnswerTimeWrong, RelativesNotEntitled.
    """
    if party_id is None:
        await uow.lock_parties([cause_id])
    kept = (await store.find(uow, [cause_id])).get(cause_id)
    if kept is None or kept.person_key != _person_key(instruments, party_id):
        raise CauseNotKnown("no such cause of that person")
    ids = [] if party_id is None else [party_id]
    held = await load_holds(uow, ids, same=await load_same(uow, ids)) if ids else {}
    deceased = any(hold.kind == "deceased" and hold.ended_at is None for ones in held.values() for hold in ones)
    before = kept.cause.of(given.rule)
    if taken(kept.cause, given, now=uow.now, deceased=deceased) != before:
        await _answer(uow, instruments, [(kept.cause, given, party_id)])
    return (await store.find(uow, [cause_id]))[cause_id].cause


async def settle(
    uow: UnitOfWork, instruments: Instruments, done: Mapping[UUID, datetime], *, reference: str,
    kinds: Sequence[CauseKind] = OF_PEOPLE, right: Right | None = None, about: Sequence[str] | None = None,
) -> None:  # fmt: skip
    """What is still owed to these people is answered by itself, at the time (business) given for each.

    Only causes of these kinds and, where one is named, of that right, or about these debts. The parties are locked.
    """
    people = {_person_key(instruments, one): one for one in done}
    found = await store.open_of(uow, [one for one in people if one is not None], kinds)
    answers: list[tuple[Cause, Answer, UUID | None]] = []
    for kept in found:
        party_id = people[kept.person_key]
        if right is not None and kept.cause.said.get("right") != right:
            continue
        if about is not None and kept.cause.cause_id not in _first_about(instruments, party_id, about):
            continue
        at = max(done[party_id], kept.cause.caused_at)
        answers += [
            (
                kept.cause,
                Answer(rule=one.rule, outcome="done", answered_at=at, reference=reference, by_whom=BY_ITSELF),
                party_id,
            )
            for one in kept.cause.owed
            if one.answered_at is None
        ]
    await _answer(uow, instruments, answers)


async def _answer(
    uow: UnitOfWork, instruments: Instruments, answers: Sequence[tuple[Cause, Answer, UUID | None]]
) -> None:  # fmt: skip
    if not answers:
        return
    leaves = [_answer_leaf(uow, cause, given, party_id) for cause, given, party_id in answers]
    await store.answer(
        uow,
        [(cause.cause_id, given, leaf.leaf_id) for (cause, given, _), leaf in zip(answers, leaves, strict=True)],
    )
    await append_leaves(uow, instruments.cipher, leaves)


def _cause(
    instruments: Instruments, cause_id: UUID, new: NewCause, places: Mapping[UUID, str]
) -> Cause:  # fmt: skip
    own = places.get(new.party_id) if new.party_id is not None else None
    where = (own,) if own is not None else tuple(sorted(set(new.places)))
    return Cause(
        cause_id=cause_id,
        kind=new.kind,
        places=where,
        caused_at=new.caused_at,
        reference=new.reference,
        by_whom=new.by_whom,
        said=new.said,
        owed=owed_by(
            instruments.book, new.kind, places=where, caused_at=new.caused_at, circumstances=new.circumstances
        ),
    )


def _id(instruments: Instruments, new: NewCause) -> UUID:
    return _id_of(instruments, new.kind, new.party_id, new.reference)


def _id_of(instruments: Instruments, kind: CauseKind, party_id: UUID | None, reference: str) -> UUID:
    subject = "" if party_id is None else str(party_id)
    return digest_id(instruments.cipher.blind_index("duty_cause", cause_name(kind, subject, reference)))


def _first_about(instruments: Instruments, party_id: UUID, debts: Sequence[str]) -> set[UUID]:
    """The first communications about these debts, or about one that nobody named."""
    return {_id_of(instruments, "first_communication", party_id, one) for one in (*debts, SOME_DEBT)}


def key_of_person(instruments: Instruments, party_id: UUID) -> bytes:
    """What stands for the person in causes: a digest under our key."""
    return instruments.cipher.blind_index("duty_person", str(party_id))


def _person_key(instruments: Instruments, party_id: UUID | None) -> bytes | None:
    return None if party_id is None else key_of_person(instruments, party_id)


def _cause_leaf(uow: UnitOfWork, cause: Cause, party_id: UUID | None) -> NewLeaf:
    owed: list[Json] = [{"rule": one.rule, "due_at": format_time(one.due_at)} for one in cause.owed]
    public: dict[str, Json] = {
        "cause_id": str(cause.cause_id), "cause": cause.kind, "places": list(cause.places), "owed": owed
    }  # fmt: skip
    said: dict[str, Json] = dict(cause.said)
    return NewLeaf(
        kind="duty",
        leaf_id=event_id(),
        party_id=party_id,
        occurred_at=cause.caused_at,
        recorded_at=uow.real_now,
        public=public,
        committed={
            "reference": cause.reference.encode(), "by_whom": cause.by_whom.encode(), "said": canonical(said)
        } if party_id is not None else {},
    )  # fmt: skip


def _answer_leaf(uow: UnitOfWork, cause: Cause, given: Answer, party_id: UUID | None) -> NewLeaf:
    grounds: dict[str, Json] = {}
    if given.grounds is not None:
        grounds = {"kinship_proof": given.grounds.kinship_proof, "own_interest": given.grounds.own_interest}
    public: dict[str, Json] = {
        "cause_id": str(cause.cause_id), "rule": given.rule, "outcome": given.outcome,
        "answered_at": format_time(given.answered_at),
    }  # fmt: skip
    committed = {"reference": given.reference.encode(), "by_whom": given.by_whom.encode()}
    if grounds:
        committed["grounds"] = canonical(grounds)
    return NewLeaf(
        kind="duty",
        leaf_id=event_id(),
        party_id=party_id,
        occurred_at=uow.now,
        recorded_at=uow.real_now,
        public=public if party_id is not None else {**public, "reference": given.reference, "by_whom": given.by_whom},
        committed=committed if party_id is not None else {},
    )
