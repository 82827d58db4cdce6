from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.ids import derived_id, derived_ids, entity_id, entity_id_beside, event_id, shard_of


@given(st.integers(0, 65_535))
def test_entity_id_keeps_its_shard(shard: int) -> None:
    identifier = entity_id(shard)

    assert (identifier.version, shard_of(identifier)) == (8, shard)
    assert identifier.variant == "specified in RFC 4122"


@given(st.integers(0, 65_535))
def test_an_id_beside_another_has_its_shard(shard: int) -> None:
    identifier = entity_id(shard)
    beside = entity_id_beside(identifier)

    assert (beside.version, beside.variant, shard_of(beside)) == (8, "specified in RFC 4122", shard)
    assert beside != identifier
    assert abs((beside.int >> 80) - (identifier.int >> 80)) < 60_000


def test_no_id_lies_beside_an_event() -> None:
    with pytest.raises(ValueError, match="not an entity id"):
        entity_id_beside(event_id())


@pytest.mark.parametrize("shard", [-1, 65_536])
def test_entity_id_refuses_a_shard_out_of_range(shard: int) -> None:
    with pytest.raises(ValueError, match="outside"):
        entity_id(shard)


def test_entity_ids_sort_by_time() -> None:
    assert entity_id(65_535, unix_ms=1_000).int < entity_id(0, unix_ms=1_001).int


def test_event_id_is_version_7() -> None:
    identifiers = {event_id() for _ in range(1_000)}

    assert len(identifiers) == 1_000
    assert {(i.version, i.variant) for i in identifiers} == {(7, "specified in RFC 4122")}


def test_shard_of_refuses_an_event_id() -> None:
    with pytest.raises(ValueError, match="not an entity id"):
        shard_of(event_id())


@given(st.lists(st.text(), min_size=1), st.lists(st.text(), min_size=1))
def test_derived_ids_collide_only_for_equal_parts(left: list[str], right: list[str]) -> None:
    assert (derived_id("n", *left) == derived_id("n", *right)) == (left == right)


@given(st.lists(st.text(), min_size=1), st.text())
def test_many_derived_ids_are_those_derived_alone(first: list[str], last: str) -> None:
    assert derived_ids("n", *first)(last) == derived_id("n", *first, last)


def test_derived_id_is_a_valid_uuid8() -> None:
    identifier = derived_id("visit", "a", "b")

    assert UUID(str(identifier)) == identifier
    assert (identifier.version, identifier.variant) == (8, "specified in RFC 4122")


def test_ids_ahead_of_time_grow_whatever_their_shards() -> None:
    made = [entity_id(shard, ahead_ms=place) for place, shard in enumerate((65_535, 9, 0, 9, 9))]
    assert made == sorted(made)
