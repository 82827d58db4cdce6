"""Caps of other people's laws: whoever shares a debt, a home or a number is protected by the caps of their own law.

A contact counts for all who share a key with its person. So it keeps the caps of each of them, lest a permit that one
of them holds already passes a cap by it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from msgspec import structs

from services.compliance.domain.facts import PartyFacts, Question, Sharer
from services.compliance.domain.packs import CapRule, FactRule, RuleBook
from services.compliance.domain.rule_records import Key
from services.compliance.domain.rules.applicability import caps_on_others
from services.compliance.domain.rulings import Answer, Ruling, allow

FOR_A_SHARER: Final = "by the law of somebody who shares the key"
WITHOUT_CASE: Final = FactRule(
    id="SHARERS-WITHOUT-CASE",
    kind="party_known",
    citation="Doorstep: whoever shares a key and has no case is granted no contact that another one could spoil",
    purposes_blocked=("collection",),
)
_NOTHING: Final[frozenset[str]] = frozenset()
_FIRST: Final = datetime.min.replace(tzinfo=UTC)
_ANSWERS: Final = (Answer.ALLOW, Answer.NEEDS_FACT, Answer.DENY)


def caps_of_sharers(
    question: Question, facts: PartyFacts, book: RuleBook, *, besides: Collection[str]
) -> Iterator[tuple[CapRule, Question]]:
    """The caps of the sharers' laws, each with the question narrowed to the keys on which the contact counts there.

    `besides`: ids of the rules that are asked anyway, on all keys.
    """
    days = question.local_dates(facts)
    for sharer in facts.sharers:
        for rule in caps_on_others(question, days, book, place=sharer.jurisdiction, circumstances=sharer.circumstances):
            keys = None if rule.id in besides else _in_common(rule, question, facts, sharer)
            if keys is not None:
                yield rule, structs.replace(question, keys=keys)


def not_asked(without_case: int) -> list[Ruling]:
    """Why the law of so many who share a key stands in nobody's way: without a case they are granted no contact, so
    that this one can spoil none. Their law is asked from the moment at which intake tells their case.
    """
    return [allow(WITHOUT_CASE, people=without_case)] if without_case else []


def strictest(rulings: Iterable[Ruling]) -> list[Ruling]:
    """One ruling of each rule, in the order of their ids: the one that stands in the way most."""
    found: dict[str, Ruling] = {}
    for ruling in rulings:
        known = found.get(ruling.rule.id)
        if known is None or _weight(known) < _weight(ruling):
            found[ruling.rule.id] = ruling
    return [_kept_for_a_sharer(found[rule_id]) for rule_id in sorted(found)]


def _in_common(
    rule: CapRule, question: Question, facts: PartyFacts, sharer: Sharer
) -> dict[Key, frozenset[str]] | None:  # fmt: skip
    """By each kind that the rule counts on, the keys that are the sharer's, too; None: none of some kind is.

    A kind that is not known of one of them may be the same.
    """
    found: dict[Key, frozenset[str]] = {}
    for kind in rule.key:
        if kind in facts.unresolved:
            continue
        asked = question.keys.get(kind, _NOTHING)
        common = asked if kind in sharer.unresolved else asked & sharer.keys.get(kind, _NOTHING)
        if not common:
            return None
        found[kind] = common
    return found


def _weight(ruling: Ruling) -> tuple[int, bool, datetime, int]:
    at, count = ruling.earliest.at, ruling.values.get("count")
    return _ANSWERS.index(ruling.answer), at is None, at or _FIRST, count if isinstance(count, int) else 0


def _kept_for_a_sharer(ruling: Ruling) -> Ruling:
    detail = ruling.detail and f"{ruling.detail}, {FOR_A_SHARER}"
    return replace(ruling, detail=detail, values={**ruling.values, "kept_for": "sharers"})
