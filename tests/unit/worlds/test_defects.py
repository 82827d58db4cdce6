"""Worlds find what they are for: each deliberate defect breaks its promise within few hundred seeds."""

import pytest

from worlds.books import book_of
from worlds.run import judge

from .defects import DEFECTS, switched_on

SEEDS = range(400)
# Where the rarer ones were found: only the order of the search. A change of the worlds may move them.
FOUND_AT = {
    "closing time inclusive": 44, "end backdated": 11, "moratorium never carried": 41,
    "moratorium of others unread": 20, "no second look": 149, "one person ends it": 18,
    "permit of the contact told first": 84, "request good for ever": 8, "stale facts believed": 42,
    "two complaints one hold": 114, "used reservation lapses": 6, "wishes not audited": 53,
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
