"""Keys of party locks."""

from __future__ import annotations

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from shared.database.unit_of_work import party_lock_key


@given(st.uuids())
def test_a_lock_key_fits_into_a_signed_64_bit_number(party_id: UUID) -> None:
    assert -(2**63) <= party_lock_key(party_id) < 2**63


@given(st.uuids(), st.uuids())
def test_parties_that_differ_in_their_random_bits_differ_in_their_key(first: UUID, second: UUID) -> None:
    if first.int & (2**64 - 1) != second.int & (2**64 - 1):
        assert party_lock_key(first) != party_lock_key(second)
