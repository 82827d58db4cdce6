"""The tree against RFC 9162's definition and published vectors; notes; the remembered head; leaves."""

import base64
import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from services.compliance.domain.leaves import Chain, NewLeaf, build, commitment
from services.compliance.log import reference
from services.compliance.log.head import ForkRefused, SignedHead, refuse_fork
from services.compliance.log.note import Checkpoint, NoteError, NoteKey, opened, sign
from services.compliance.log.proofs import consistent, included
from services.compliance.log.tree import append, consistency_spans, fold, frontier, inclusion_spans, proof

PRIVATE = Ed25519PrivateKey.from_private_bytes(b"\x01" * 32)
KEY = NoteKey("log.test/audit", PRIVATE.public_key().public_bytes_raw())
# The leaves and roots of the Certificate Transparency test data (RFC 6962 hashing, unchanged in RFC 9162).
LEAVES = [
    bytes.fromhex(text)
    for text in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
INCLUSION_0_OF_8 = [
    "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
    "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
    "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
]
CONSISTENCY_6_TO_8 = [
    "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
    "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
]
HASHES = st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=70)
ZERO = bytes(32)


@pytest.mark.parametrize("size", range(9))
def test_published_roots(size: int) -> None:
    hashes = [reference.leaf_hash(leaf) for leaf in LEAVES[:size]]
    nodes = append(0, [], hashes)
    assert reference.root(hashes).hex() == ROOTS[size]
    assert fold([nodes[node] for node in frontier(size)]).hex() == ROOTS[size]


def test_published_proofs() -> None:
    nodes = append(0, [], [reference.leaf_hash(leaf) for leaf in LEAVES])
    assert [value.hex() for value in proof(inclusion_spans(0, 8), nodes)] == INCLUSION_0_OF_8
    assert [value.hex() for value in proof(consistency_spans(6, 8), nodes)] == CONSISTENCY_6_TO_8


@settings(deadline=None)
@given(hashes=HASHES, data=st.data())
def test_stored_nodes_give_what_the_definition_gives(hashes: list[bytes], data: st.DataObject) -> None:
    size = len(hashes)
    first = data.draw(st.integers(0, size))
    nodes = append(0, [], hashes[:first])
    nodes |= append(first, [nodes[node] for node in frontier(first)], hashes[first:])
    assert fold([nodes[node] for node in frontier(size)]) == reference.root(hashes)
    index = data.draw(st.integers(0, size - 1))
    path = proof(inclusion_spans(index, size), nodes)
    assert path == reference.inclusion_path(index, hashes)
    root = reference.root(hashes)
    assert included(leaf_hash=hashes[index], index=index, size=size, path=path, root=root)
    if first:
        path = proof(consistency_spans(first, size), nodes)
        old = reference.root(hashes[:first])
        assert path == reference.consistency_path(first, hashes)
        assert consistent(first=first, second=size, first_root=old, second_root=root, path=path)


@given(hashes=HASHES.filter(lambda found: len(found) > 1), data=st.data())
def test_changed_proofs_prove_nothing(hashes: list[bytes], data: st.DataObject) -> None:
    size = len(hashes)
    root = reference.root(hashes)
    index = data.draw(st.integers(0, size - 1))
    path = reference.inclusion_path(index, hashes)
    place = data.draw(st.integers(0, len(path) - 1))
    changed = [*path[:place], hashlib.sha256(path[place]).digest(), *path[place + 1 :]]
    assert not included(leaf_hash=hashes[index], index=index, size=size, path=changed, root=root)
    assert not included(leaf_hash=hashes[index], index=index, size=size, path=path[:-1], root=root)
    assert not included(leaf_hash=hashes[index], index=index, size=size, path=[*path, ZERO], root=root)
    assert not included(leaf_hash=hashes[index], index=size, size=size, path=path, root=root)
    first = data.draw(st.integers(1, size - 1))
    steps = reference.consistency_path(first, hashes)
    old = reference.root(hashes[:first])
    assert not consistent(
        first=first, second=size, first_root=hashlib.sha256(old).digest(), second_root=root, path=steps
    )
    other = hashlib.sha256(root).digest()
    assert not consistent(first=first, second=size, first_root=old, second_root=other, path=steps)
    assert not consistent(first=first, second=size, first_root=old, second_root=root, path=[*steps, ZERO])


def test_proofs_beyond_the_tree_are_refused() -> None:
    for index, size in ((3, 3), (-1, 3), (0, 0)):
        with pytest.raises(ValueError, match="not in a tree"):
            inclusion_spans(index, size)
    for first, second in ((0, 3), (4, 3)):
        with pytest.raises(ValueError, match="cannot extend"):
            consistency_spans(first, second)


def test_note_has_the_form_of_c2sp() -> None:
    note = sign(Checkpoint("log.test/audit", 7, ZERO), KEY, PRIVATE.sign)
    lines = note.split("\n")
    assert lines[:4] == ["log.test/audit", "7", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", ""]
    assert lines[4].startswith("— log.test/audit ")
    assert note.endswith("\n")
    assert opened(note, KEY) == Checkpoint("log.test/audit", 7, ZERO)


def test_published_key_has_its_published_id() -> None:
    """The key of Go's checksum database, which is published in this form."""
    vkey = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"
    name, key_id, encoded = vkey.split("+", 2)
    key = NoteKey(name, base64.b64decode(encoded)[1:])
    assert (key.vkey, key.key_id.hex()) == (vkey, key_id)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda note: note.replace("\n7\n", "\n8\n"),
        lambda note: note.replace("log.test/audit", "log.test/other"),
        lambda note: note[:-3] + "A=\n",
        lambda note: note.rstrip("\n"),
        lambda note: note.replace("\n\n", "\n"),
        lambda note: "",
    ],
)
def test_changed_note_is_refused(spoil: object) -> None:
    note = sign(Checkpoint("log.test/audit", 7, ZERO), KEY, PRIVATE.sign)
    with pytest.raises(NoteError):
        opened(spoil(note), KEY)  # type: ignore[operator]


def test_remembered_head_survives_and_is_checked(tmp_path: Path) -> None:
    head = SignedHead(tmp_path / "keys" / "head.note", KEY)
    assert head.load() is None
    head.remember(sign(Checkpoint("log.test/audit", 7, ZERO), KEY, PRIVATE.sign))
    assert head.load() == Checkpoint("log.test/audit", 7, ZERO)
    (tmp_path / "keys" / "head.note").write_text("something else")
    with pytest.raises(NoteError):
        head.load()


def test_only_an_extension_is_signed() -> None:
    remembered = Checkpoint("log.test/audit", 7, ZERO)
    refuse_fork(None, size=0, root_at_remembered=None)
    refuse_fork(remembered, size=7, root_at_remembered=ZERO)
    refuse_fork(remembered, size=9, root_at_remembered=ZERO)
    with pytest.raises(ForkRefused, match="6 leaves"):
        refuse_fork(remembered, size=6, root_at_remembered=None)
    with pytest.raises(ForkRefused, match="not those"):
        refuse_fork(remembered, size=9, root_at_remembered=b"\x01" * 32)


def new_leaf(**committed: bytes) -> NewLeaf:
    moment = datetime(2026, 3, 2, tzinfo=UTC)
    return NewLeaf(
        kind="contact", leaf_id=uuid4(), party_id=uuid4(), occurred_at=moment, recorded_at=moment, committed=committed
    )  # fmt: skip


def test_leaf_holds_commitments_not_values() -> None:
    leaf = new_leaf(place=b"88309a5915fffff")
    built = build(leaf, Chain(b"s" * 32), lambda size: b"r" * size)
    document = json.loads(built.content)
    assert b"88309a5915fffff" not in built.content
    assert str(leaf.party_id).encode() not in built.content
    assert document["committed"]["place"] == commitment(b"r" * 32, "place", b"88309a5915fffff")
    assert built.hash == reference.leaf_hash(built.content)


def test_leaves_of_a_party_are_chained() -> None:
    first = build(new_leaf(), Chain(b"s" * 32), lambda size: b"r" * size)
    assert first.chain is not None
    second = json.loads(build(new_leaf(), first.chain, lambda size: b"r" * size).content)
    assert (second["party_sequence"], second["previous"]) == (2, first.hash.hex())


@given(
    one=st.tuples(st.text(max_size=8), st.binary(max_size=8)),
    other=st.tuples(st.text(max_size=8), st.binary(max_size=8)),
)
def test_commitments_bind_name_and_value(one: tuple[str, bytes], other: tuple[str, bytes]) -> None:
    assert (commitment(ZERO, *one) == commitment(ZERO, *other)) == (one == other)
