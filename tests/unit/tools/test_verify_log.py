"""The stand-alone verifier: its Ed25519 against `cryptography`, and every single damage is found and named."""

import base64
import hashlib
import io
import json
import subprocess
import sys
import tarfile
import tracemalloc
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given, settings
from hypothesis import strategies as st

from services.compliance.log.note import Checkpoint, NoteKey, sign
from services.compliance.log.reference import consistency_path, inclusion_path, leaf_hash, root
from tools import verify_log

PRIVATE = Ed25519PrivateKey.from_private_bytes(b"\x07" * 32)
KEY = NoteKey("log.test/audit", PRIVATE.public_key().public_bytes_raw())
SIZES = (3, 8, 11)
# RFC 8032 section 7.1, tests 1 to 3: public key, message, signature.
RFC_8032 = [
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
        "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
        "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
]


def leaves() -> list[bytes]:
    """Eleven leaves of two parties, each chained to its party's last one."""
    found: list[bytes] = []
    last: dict[str, tuple[int, str | None]] = {}
    for index in range(11):
        party = "ab"[index % 2]
        sequence, previous = last.get(party, (0, None))
        record = {"kind": "decision", "party": party, "party_sequence": sequence + 1, "previous": previous, "n": index}
        found.append(json.dumps(record).encode())
        last[party] = (sequence + 1, leaf_hash(found[-1]).hex())
    return found


def files(content: list[bytes] | None = None) -> dict[str, bytes]:
    """An export of these leaves with three checkpoints of two days."""
    listed = leaves() if content is None else content
    hashes = [leaf_hash(leaf) for leaf in listed]
    heads = []
    for number, size in enumerate(SIZES):
        note = sign(Checkpoint(KEY.name, size, root(hashes[:size])), KEY, PRIVATE.sign)
        day = "2026-03-01" if number < 2 else "2026-03-02"
        heads.append(json.dumps({"tree_size": size, "published_at": f"{day}T00:00:00Z", "note": note}))
    lines = [f'{{"index":{i},"leaf":"{base64.b64encode(leaf).decode()}"}}\n' for i, leaf in enumerate(listed)]
    return {
        "leaves/000000000000.ndjson": "".join(lines).encode(),
        "leaf_hashes/000000000000.txt": "".join(f"{value.hex()}\n" for value in hashes).encode(),
        "checkpoints.ndjson": "".join(f"{line}\n" for line in heads).encode(),
        "keys.txt": f"{KEY.vkey}\n".encode(),
    }


def write(folder: Path, content: dict[str, bytes]) -> Path:
    path = folder / "log.tar"
    with tarfile.open(path, "w") as archive:
        for name, data in content.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


def faults(path: Path, *, all_signatures: bool = True) -> list[str]:
    export = verify_log.read_export(path)
    return verify_log.verify(export, verify_log.parse_key(KEY.vkey), all_signatures=all_signatures).problems


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("export")


@pytest.mark.parametrize(("public_key", "message", "signature"), RFC_8032)
def test_rfc_8032_vectors(public_key: str, message: str, signature: str) -> None:
    parts = [bytes.fromhex(text) for text in (public_key, message, signature)]
    assert verify_log.ed25519_verifies(*parts)
    assert not verify_log.ed25519_verifies(parts[0], parts[1] + b"x", parts[2])


@settings(deadline=None, max_examples=40)
@given(
    seed=st.binary(min_size=32, max_size=32),
    message=st.binary(max_size=80),
    place=st.integers(0, 64 * 8),
    flip=st.booleans(),
)
def test_agrees_with_cryptography(seed: bytes, message: bytes, place: int, flip: bool) -> None:
    private = Ed25519PrivateKey.from_private_bytes(seed)
    public_key = private.public_key().public_bytes_raw()
    signature = bytearray(private.sign(message))
    if flip and place < 512:
        signature[place // 8] ^= 1 << place % 8
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(bytes(signature), message)
        expected = True
    except InvalidSignature:
        expected = False
    assert verify_log.ed25519_verifies(public_key, message, bytes(signature)) == expected


def test_scalar_beyond_the_order_is_refused() -> None:
    """RFC 8032 section 5.1.7: s must be below L, or a second valid signature could be made from any."""
    signature = PRIVATE.sign(b"m")
    s = int.from_bytes(signature[32:], "little") + verify_log.L
    assert not verify_log.ed25519_verifies(KEY.public_key, b"m", signature[:32] + s.to_bytes(32, "little"))


def test_sound_export_verifies(folder: Path) -> None:
    assert faults(write(folder, files())) == []


def test_unpacked_folder_verifies(tmp_path: Path) -> None:
    for name, data in files().items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)
    assert faults(tmp_path) == []


@settings(deadline=None, max_examples=150)
@given(data=st.data())
def test_any_flipped_bit_of_a_leaf_names_that_leaf(folder: Path, data: st.DataObject) -> None:
    content = files()
    name = "leaves/000000000000.ndjson"
    damaged = bytearray(content[name])
    place = data.draw(st.integers(0, len(damaged) - 1))
    bit = data.draw(st.integers(0, 7))
    line = bytes(damaged[:place]).count(b"\n")
    damaged[place] ^= 1 << bit
    found = faults(write(folder, content | {name: bytes(damaged)}), all_signatures=False)
    assert found
    assert found[0].startswith(f"leaf {line}:")
    # A lost line break damages the lines on both of its sides, and nothing else.
    assert len(found) <= 2


@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_any_flipped_bit_of_a_signed_note_is_found(folder: Path, data: st.DataObject) -> None:
    content = files()
    head = json.loads(content["checkpoints.ndjson"].splitlines()[1])
    note = bytearray(head["note"].encode())
    place = data.draw(st.integers(0, len(note) - 1))
    note[place] ^= 1 << data.draw(st.integers(0, 6))
    lines = content["checkpoints.ndjson"].splitlines()
    lines[1] = json.dumps(head | {"note": note.decode("utf-8", "replace")}).encode()
    found = faults(write(folder, content | {"checkpoints.ndjson": b"\n".join(lines) + b"\n"}))
    assert any(fault.startswith("checkpoint 2") for fault in found)


def test_damaged_hash_is_named_as_such(folder: Path) -> None:
    content = files()
    lines = content["leaf_hashes/000000000000.txt"].splitlines()
    lines[4] = hashlib.sha256(b"other").hexdigest().encode()
    damaged = content | {"leaf_hashes/000000000000.txt": b"\n".join(lines) + b"\n"}
    (fault,) = faults(write(folder, damaged))
    assert fault.startswith("leaf hash 4:")


def test_rewritten_leaf_with_its_hash_is_found(folder: Path) -> None:
    """Leaves and hashes changed together: the signed root betrays it."""
    rewritten = leaves()
    rewritten[6] = rewritten[6].replace(b"decision", b"contact!")
    forged = files(rewritten)
    assert faults(write(folder, forged | {"checkpoints.ndjson": files()["checkpoints.ndjson"]}))


def test_removed_leaf_is_found(folder: Path) -> None:
    content = files()
    for name in ("leaves/000000000000.ndjson", "leaf_hashes/000000000000.txt"):
        content[name] = content[name][: content[name][:-1].rindex(b"\n") + 1]
    assert any("not enough leaves" in fault for fault in faults(write(folder, content)))


def test_broken_party_chain_is_found(folder: Path) -> None:
    """A leaf left out before signing: the tree is sound, the party's chain is not."""
    kept = leaves()
    del kept[2]
    kept.append(kept[-1].replace(b'"a"', b'"c"').replace(b'"b"', b'"c"'))
    assert any("chain" in fault for fault in faults(write(folder, files(kept))))


def test_foreign_key_verifies_nothing(folder: Path) -> None:
    other = Ed25519PrivateKey.from_private_bytes(b"\x08" * 32)
    foreign = NoteKey(KEY.name, other.public_key().public_bytes_raw())
    export = verify_log.read_export(write(folder, files()))
    report = verify_log.verify(export, verify_log.parse_key(foreign.vkey), all_signatures=True)
    assert len([fault for fault in report.problems if "signature" in fault]) == 3


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--key", KEY.vkey], 0),
        (["--fingerprint", KEY.fingerprint], 0),
        (["--fingerprint", "0" * 64], 2),
        (["--key", "nonsense"], 2),
        ([], 2),
    ],
)
def test_exit_codes(folder: Path, arguments: list[str], code: int) -> None:
    path = write(folder, files())
    command = [sys.executable, "-I", str(Path(verify_log.__file__)), str(path), *arguments]
    assert subprocess.run(command, capture_output=True, check=False).returncode == code


def test_damaged_archive_is_unusable(tmp_path: Path) -> None:
    path = tmp_path / "log.tar"
    path.write_bytes(b"no tar at all" * 100)
    assert verify_log.main([str(path), "--key", KEY.vkey]) == 2


@given(data=st.data())
def test_range_with_its_edge_has_the_roots_of_the_whole(data: st.DataObject) -> None:
    """A period's pack proves by what stands for the leaves before it."""
    hashes = [leaf_hash(bytes([place])) for place in range(data.draw(st.integers(1, 70)))]
    first = data.draw(st.integers(0, len(hashes) - 1))
    edge, start = [], 0
    for level in range(first.bit_length() - 1, -1, -1):
        if first >> level & 1:
            edge.append((level, root(hashes[start : start + (1 << level)])))
            start += 1 << level
    sizes = set(range(first + 1, len(hashes) + 1))
    roots = verify_log.Roots(sizes, first, edge)
    for value in hashes[first:]:
        roots.add(value)
    assert {size: roots.at(size) for size in sizes} == {size: root(hashes[:size]) for size in sizes}


@given(data=st.data())
def test_inclusion_and_consistency_agree_with_the_reference(data: st.DataObject) -> None:
    hashes = [leaf_hash(bytes([place])) for place in range(data.draw(st.integers(1, 40)))]
    size, whole = len(hashes), root(hashes)
    index = data.draw(st.integers(0, size - 1))
    path = inclusion_path(index, hashes)
    assert verify_log.included(hashes[index], index, size, path, whole)
    assert not verify_log.included(hashes[index], index, size, [*path, whole], whole)
    if size > 1:
        assert not verify_log.included(hashes[index], (index + 1) % size, size, path, whole)
    first = data.draw(st.integers(1, size))
    extends = consistency_path(first, hashes) if first < size else []
    assert verify_log.consistent(first, size, (root(hashes[:first]), whole), extends)
    assert not verify_log.consistent(first, size, (leaf_hash(b"forked"), whole), extends)


def test_leaves_are_read_and_let_go(tmp_path: Path) -> None:
    """What is held does not grow with the bytes of the leaves."""
    listed = [json.dumps({"kind": "told", "n": index, "filler": "x" * 4_000}).encode() for index in range(2_000)]
    hashes = [leaf_hash(leaf) for leaf in listed]
    lines = [f'{{"index":{i},"leaf":"{base64.b64encode(leaf).decode()}"}}\n' for i, leaf in enumerate(listed)]
    note = sign(Checkpoint(KEY.name, len(listed), root(hashes)), KEY, PRIVATE.sign)
    content = files() | {"checkpoints.ndjson": json.dumps({"published_at": "2026-03-01", "note": note}).encode()}
    for start in range(0, len(lines), 100):
        content[f"leaves/{start:012}.ndjson"] = "".join(lines[start : start + 100]).encode()
        names = (f"{value.hex()}\n" for value in hashes[start : start + 100])
        content[f"leaf_hashes/{start:012}.txt"] = "".join(names).encode()
    path = write(tmp_path, content)
    tracemalloc.start()
    assert faults(path) == []
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < sum(map(len, listed)) / 2
