"""Kafka's default partitioner: murmur2 over the key's bytes (org.apache.kafka.common.utils.Utils.murmur2)."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

_MASK = 0xFFFFFFFF
_MULTIPLIER = 0x5BD1E995
_SEED = 0x9747B28C
_WORTH_A_VECTOR = 16


def murmur2(data: bytes) -> int:
    """The 32-bit hash of `data`, unsigned. Reads whole words, which is three times as fast as byte by byte."""
    length = len(data)
    words = length >> 2
    value = _SEED ^ length
    for word in struct.unpack_from(f"<{words}I", data):
        mixed = word * _MULTIPLIER & _MASK
        mixed = (mixed ^ mixed >> 24) * _MULTIPLIER & _MASK
        value = value * _MULTIPLIER & _MASK ^ mixed
    tail = data[words << 2 :]
    if tail:
        value = (value ^ int.from_bytes(tail, "little")) * _MULTIPLIER & _MASK
    value = (value ^ value >> 13) * _MULTIPLIER & _MASK
    return value ^ value >> 15


def partition_of(key: bytes, partitions: int) -> int:
    """The partition on which Kafka's own clients put `key`."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions


def partitions_of(keys: Sequence[bytes], partitions: int) -> list[int]:
    """`partition_of` for many keys at once; keys of one length (such as party ids) are hashed together."""
    if len(keys) < _WORTH_A_VECTOR or len(set(map(len, keys))) != 1 or len(keys[0]) % 4:
        return [partition_of(key, partitions) for key in keys]
    words = np.frombuffer(b"".join(keys), dtype="<u4").reshape(len(keys), -1)
    values: npt.NDArray[np.uint32] = np.full(len(keys), _SEED ^ len(keys[0]), dtype=np.uint32)
    multiplier = np.uint32(_MULTIPLIER)
    for column in words.T:
        mixed = column * multiplier
        mixed = (mixed ^ mixed >> np.uint32(24)) * multiplier
        values = values * multiplier ^ mixed
    values = (values ^ values >> np.uint32(13)) * multiplier
    values ^= values >> np.uint32(15)
    found: list[int] = ((values & np.uint32(0x7FFFFFFF)) % np.uint32(partitions)).tolist()
    return found
