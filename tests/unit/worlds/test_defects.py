"""Worlds find what they are for: each deliberate defect breaks its promise within few hundred seeds."""

import pytest

from worlds.books import book_of
from worlds.run import judge

from .defects import DEFECTS, switched_on

SEEDS = range(600)
# Where the rarer ones were found: only the order of the search. A change of the worlds may move them.
FOUND_AT = {
    "who moves in lived there for ever": 7_237, "wishes under another id unread": 554,
    "contacts of another id unread": 597, "holds of another id unread": 30, "one person, and the permits live on": 6,
    "one person, known before it was": 155, "two people, and still one": 236,
    "calls of others on one number unread": 49, "homes that were left are visited": 41,
    "sold, and its plan is served on": 774, "sold, and its permits live on": 17, "sold, and still collected": 20,
    "a loan's hold covers all": 6, "a loan's hold covers nothing named": 6, "debts counted together": 152,
    "end backdated": 37, "late contact reaches nobody else": 2_086, "laws of others unread": 11,
    "laws of others unread by the audit": 240, "moratorium never carried": 168, "moratorium of others unread": 6,
    "no hindsight": 6, "no second look": 149, "one person ends it": 10, "permit of the contact told first": 314,
    "request good for ever": 14, "stale facts believed": 90, "two complaints one hold": 48,
    "unlawful call opens a gate": 95, "used reservation lapses": 19, "what names no debt counts on none": 5,
    "wish ignored": 30, "wishes not audited": 6,
}  # fmt: skip


@pytest.fixture(autouse=True)
def fresh_plans() -> None:
    """What was compiled from a book is kept with it: no defect may live on in it."""
    book_of.cache_clear()


@pytest.mark.parametrize("name", DEFECTS)
def test_defect_is_found(name: str) -> None:
    with switched_on(name) as promise:
        seeds = (FOUND_AT.get(name, SEEDS[0]), *SEEDS)
        found = next(
            (seed for seed in seeds if any(one.promise.startswith(promise) for one in judge(seed).breaches)), None
        )
    book_of.cache_clear()
    assert found is not None
