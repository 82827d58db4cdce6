"""Proofs against vectors in the form of transparency-dev/merkle (testdata/): sound ones hold, spoiled ones never.

Our own vectors are every proof over the eight published leaves of Certificate Transparency, spoiled in every way that
project spoils its own. They are written as that project's files are, read back, and put to each of our implementations:
the log's, the stand-alone verifier's and the stand-alone witness's. A folder named by `MERKLE_VECTORS` (that project's
testdata) is read beside them.
"""

import base64
import json
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from services.compliance.log import reference
from services.compliance.log.proofs import consistent, included
from tools import verify_log, witness

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


@dataclass(frozen=True, kw_only=True)
class Consistency:
    first: int
    second: int
    first_root: bytes
    second_root: bytes
    path: tuple[bytes, ...]
    holds: bool = True


Vector = Inclusion | Consistency


def by_the_log(vector: Vector) -> bool | None:
    if isinstance(vector, Inclusion):
        return included(
            leaf_hash=vector.leaf, index=vector.index, size=vector.size, path=vector.path, root=vector.root
        )  # fmt: skip
    return consistent(
        first=vector.first, second=vector.second, first_root=vector.first_root, second_root=vector.second_root,
        path=vector.path,
    )  # fmt: skip


def by_the_verifier(vector: Vector) -> bool | None:
    if isinstance(vector, Inclusion):
        return verify_log.included(vector.leaf, vector.index, vector.size, vector.path, vector.root)
    roots = (vector.first_root, vector.second_root)
    return verify_log.consistent(vector.first, vector.second, roots, vector.path)


def by_the_witness(vector: Vector) -> bool | None:
    """None where it is not asked: it judges no inclusion, and knows a tree of the same size by its root."""
    if isinstance(vector, Inclusion) or vector.first == vector.second:
        return None
    return witness.extends(
        old=vector.first, new=vector.second, old_root=vector.first_root, new_root=vector.second_root, proof=vector.path
    )


Judge = Callable[[Vector], bool | None]
JUDGES = (by_the_log, by_the_verifier, by_the_witness)


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


def write(folder: Path, vectors: Iterable[tuple[str, Vector]]) -> None:
    """As files of that project: `inclusion/0/…json` and `consistency/0/…json`."""
    for number, (name, vector) in enumerate(vectors):
        document = document_of(vector) | {"desc": name, "wantErr": not vector.holds}
        file = folder / type(vector).__name__.lower() / "0" / f"{number:05}.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(document))


def document_of(vector: Vector) -> dict[str, Any]:
    proof = [encoded(value) for value in vector.path] or None  # as that project writes an empty one
    if isinstance(vector, Inclusion):
        return {
            "leafIdx": vector.index, "treeSize": vector.size, "root": encoded(vector.root),
            "leafHash": encoded(vector.leaf), "proof": proof,
        }  # fmt: skip
    return {
        "size1": vector.first, "size2": vector.second, "root1": encoded(vector.first_root),
        "root2": encoded(vector.second_root), "proof": proof,
    }  # fmt: skip


def encoded(value: bytes) -> str:
    return base64.b64encode(value).decode()


def wrong(vectors: Iterable[tuple[str, Vector]], judge: Judge) -> tuple[int, list[str]]:
    """How many were judged, and which of them wrongly."""
    verdicts = [(name, judge(vector), vector.holds) for name, vector in vectors]
    judged = [(name, verdict is holds) for name, verdict, holds in verdicts if verdict is not None]
    return len(judged), [name for name, right in judged if not right]


@pytest.fixture(scope="module")
def vectors(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, Vector]]:
    """Our own, after a way through files of the published form."""
    folder = tmp_path_factory.mktemp("vectors")
    mine = list(own())
    write(folder, mine)
    read = list(published(folder))
    assert {vector for _, vector in read} == {vector for _, vector in mine}
    return read


@pytest.mark.parametrize(("judge", "at_least"), list(zip(JUDGES, (2_000, 2_000, 800), strict=True)))
def test_own_vectors(vectors: list[tuple[str, Vector]], judge: Judge, at_least: int) -> None:
    count, names = wrong(vectors, judge)
    assert names == []
    assert count > at_least


def test_own_vectors_pass_and_fail(vectors: list[tuple[str, Vector]]) -> None:
    sound = [vector for _, vector in vectors if vector.holds]
    assert len(sound) == 36 + 36
    assert len(vectors) - len(sound) > 1_900


@pytest.mark.skipif(PUBLISHED not in os.environ, reason=f"{PUBLISHED} names no folder of published vectors")
@pytest.mark.parametrize("judge", JUDGES)
def test_published_vectors(judge: Judge) -> None:
    count, names = wrong(published(Path(os.environ[PUBLISHED])), judge)
    assert names == []
    assert count >= (196 if judge is not by_the_witness else 80)
