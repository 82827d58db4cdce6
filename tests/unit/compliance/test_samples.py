"""The draw: reproducible from what the leaves say, and its size."""

import hashlib
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.compliance.domain.samples import SampleKind, commitment_of, draw, size_of

SEED = bytes(range(32))


@given(st.sets(st.uuids(), max_size=60), st.integers(0, 20), st.randoms())
def test_order_of_the_population_does_not_matter(ids: set[UUID], size: int, chance: object) -> None:
    listed = sorted(ids)
    chance.shuffle(listed)  # type: ignore[attr-defined]
    drawn = draw(SEED, listed, size)
    assert drawn == draw(SEED, sorted(ids), size)
    assert len(drawn) == min(size, len(ids))
    assert set(drawn) <= ids


def test_another_seed_draws_another_sample() -> None:
    ids = [UUID(int=number) for number in range(1_000)]
    assert draw(SEED, ids, 10) != draw(SEED[::-1], ids, 10)


def test_commitment_is_the_hash_of_the_seed() -> None:
    assert commitment_of(SEED) == hashlib.sha256(SEED).hexdigest()


@pytest.mark.parametrize(
    ("kind", "population", "size"),
    [
        ("decision", 0, 0), ("decision", 7, 7), ("decision", 2_000, 10), ("decision", 4_001, 21),
        ("decision", 1_000_000, 100), ("override", 40, 10), ("override", 80, 16),
    ],
)  # fmt: skip
def test_size(kind: SampleKind, population: int, size: int) -> None:
    assert size_of(kind, population) == size
