"""What the institution owes because of one cause, and by when: a person's request, a relative's, a breach of data, a
first communication about a debt.

What is owed is fixed when the cause is recorded, by the rules in force at its time; a later pack changes nothing of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, cast
from uuid import UUID

from services.compliance.domain.dossier import DEBT_NOTICE
from services.compliance.domain.erasures import clock_of_request
from services.compliance.domain.facts import Circumstances, PartyFacts
from services.compliance.domain.packs import RuleBook, remember
from services.compliance.domain.rule_parts import Tracked
from services.compliance.domain.rule_records import DutyRule
from services.compliance.domain.rules.records import due_at
from shared.web.problems import KnownProblem

CauseKind = Literal["request", "relatives_request", "data_breach", "first_communication"]
Right = Literal["access", "correction", "deletion", "restriction"]
# PIPL art. 49 with Civil Code art. 1045: spouse, parents, children, siblings, grandparents and grandchildren.
Relation = Literal["spouse", "parent", "child", "sibling", "grandparent", "grandchild"]
Outcome = Literal["done", "refused", "not_needed"]
# Answered by itself: the person is erased, or the fact was told.
BY_ITSELF: Final = "doorstep"
# What a first communication is about where no debt is known.
SOME_DEBT: Final = "first"

_OWES: Final[Mapping[CauseKind, tuple[Tracked, ...]]] = {
    "request": ("request_confirmed",),  # its answer is owed by the clock of requests
    "relatives_request": ("relatives_answered",),
    "data_breach": ("breach_authority_told", "breach_people_told"),
    "first_communication": ("debt_notice_sent",),
}


class CauseNotKnown(KnownProblem):
    """There is no such cause, or the rule asks for nothing because of it."""

    kind, status, title = "duty-cause-not-known", 404, "Nothing is owed because of that"


class CauseAnswered(KnownProblem):
    """What was owed was answered before, in another way; an answer is never changed."""

    kind, status, title = "duty-answered", 409, "It was answered before"


class AnswerTimeWrong(KnownProblem):
    """An answer is recorded when it was given: not before its cause, and not before it was given."""

    kind, status, title = "duty-answer-time", 422, "The answer cannot have been given then"


class RelativesNotEntitled(KnownProblem):
    """PIPL art. 49: a near relative has these rights only once the person is deceased, for an interest of their own,
    and unless the deceased arranged otherwise. What is not known refuses.
    """

    kind, status, title = "relatives-not-entitled", 409, "The relative may not be given this"


@dataclass(frozen=True, slots=True, kw_only=True)
class Owed:
    """One thing owed because of a cause, by a rule. `answered_at` None: open. All times are business time."""

    rule: str
    due_at: datetime
    outcome: Outcome | None = None
    answered_at: datetime | None = None
    reference: str | None = None
    by_whom: str | None = None

    def is_late(self, now: datetime) -> bool:
        """Whether it should have been answered by now."""
        return self.answered_at is None and self.due_at <= now


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """Something that happened and asks for an answer. `places`: whose law; empty: not known, then all places'.

    `said`: what else was recorded of it, without names.
    """

    cause_id: UUID
    kind: CauseKind
    places: tuple[str, ...]
    caused_at: datetime
    reference: str
    by_whom: str
    said: Mapping[str, str]
    owed: tuple[Owed, ...]

    def of(self, rule: str) -> Owed:
        """What the rule asks for because of it. Raises CauseNotKnown."""
        found = next((one for one in self.owed if one.rule == rule), None)
        if found is None:
            raise CauseNotKnown(f"{rule} asks for nothing because of it", rule=rule)
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Grounds:
    """On what a relative is given something: proofs on file, by their references."""

    kinship_proof: str
    own_interest: str
    arranged_otherwise: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """That one thing owed was done, refused with its reason told, or not needed after all."""

    rule: str
    outcome: Outcome
    answered_at: datetime
    reference: str
    by_whom: str
    grounds: Grounds | None = None


def cause_name(kind: CauseKind, subject: str, reference: str) -> str:
    """The same cause, told twice under one reference, is one. Its id is this name under our key."""
    return f"{kind}|{subject}|{reference}"


def owed_by(
    book: RuleBook, kind: CauseKind, *, places: Sequence[str], caused_at: datetime,
    circumstances: Circumstances | None = None,
) -> tuple[Owed, ...]:  # fmt: skip
    """What is owed because of the cause: of a breach by every law of its places, else by the strictest rule of each."""
    known: list[str | None] = [*places] or [None]
    found: dict[str, datetime] = {}
    for place in known:
        for tracks in _OWES[kind]:
            rules = _binding(book, tracks, place, caused_at, circumstances or Circumstances())
            owed = [(due_at(rule, caused_at), rule.id) for rule in rules]
            for due, rule_id in owed if kind == "data_breach" else sorted(owed)[:1]:
                found[rule_id] = due
        if kind == "request":
            clock = clock_of_request(book, jurisdiction=place, received_at=caused_at)
            found[clock.rule] = clock.answer_by
    return tuple(Owed(rule=rule, due_at=due) for rule, due in sorted(found.items()))


def notices_begun(
    book: RuleBook, facts: PartyFacts, *, about: frozenset[str], reached: bool, at: datetime
) -> tuple[str, ...]:
    """Of which debts a contact at that time begins the time in which the person is told what each is: somebody was
    `reached`, a law of the place asks for it, and nobody said that it was done.

    `about`: the debts that it is about; where none is known it is of whatever is owed, once (`SOME_DEBT`).
    """
    key = ("debt_notice", facts.jurisdiction, book.epoch(at.date()))
    asked = cast("bool | None", book.concerning.get(key))
    if asked is None:
        rules = book.rules(jurisdiction=facts.jurisdiction, day=at.date())
        asked = any(isinstance(rule, DutyRule) and rule.tracks == "debt_notice_sent" for rule in rules)
        remember(book.concerning, key, asked)
    if not reached or not asked or DEBT_NOTICE in book.attested(facts.jurisdiction).on(at.date()):
        return ()
    told = facts.told.get(DEBT_NOTICE)
    begun = tuple(sorted(about)) or (SOME_DEBT,)
    if told is not None and told.value is True:
        begun = tuple(sorted(about.intersection(map(str, facts.unnoticed))))
    if not begun or not _binding(book, "debt_notice_sent", facts.jurisdiction, at, facts.circumstances):
        return ()
    return begun


def taken(cause: Cause, answer: Answer, *, now: datetime, deceased: bool) -> Owed:
    """What was owed, after the answer. `deceased`: a hold says that the person has died. The same answer again: itself.

    Raises CauseNotKnown, CauseAnswered, AnswerTimeWrong, RelativesNotEntitled.
    """
    owed = cause.of(answer.rule)
    if owed.answered_at is not None:
        if (owed.outcome, owed.answered_at, owed.reference) != (answer.outcome, answer.answered_at, answer.reference):
            raise CauseAnswered(rule=answer.rule)
        return owed
    if not cause.caused_at <= answer.answered_at <= now:
        raise AnswerTimeWrong(f"between {cause.caused_at:%Y-%m-%d %H:%M} UTC and now", rule=answer.rule)
    if cause.kind == "relatives_request" and answer.outcome == "done":
        _refuse_unless_entitled(answer.grounds, deceased=deceased)
    return Owed(
        rule=owed.rule, due_at=owed.due_at, outcome=answer.outcome, answered_at=answer.answered_at,
        reference=answer.reference, by_whom=answer.by_whom,
    )  # fmt: skip


def _refuse_unless_entitled(grounds: Grounds | None, *, deceased: bool) -> None:
    if not deceased:
        raise RelativesNotEntitled("no hold says that the person is deceased", rule="CN-PIPL-49")
    if grounds is None or grounds.arranged_otherwise:
        raise RelativesNotEntitled("kinship, own interest and that nothing was arranged otherwise", rule="CN-PIPL-49")


def _binding(
    book: RuleBook, tracks: Tracked, place: str | None, caused_at: datetime, circumstances: Circumstances
) -> list[DutyRule]:
    """The rules that ask for it there; the bank's own policy only where no law does."""
    day = caused_at.date()
    rules = book.rules(jurisdiction=place, day=day) if place is not None else book.rules_of_all_places(day)
    attested = book.attested(place)
    found = [
        rule
        for rule in rules
        if isinstance(rule, DutyRule) and rule.tracks == tracks and circumstances.concern(rule, attested)
    ]
    return [rule for rule in found if rule.status != "policy"] or found
