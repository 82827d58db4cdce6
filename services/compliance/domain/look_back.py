"""How far back the rules look: contacts from that date on must be known before a first permit may be lawful."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from typing import NamedTuple

from services.compliance.domain.local_time import window_start
from services.compliance.domain.packs import CapRule, RuleBook


class LookBack(NamedTuple):
    """The rule that looks back furthest from a day, and the first date it looks at."""

    rule: str
    citation: str
    window: str
    first_date: date


def longest_look_back(book: RuleBook, places: Collection[str], on: date) -> LookBack | None:
    """Of all caps loaded for these places or for everywhere, drafts included, that are in force that day or later.

    None: no rule counts anything. Third persons are asked under a ledger of their own, which says since when it is
    complete.
    """
    found = [
        LookBack(rule.id, rule.citation, rule.window, window_start(rule.window, on))
        for pack in book.packs
        for rule in pack.rule
        if isinstance(rule, CapRule)
        and (rule.effective_to is None or on < rule.effective_to)
        and any(pack.holds_in(place) for place in places)
    ]
    return min(found, key=lambda one: (one.first_date, one.rule), default=None)
