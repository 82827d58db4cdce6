"""Our murmur2 is Kafka's."""

from __future__ import annotations

import pytest
from aiokafka.partitioner import murmur2 as reference
from hypothesis import given
from hypothesis import strategies as st

from shared.messaging.partitioning import murmur2, partition_of


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
