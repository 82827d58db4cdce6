"""The entries of a manifest: their tree, and proofs that a party is named, or is not."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.compliance.log.manifest import Entries
from services.compliance.log.proofs import included
from services.compliance.log.reference import leaf_hash, root
from tools import verify_log

COMMITMENTS = st.binary(min_size=32, max_size=32).map(bytes.hex)
NAMED = st.dictionaries(COMMITMENTS, st.integers(1, 2**40), min_size=1, max_size=40)


@given(NAMED)
def test_entries_come_back_and_have_the_reference_s_root(parties: dict[str, int]) -> None:
    entries = Entries.of(parties)
    assert Entries.unpacked(entries.packed()) == entries
    hashes = [leaf_hash(f"{party} {number}".encode()) for party, number in sorted(parties.items())]
    assert entries.root == root(hashes)
    assert entries.root.hex() == verify_log._root_of_entries(parties)


def judged(entries: Entries, party: str, shown: list[dict[str, Any]]) -> tuple[int | None, bool, list[str]]:
    """What the verifier makes of the proof: the number named, whether absence is shown, faults."""
    persons, problems = verify_log._Person(), list[str]()
    part = verify_log._Part(7, 1, 1, "", "", {}, "", entries.root, len(entries.items))
    persons._by_index[7] = part
    persons.prove({"index": 7, "party": party, "entries": shown}, problems)
    return part.named.get(party), party in part.absent, problems


@given(NAMED, COMMITMENTS)
def test_present_and_absent_parties_are_proved(parties: dict[str, int], other: str) -> None:
    entries = Entries.of(parties)
    for party in [*parties, other]:
        shown = entries.proofs([party])[party]
        for one in shown:
            path = [bytes.fromhex(value) for value in one["path"]]
            value = leaf_hash(f"{one['party']} {one['sequence']}".encode())
            assert included(leaf_hash=value, index=one["position"], size=len(parties), path=path, root=entries.root)
        assert judged(entries, party, shown) == (parties.get(party), party not in parties, [])


def test_neighbours_that_are_none_and_changed_entries_show_nothing() -> None:
    parties = {bytes([number]).hex() * 32: number for number in range(1, 9)}
    entries = Entries.of(parties)
    present = "04" * 32
    shown = {party: entries.proofs([party])[party][0] for party in parties}
    apart = [shown["03" * 32], shown["05" * 32]]
    assert judged(entries, present, apart) == (None, False, [])
    assert judged(entries, present, [shown["03" * 32]]) == (None, False, [])
    assert judged(entries, present, []) == (None, False, [])
    lied = shown[present] | {"sequence": 3}
    assert "does not hold the entry shown" in judged(entries, present, [lied])[2][0]
    moved = shown["05" * 32] | {"position": 3}
    assert judged(entries, present, [shown["03" * 32], moved])[2]


@pytest.mark.parametrize("count", [1, 1_000])
def test_proof_is_short(count: int) -> None:
    entries = Entries.of({number.to_bytes(32).hex(): 1 for number in range(0, 2 * count, 2)})
    (shown,) = entries.proofs([(0).to_bytes(32).hex()]).values()
    assert len(shown[0]["path"]) <= 10
