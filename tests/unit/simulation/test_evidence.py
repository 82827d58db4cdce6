"""Proofs that the oracle checks itself, and the damaged copy of an export."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import tarfile

from hypothesis import given
from hypothesis import strategies as st

from simulation.evidence import Head, is_proved, with_flipped_byte
from simulation.oracle.proof import includes, leaf_hash


def root_of(leaves: list[bytes]) -> bytes:
    """Merkle tree hash after the definition in RFC 9162, section 2.1.1."""
    if len(leaves) == 1:
        return leaf_hash(leaves[0])
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\x01" + root_of(leaves[:split]) + root_of(leaves[split:])).digest()


def path_of(leaves: list[bytes], index: int) -> list[bytes]:
    """Inclusion path after the definition in RFC 9162, section 2.1.3.1."""
    if len(leaves) == 1:
        return []
    split = 1 << (len(leaves) - 1).bit_length() - 1
    if index < split:
        return [*path_of(leaves[:split], index), root_of(leaves[split:])]
    return [*path_of(leaves[split:], index - split), root_of(leaves[:split])]


@given(st.integers(min_value=1, max_value=40), st.data())
def test_every_leaf_is_proved(size: int, data: st.DataObject) -> None:
    leaves = [str(number).encode() for number in range(size)]
    index = data.draw(st.integers(min_value=0, max_value=size - 1))
    path = path_of(leaves, index)
    assert includes(leaves[index], index=index, size=size, path=path, root=root_of(leaves))


@given(st.integers(min_value=2, max_value=40), st.data())
def test_wrong_leaf_index_or_path_is_not_proved(size: int, data: st.DataObject) -> None:
    leaves = [str(number).encode() for number in range(size)]
    index = data.draw(st.integers(min_value=0, max_value=size - 1))
    path, root = path_of(leaves, index), root_of(leaves)
    assert not includes(b"other", index=index, size=size, path=path, root=root)
    assert not includes(leaves[index], index=(index + 1) % size, size=size, path=path, root=root)
    assert not includes(leaves[index], index=index, size=size, path=path[:-1], root=root)
    assert not includes(leaves[index], index=index, size=size, path=[*path, root], root=root)
    assert not includes(leaves[index], index=size, size=size, path=path, root=root)


def test_head_is_read_from_a_checkpoint_note() -> None:
    root = hashlib.sha256(b"root").digest()
    note = f"doorstep.example/bank/audit\n17\n{base64.b64encode(root).decode()}\n\n— doorstep.example/bank/audit AAAA\n"
    assert Head.parse(note) == Head(17, root)


def test_leaf_of_the_api_is_proved_against_the_head() -> None:
    leaves = [b"a", b"b", b"c"]
    answer = {
        "leaf": base64.b64encode(leaves[1]).decode(),
        "proof": {
            "leaf_index": 1,
            "tree_size": 3,
            "path": [base64.b64encode(value).decode() for value in path_of(leaves, 1)],
        },
    }
    assert is_proved(answer, Head(3, root_of(leaves)))
    assert not is_proved(answer, Head(3, root_of([b"a", b"x", b"c"])))


def exported(leaves: int) -> bytes:
    lines = [json.dumps({"index": index, "leaf": base64.b64encode(bytes(80)).decode()}) for index in range(leaves)]
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        for name, content in (
            ("leaves/000000000000.ndjson", "\n".join(lines).encode() + b"\n"),
            ("keys.txt", b"origin+00000000+AQ==\n"),
        ):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return target.getvalue()


def test_one_byte_of_one_leaf_is_flipped() -> None:
    whole = exported(9)
    damaged, index = with_flipped_byte(whole)
    different = [place for place, (one, other) in enumerate(zip(whole, damaged, strict=True)) if one != other]
    assert len(different) == 1
    with tarfile.open(fileobj=io.BytesIO(damaged)) as archive:
        file = archive.extractfile("leaves/000000000000.ndjson")
        assert file is not None
        leaves = [base64.b64decode(json.loads(line)["leaf"]) for line in file]
    assert [number for number, leaf in enumerate(leaves) if leaf != bytes(80)] == [index]
