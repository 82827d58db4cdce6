"""Proofs against vectors in the form of transparency-dev/merkle (testdata/): sound ones hold, spoiled ones never.

Our own vectors are every proof over the eight published leaves of Certificate Transparency, spoiled in every way that
project spoils its own. A folder named by `MERKLE_VECTORS` (that project's testdata) is read beside them.
"""

import base64
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from services.compliance.log import reference
from services.compliance.log.proofs import consistent, included

LEAVES = [
    bytes.fromhex(text)
    for text in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
HASHES = [reference.leaf_hash(leaf) for leaf in LEAVES]
OTHER = reference.leaf_hash(b"another")
PUBLISHED = "MERKLE_VECTORS"


@dataclass(frozen=True, kw_only=True)
class Inclusion:
    index: int
    size: int
    leaf: bytes
    root: bytes
    path: tuple[bytes, ...]
    holds: bool = True

    def verdict(self) -> bool:
        return included(leaf_hash=self.leaf, index=self.index, size=self.size, path=self.path, root=self.root)


@dataclass(frozen=True, kw_only=True)
class Consistency:
    first: int
    second: int
    first_root: bytes
    second_root: bytes
    path: tuple[bytes, ...]
    holds: bool = True

    def verdict(self) -> bool:
        return consistent(
            first=self.first, second=self.second, first_root=self.first_root, second_root=self.second_root,
            path=self.path,
        )  # fmt: skip


Vector = Inclusion | Consistency


def spoiled_paths(path: tuple[bytes, ...], *roots: bytes) -> Iterator[tuple[str, tuple[bytes, ...]]]:
    for name, extra in (("garbage", b""), ("hash", OTHER), *((f"root {n}", root) for n, root in enumerate(roots))):
        yield f"trailing {name}", (*path, extra)
        yield f"preceding {name}", (extra, *path)
    for place, value in enumerate(path):
        for bit in (0, 3, 7):
            changed = bytes([value[0] ^ 1 << bit]) + value[1:]
            yield f"bit {bit} of hash {place}", (*path[:place], changed, *path[place + 1 :])
        yield f"hash {place} twice", (*path[:place], value, *path[place:])
        yield f"hash {place} removed", (*path[:place], *path[place + 1 :])
        yield f"hash {place} cut", (*path[:place], value[:-1], *path[place + 1 :])


def spoiled_inclusions(sound: Inclusion) -> Iterator[tuple[str, Inclusion]]:
    for name, path in spoiled_paths(sound.path, sound.root):
        yield name, replace(sound, path=path)
    for name, index in (("minus one", sound.index - 1), ("plus one", sound.index + 1), ("xor two", sound.index ^ 2)):
        yield f"index {name}", replace(sound, index=index)
    yield "index is size", replace(sound, index=sound.size)
    yield "size zero", replace(sound, size=0)
    yield "size huge", replace(sound, size=sound.size << 8)
    yield "other leaf", replace(sound, leaf=OTHER)
    yield "other root", replace(sound, root=OTHER)
    yield "empty root", replace(sound, root=b"")
    yield "empty leaf", replace(sound, leaf=b"")
    yield "empty root and leaf", replace(sound, root=b"", leaf=b"")


def spoiled_consistencies(sound: Consistency) -> Iterator[tuple[str, Consistency]]:
    for name, path in spoiled_paths(sound.path, sound.first_root, sound.second_root):
        yield name, replace(sound, path=path)
    yield "first zero", replace(sound, first=0)
    yield "first beyond second", replace(sound, first=sound.second + 1)
    yield "first minus one", replace(sound, first=sound.first - 1)
    yield "second huge", replace(sound, second=sound.second << 8)
    yield "other first root", replace(sound, first_root=OTHER)
    yield "other second root", replace(sound, second_root=OTHER)
    if sound.first < sound.second:
        yield "empty roots", replace(sound, first_root=b"", second_root=b"")
        yield "roots swapped", replace(sound, first_root=sound.second_root, second_root=sound.first_root)
        yield "no path", replace(sound, path=())


def own() -> Iterator[tuple[str, Vector]]:
    for size in range(1, len(HASHES) + 1):
        hashes = HASHES[:size]
        root = reference.root(hashes)
        for index in range(size):
            path = tuple(reference.inclusion_path(index, hashes))
            one = Inclusion(index=index, size=size, leaf=hashes[index], root=root, path=path)
            yield f"inclusion {index} of {size}", one
            for name, bad in spoiled_inclusions(one):
                yield f"inclusion {index} of {size}: {name}", replace(bad, holds=False)
        for first in range(1, size + 1):
            path = tuple(reference.consistency_path(first, hashes))
            old = reference.root(hashes[:first])
            two = Consistency(first=first, second=size, first_root=old, second_root=root, path=path)
            yield f"consistency {first} to {size}", two
            for name, worse in spoiled_consistencies(two):
                yield f"consistency {first} to {size}: {name}", replace(worse, holds=False)
    nothing = Consistency(first=0, second=0, first_root=OTHER, second_root=OTHER, path=(), holds=False)
    yield "consistency of nothing", nothing


def published(folder: Path) -> Iterator[tuple[str, Vector]]:
    for file in sorted(folder.glob("inclusion/**/*.json")):
        known = json.loads(file.read_bytes())
        yield str(file.relative_to(folder)), Inclusion(
            index=known["leafIdx"], size=known["treeSize"], leaf=decoded(known["leafHash"]),
            root=decoded(known["root"]), path=path_of(known), holds=not known["wantErr"],
        )  # fmt: skip
    for file in sorted(folder.glob("consistency/**/*.json")):
        known = json.loads(file.read_bytes())
        yield str(file.relative_to(folder)), Consistency(
            first=known["size1"], second=known["size2"], first_root=decoded(known["root1"]),
            second_root=decoded(known["root2"]), path=path_of(known), holds=not known["wantErr"],
        )  # fmt: skip


def decoded(text: str) -> bytes:
    return base64.b64decode(text)


def path_of(known: dict[str, Any]) -> tuple[bytes, ...]:
    return tuple(decoded(text) for text in known["proof"] or ())


def wrong(vectors: Iterator[tuple[str, Vector]]) -> tuple[int, list[str]]:
    count, names = 0, []
    for count, (name, vector) in enumerate(vectors, start=1):  # noqa: B007  # the last number is the count
        if vector.verdict() is not vector.holds:
            names.append(name)
    return count, names


def test_own_vectors() -> None:
    count, names = wrong(own())
    assert names == []
    assert count > 1_000


def test_vector_files_are_read_and_judged(tmp_path: Path) -> None:
    """The reader of published files, with one sound file and one spoiled one, then the folder that is named, if any."""
    for name, want_error in (("sound", False), ("spoiled", True)):
        path = [OTHER] if want_error else reference.inclusion_path(1, HASHES[:2])
        file = tmp_path / "inclusion" / name / "1.json"
        file.parent.mkdir(parents=True)
        known = {
            "leafIdx": 1, "treeSize": 2, "leafHash": base64.b64encode(HASHES[1]).decode(),
            "root": base64.b64encode(reference.root(HASHES[:2])).decode(),
            "proof": [base64.b64encode(value).decode() for value in path], "wantErr": want_error,
        }  # fmt: skip
        file.write_text(json.dumps(known))
    assert wrong(published(tmp_path)) == (2, [])
    if folder := os.environ.get(PUBLISHED):
        count, names = wrong(published(Path(folder)))
        assert names == []
        assert count >= 196


@pytest.mark.parametrize("vector", [one for name, one in own() if name == "inclusion 0 of 1: empty root and leaf"])
def test_nothing_does_not_prove_nothing(vector: Vector) -> None:
    assert not vector.verdict()
