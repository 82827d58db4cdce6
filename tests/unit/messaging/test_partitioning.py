"""Our murmur2 is Kafka's."""

from __future__ import annotations

from uuid import UUID

import pytest
from aiokafka.partitioner import murmur2 as reference
from hypothesis import given
from hypothesis import strategies as st

from shared.messaging.partitioning import murmur2, partition_of, partitions_of


@given(st.binary(max_size=80))
def test_the_hash_is_that_of_kafkas_clients(key: bytes) -> None:
    assert murmur2(key) == reference(key)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"abc", 479470107),
    ],
)
def test_the_values_of_kafkas_own_test(key: bytes, value: int) -> None:
    """org.apache.kafka.common.utils.UtilsTest.testMurmur2."""
    assert murmur2(key) == value & 0xFFFFFFFF


def test_a_key_stays_on_its_partition() -> None:
    assert [partition_of(key, 12) for key in (b"21", b"foobar", b"abc")] == [
        (value & 0x7FFFFFFF) % 12 for value in (-973932308, -790332482, 479470107)
    ]


@given(st.lists(st.uuids(), min_size=1, max_size=60), st.lists(st.binary(max_size=40), max_size=30))
def test_many_keys_at_once_give_the_same_partitions(parties: list[UUID], others: list[bytes]) -> None:
    keys = [str(party).encode() for party in parties]
    assert partitions_of(keys, 12) == [partition_of(key, 12) for key in keys]
    assert partitions_of(others, 12) == [partition_of(key, 12) for key in others]
