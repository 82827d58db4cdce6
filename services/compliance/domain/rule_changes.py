"""From which date on two states of the rules say different things, whenever their packs were written."""

from __future__ import annotations

from datetime import date

from services.compliance.domain.packs import Pack, RuleBook

_ITS_TIME = {"effective_from", "effective_to"}
# Parameters and calendars stand in the rules that take them.
_HEAD = {"id", "version", "title", "source_read_on", "rule", "calendar", "parameters", *_ITS_TIME}


def first_difference(before: RuleBook, after: RuleBook, *, today: date) -> date | None:
    """The first date up to today on which not the same rules are in force in both; None: there is none.

    What only moved into another version of its pack is the same. A difference from before all packs counts from the
    first of their dates.
    """
    days = sorted({day for book in (before, after) for day in book.boundaries if day <= today})
    parts = {id(book): [(pack, *_words_of(pack)) for pack in book.packs] for book in (before, after)}

    def in_force(book: RuleBook, day: date) -> set[str]:
        found: set[str] = set()
        for pack, head, rules in parts[id(book)]:
            if pack.in_force(day):
                found.add(head)
                found.update(words for rule, words in zip(pack.rule, rules, strict=True) if rule.in_force(day))
        return found

    return next((day for day in days if in_force(before, day) != in_force(after, day)), None)


def _words_of(pack: Pack) -> tuple[str, list[str]]:
    """What the pack says beside its rules, and what each rule says, without since when and until when."""
    place = f"{pack.jurisdiction}|"
    return (
        place + pack.model_dump_json(exclude=_HEAD),
        [place + rule.model_dump_json(exclude=_ITS_TIME) for rule in pack.rule],
    )
