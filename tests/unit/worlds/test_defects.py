"""Worlds find what they are for: each deliberate defect breaks its promise within few hundred seeds."""

import pytest

from worlds.books import book_of
from worlds.run import judge

from .defects import DEFECTS, switched_on

SEEDS = range(400)


@pytest.fixture(autouse=True)
def fresh_plans() -> None:
    """What was compiled from a book is kept with it: no defect may live on in it."""
    book_of.cache_clear()


@pytest.mark.parametrize("name", DEFECTS)
def test_defect_is_found(name: str) -> None:
    with switched_on(name) as promise:
        found = next(
            (seed for seed in SEEDS if any(one.promise.startswith(promise) for one in judge(seed).breaches)), None
        )
    book_of.cache_clear()
    assert found is not None
