#!/usr/bin/env python3
"""Verify an export of Doorstep's audit log, or an evidence pack, offline, with the Python standard library alone.

    python verify_log.py EXPORT --key VKEY [--witness VKEY ... --witnesses-required K] [--all-signatures]
    python verify_log.py EXPORT --fingerprint SHA256 [--witness SHA256 ...] [--all-signatures]

EXPORT is the tar file of `GET /v1/log/export`, or the folder it unpacks to. Keys come from the command line only: as
C2SP vkey (`name+id+key`), or as the fingerprint (SHA-256 of the vkey) of a key inside the export.

Checked: every leaf against its hash, the RFC 9162 root of every checkpoint (which also proves that each extends the one
before), signatures and cosignatures (each day's last; all with --all-signatures), that K of the witnesses cosigned the
last checkpoint, each party's chain of leaves, and every manifest against the leaves it covers.

Of an evidence pack (`./doorstep evidence`) besides: every file against SHA256SUMS, the inclusion proof of each leaf,
every opening against its commitment, that each row is what its leaf says and none is left out, that whatever no longer
opens was deleted by a rule of retention, or erased with the person, as a leaf says, that facts and frames are those
that the record of their decision names, that a permit's state is what its leaves say, and that a person's chain reaches
the manifests: only then the pack is complete.

With --given FILE (the JSON file of `./doorstep access`, for an evidence pack of the same person): that what was given
is, for each of the five services, exactly what the leaf that it names commits to.

With --approver (the fingerprint of a person's key, once for each person who may approve): that every pack of rules by
which a decision was made was released before it, signed by two of these people. Their later keys are followed, also
those for which others vouched in the place of a lost one (one voucher and the new key count as one person).

Each contact is counted as witnessed-before (its permit's leaf was under a checkpoint that K witnesses had cosigned
before the contact began), claimed-before (the leaf only says so itself), or after. Without --witness none is witnessed;
without --all-signatures the times are those written in cosignatures, of which each day's last are verified.

A line that begins with FAULT names what does not verify: a leaf, checkpoint or file by its number or name, and why. One
that begins with TOLD names what the pack says and nothing in it proves; it is no fault, and nobody has to believe it.
Exit codes: 0 everything verifies; 1 something does not, and is named; 2 the export or the arguments cannot be used.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import bisect
import functools
import gc
import hashlib
import hmac
import io
import itertools
import json
import math
import re
import sys
import tarfile
from array import array
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, ClassVar

# --- Ed25519, verification only: RFC 8032 section 5.1, with cofactorless equation and strict encodings

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
SQRT_M1 = pow(2, (P - 1) // 4, P)
Point = tuple[int, int, int, int]  # extended coordinates (X, Y, Z, T)


def _add(a: Point, b: Point) -> Point:
    s = (a[1] - a[0]) * (b[1] - b[0]) % P
    t = (a[1] + a[0]) * (b[1] + b[0]) % P
    u = 2 * a[3] * b[3] * D % P
    v = 2 * a[2] * b[2] % P
    e, f, g, h = t - s, v - u, v + u, t + s
    return e * f % P, g * h % P, f * g % P, e * h % P


def _double(a: Point) -> Point:
    x2, y2 = a[0] * a[0] % P, a[1] * a[1] % P
    h = x2 + y2
    e = h - (a[0] + a[1]) ** 2
    g = x2 - y2
    f = 2 * a[2] * a[2] + g
    return e * f % P, g * h % P, f * g % P, e * h % P


def _recover_x(y: int, sign: int) -> int | None:
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    if square == 0:
        return None if sign else 0
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * SQRT_M1 % P
    if (x * x - square) % P:
        return None
    return P - x if x & 1 != sign else x


def _decompress(encoded: bytes) -> Point | None:
    value = int.from_bytes(encoded, "little")
    sign, y = value >> 255, value & (1 << 255) - 1
    if y >= P:
        return None
    x = _recover_x(y, sign)
    return None if x is None else (x, y, 1, x * y % P)


_BASE_Y = 4 * pow(5, P - 2, P) % P
_BASE_X = _recover_x(_BASE_Y, 0) or 0
BASE: Point = (_BASE_X, _BASE_Y, 1, _BASE_X * _BASE_Y % P)
ZERO: Point = (0, 1, 1, 0)


def ed25519_verifies(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether `signature` (64 bytes) over `message` was made with the private half of `public_key` (32 bytes)."""
    if len(public_key) != 32 or len(signature) != 64:
        return False
    key = _decompress(public_key)
    s = int.from_bytes(signature[32:], "little")
    if key is None or s >= L:
        return False
    k = int.from_bytes(hashlib.sha512(signature[:32] + public_key + message).digest(), "little") % L
    # R = s*B - k*A in one pass over the bits (Straus), compared as bytes: no decompression of R is needed.
    minus_key: Point = (P - key[0], key[1], 1, P - key[3])
    both = _add(BASE, minus_key)
    result = ZERO
    for bit in range(max(s.bit_length(), k.bit_length()) - 1, -1, -1):
        result = _double(result)
        choice = (s >> bit & 1) | (k >> bit & 1) << 1
        if choice:
            result = _add(result, (ZERO, BASE, minus_key, both)[choice])
    inverse = pow(result[2], P - 2, P)
    x, y = result[0] * inverse % P, result[1] * inverse % P
    return signature[:32] == (y | (x & 1) << 255).to_bytes(32, "little")


# --- Keys and notes: https://c2sp.org/signed-note, https://c2sp.org/tlog-checkpoint, https://c2sp.org/tlog-cosignature

LOG_KEY, WITNESS_KEY = 1, 4


class UnusableError(Exception):
    """The export or the arguments cannot be used at all (exit code 2)."""


@dataclass(frozen=True)
class Key:
    """The verification key of a log or a witness."""

    name: str
    key_id: bytes
    public_key: bytes


def parse_key(vkey: str, algorithm: int = LOG_KEY) -> Key:
    """A key for that use from its text form `name+id+base64`. Raises UnusableError."""
    match = re.fullmatch(r"([^+\s]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+=*)", vkey.strip())
    if match is None:
        raise UnusableError("the key is not a vkey: name+id+base64")
    raw = _strict_base64(match[3]) or b""
    key_id = hashlib.sha256(match[1].encode() + b"\n" + raw).digest()[:4]
    if len(raw) != 33 or raw[0] != algorithm or key_id.hex() != match[2]:
        kind = "log's" if algorithm == LOG_KEY else "witness's"
        raise UnusableError(f"{match[1]}: not a {kind} Ed25519 key, or its id does not fit")
    return Key(match[1], key_id, raw[1:])


@dataclass(frozen=True)
class SignedHead:
    """One checkpoint of the export; `problem` says why it cannot be read."""

    number: int
    published_at: str = ""
    size: int = -1
    root: bytes = b""
    body: bytes = b""
    signatures: tuple[str, ...] = ()
    origin: str = ""
    problem: str = ""


def parse_head(number: int, line: str) -> SignedHead:
    """One line of checkpoints.ndjson."""
    try:
        record = json.loads(line)
        note, published_at = str(record["note"]), str(record["published_at"])
        body, separator, block = note.rpartition("\n\n")
        lines = body.split("\n")
        root = base64.b64decode(lines[2], validate=True)
        if not separator or block[-1:] != "\n" or not re.fullmatch("0|[1-9][0-9]*", lines[1]) or len(root) != 32:
            raise ValueError("not a checkpoint")
        return SignedHead(
            number, published_at, int(lines[1]), root, f"{body}\n".encode(), tuple(block[:-1].split("\n")), lines[0]
        )
    except (ValueError, KeyError, IndexError, TypeError) as error:
        return SignedHead(number, problem=f"cannot be read ({type(error).__name__})")


def signatures_of(head: SignedHead, key: Key) -> list[bytes]:
    """What the lines of that key's name and id hold after the id."""
    prefix = f"\N{EM DASH} {key.name} "
    found = (_strict_base64(line.removeprefix(prefix)) for line in head.signatures if line.startswith(prefix))
    return [raw[4:] for raw in found if raw is not None and raw[:4] == key.key_id]


def signed_by(head: SignedHead, key: Key) -> bool:
    """Whether a signature of the log's `key` is on the checkpoint and verifies."""
    return any(ed25519_verifies(key.public_key, head.body, signature) for signature in signatures_of(head, key))


def cosigned_at(head: SignedHead, witness: Key, *, verified: bool) -> int | None:
    """The earliest time (seconds since 1970) of the witness's cosignatures; `verified`: of those that verify."""
    times: list[int] = []
    for raw in signatures_of(head, witness):
        timestamp, signature = int.from_bytes(raw[:8], "big"), raw[8:]
        message = f"cosignature/v1\ntime {timestamp}\n".encode() + head.body
        if len(raw) == 72 and (not verified or ed25519_verifies(witness.public_key, message, signature)):
            times.append(timestamp)
    return min(times, default=None)


_HASH_LINE = re.compile("[0-9a-f]{64}")
_LEAF_LINE = re.compile(r'\{"index":(0|[1-9][0-9]*),"leaf":"([A-Za-z0-9+/]*={0,2})"\}')
_LARGEST = 1 << 62
KEPT_FILES = 16
MOST_TOLD, SHOWN = 1_000, 20


class Files:
    """The files of an export, in a folder or in a tar file: read when they are asked for, and never held."""

    def __init__(self, sources: Mapping[str, Callable[[], IO[bytes] | None]]) -> None:
        self._sources = sources

    @classmethod
    def of(cls, path: Path) -> Files:
        """Raises UnusableError."""
        if path.is_dir():
            found = (file for file in path.rglob("*") if file.is_file())
            return cls({file.relative_to(path).as_posix(): functools.partial(_open, file) for file in found})
        try:
            archive = tarfile.open(path)  # noqa: SIM115  # its members are read as long as the program runs
            members = [member for member in archive if member.isfile()]
        except (OSError, tarfile.TarError) as error:
            raise UnusableError(f"cannot read {path}: {error}") from error
        return cls({member.name: functools.partial(archive.extractfile, member) for member in members})

    @property
    def names(self) -> list[str]:
        """In order."""
        return sorted(self._sources)

    def __contains__(self, name: str) -> bool:
        return name in self._sources

    def open(self, name: str) -> IO[bytes]:
        """The file's bytes; an empty file when it is missing. Raises UnusableError."""
        try:
            return (self._sources[name]() if name in self._sources else None) or io.BytesIO()
        except (OSError, tarfile.TarError) as error:
            raise UnusableError(f"cannot read {name}: {error}") from error

    def read(self, name: str) -> bytes:
        """All of a small file. Raises UnusableError."""
        with self.open(name) as file:
            try:
                return file.read()
            except (OSError, tarfile.TarError) as error:
                raise UnusableError(f"cannot read {name}: {error}") from error

    def lines(self, name: str) -> Iterator[bytes]:
        """The lines, without their ends. Raises UnusableError."""
        with self.open(name) as file:
            try:
                yield from (line.removesuffix(b"\n") for line in file)
            except (OSError, tarfile.TarError) as error:
                raise UnusableError(f"cannot read {name}: {error}") from error

    def documents(self, name: str) -> Iterator[dict[str, Any]]:
        """The documents of a file of JSON lines; none when it is missing."""
        return (json.loads(line) for line in self.lines(name))


@dataclass
class Export:
    """Leaves, their recorded hashes, checkpoints and keys. A leaf or hash that cannot be read is None."""

    files: Files
    first: int = 0
    """Index of the first leaf: a period's pack begins in the middle of the log."""
    edge: list[tuple[int, bytes]] = field(default_factory=list)
    """What stands for the leaves before it: (height, hash) of full subtrees, left to right."""
    _kept: OrderedDict[int, list[bytes | None]] = field(default_factory=OrderedDict)
    _folders: dict[str, list[str]] = field(default_factory=dict)

    @property
    def vkeys(self) -> list[str]:
        """The key texts, to be compared with fingerprints."""
        return self.files.read("keys.txt").decode("utf-8", "replace").splitlines()

    def leaves(self) -> Iterator[bytes | None]:
        """From the first one on. Raises UnusableError when a file of them is missing."""
        start = self.first
        for name in self._named("leaves/"):
            if name != f"leaves/{start:012}.ndjson":
                raise UnusableError(f"{name}: leaves before it are missing")
            found = self._leaves_in(name, start)
            yield from found
            start += len(found)

    def leaf(self, index: int) -> bytes | None:
        """One leaf, read again from its file; the files used last are kept."""
        names = self._named("leaves/")
        place = bisect.bisect_right(names, f"leaves/{index:012}.ndjson") - 1
        if place < 0:
            return None
        start = int(names[place][len("leaves/") : -len(".ndjson")])
        if start not in self._kept:
            self._kept[start] = self._leaves_in(names[place], start)
            if len(self._kept) > KEPT_FILES:
                self._kept.popitem(last=False)
        self._kept.move_to_end(start)
        found = self._kept[start]
        return found[index - start] if index - start < len(found) else None

    def hashes(self) -> Iterator[bytes | None]:
        """The recorded hashes of the leaves."""
        for name in self._named("leaf_hashes/"):
            for line in _lines_of(self.files.read(name)):
                yield bytes.fromhex(line) if _HASH_LINE.fullmatch(line) else None

    def heads(self) -> Iterator[SignedHead]:
        """The checkpoints, in their order."""
        number = 0
        for number, line in enumerate(self.files.lines("checkpoints.ndjson"), start=1):
            yield parse_head(number, line.decode("utf-8", "replace"))
        if not number and "checkpoints.ndjson" in self.files:
            yield parse_head(1, "")

    def _named(self, folder: str) -> list[str]:
        if folder not in self._folders:
            self._folders[folder] = [name for name in self.files.names if name.startswith(folder)]
        return self._folders[folder]

    def _leaves_in(self, name: str, start: int) -> list[bytes | None]:
        """The leaves of one file, named by its first index.

        A damaged line must not shift its neighbours: where line breaks were lost or made, an index that the next line
        confirms tells where we are; an index that neither the place nor the next line confirms is damaged itself.
        """
        lines = _lines_of(self.files.read(name))
        matches = map(_LEAF_LINE.fullmatch, lines)
        found = [None if match is None else (int(match[1]) - start, match[2]) for match in matches]
        leaves: list[bytes | None] = []
        for one, following in itertools.zip_longest(found, found[1:]):
            if one is not None and one[0] != len(leaves):
                confirmed = following is not None and following[0] == one[0] + 1
                if confirmed and 0 <= one[0] <= len(lines) + 1:
                    if leaves[one[0] :].count(None) == len(leaves[one[0] :]):
                        del leaves[one[0] :]
                    leaves.extend([None] * (one[0] - len(leaves)))
            leaves.append(_strict_base64(one[1]) if one is not None and one[0] == len(leaves) else None)
        return leaves


def _open(path: Path) -> IO[bytes]:
    return path.open("rb")


def read_export(path: Path) -> Export:
    """The export in a tar file or a folder. Raises UnusableError."""
    return Export(Files.of(path))


def edge_of(first: int, hashes: Sequence[bytes]) -> list[tuple[int, bytes]]:
    """What stands for the leaves before `first`. Raises UnusableError when the hashes are not as many as it takes."""
    levels = [level for level in range(first.bit_length() - 1, -1, -1) if first >> level & 1]
    if len(levels) != len(hashes):
        raise UnusableError("the left edge does not fit the first leaf")
    return list(zip(levels, hashes, strict=True))


def _lines_of(content: bytes) -> list[str]:
    return content.decode("utf-8", "replace").removesuffix("\n").split("\n")


def _strict_base64(text: str) -> bytes | None:
    """None unless it is the one encoding of its bytes: what was skipped or cut short encodes to something else."""
    try:
        value = binascii.a2b_base64(text)
    except ValueError:
        return None
    # Nothing was skipped when the length is right; the last group says whether bits were left over.
    size, rest = len(value), len(value) % 3
    whole = len(text) == (size + 2) // 3 * 4
    sound = whole and (not rest or binascii.b2a_base64(value[-rest:], newline=False).decode() == text[-4:])
    return value if sound else None


def leaf_hash(leaf: bytes) -> bytes:
    """SHA-256(0x00 || leaf)."""
    return hashlib.sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 || left || right)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


_SHA256 = hashlib.sha256


class Roots:
    """Folds leaf hashes one by one; keeps the tree's root at each of the sizes asked for, as far as hashes are known.

    `first` is the index of the first hash, `edge` stands for the leaves before it.
    """

    def __init__(self, sizes: Iterable[int], first: int = 0, edge: Iterable[tuple[int, bytes]] = ()) -> None:
        self._sizes = array("q", sorted(size for size in sizes if size > first))
        self._roots = bytearray()
        self._stack = list(edge)
        self._size = first
        self._next = self._sizes[0] if self._sizes else 0
        self._known = True

    def copy(self) -> Roots:
        """The same so far, to be gone on with otherwise."""
        other = Roots(())
        other._sizes, other._roots = self._sizes, bytearray(self._roots)
        other._stack, other._size, other._next, other._known = list(self._stack), self._size, self._next, self._known
        return other

    @property
    def count(self) -> int:
        """How many roots are known."""
        return len(self._roots) // 32

    def add(self, value: bytes | None) -> None:
        """The next leaf's hash; after one that is not known there is no root any more."""
        if value is None or not self._known:
            self._known = False
            return
        stack, level, node, size = self._stack, 0, value, self._size
        # As many subtrees are full now as the size before has ones at its end.
        while size >> level & 1:
            node = _SHA256(b"\x01" + stack.pop()[1] + node).digest()
            level += 1
        stack.append((level, node))
        self._size = size + 1
        if self._size == self._next:
            self._keep()

    def _keep(self) -> None:
        root = functools.reduce(lambda right, left: node_hash(left, right), [value for _, value in self._stack[::-1]])
        while self.count < len(self._sizes) and self._sizes[self.count] == self._size:
            self._roots += root
        self._next = self._sizes[self.count] if self.count < len(self._sizes) else 0

    def at(self, size: int) -> bytes | None:
        """The root of the first `size` leaves; None where it is not known."""
        if size == 0:
            return hashlib.sha256().digest()
        place = bisect.bisect_left(self._sizes, size)
        if place >= self.count or self._sizes[place] != size:
            return None
        return bytes(self._roots[32 * place : 32 * place + 32])


KeyChanges = list[tuple[int, Key]]  # from which leaf on a tree needs which key's signature


@dataclass
class Report:
    """What was checked and what was found wrong."""

    leaves: int = 0
    checkpoints: int = 0
    signatures: int = 0
    cosignatures: int = 0
    parties: int = 0
    manifests: int = 0
    uncovered: int = 0
    """Leaves of parties behind the last manifest: their chains may still grow."""
    keys: KeyChanges = field(default_factory=list)
    rotations: list[int] = field(default_factory=list)
    """Leaves in which the key named its successor."""
    continues: str = ""
    """The older log whose last checkpoint is the first leaf."""
    kinds: dict[str, int] = field(default_factory=dict)
    contacts: dict[str, int] = field(default_factory=dict)
    complete_until: str = ""
    """When the last manifest was recorded that a person's chain reaches."""
    openings: dict[str, int] = field(default_factory=dict)
    ended: dict[str, int] = field(default_factory=dict)
    """Fields that no longer open, by what ended them and which leaf says so."""
    facts: dict[str, int] = field(default_factory=dict)
    """Decisions whose facts are open (and are those that the record names), erased or not kept."""
    permits_proved: int = 0
    permits_told: int = 0
    """Permits older than leaves of their use, granted or changed after the pack's checkpoint."""
    complaints: int = 0
    releases: int = 0
    """Packs of rules that decisions were made by and that two named people had released by then."""
    custody: list[str] = field(default_factory=list)
    elsewhere: int = 0
    """Rows of a pack whose leaf is not under its checkpoint, or before its range."""
    told: list[str] = field(default_factory=list)
    """What the pack tells and no leaf of it proves: rows elsewhere and permits that changed later, as far as named."""
    problems: list[str] = field(default_factory=list)

    def tell(self, what: str) -> None:
        """Name something that is told, not proved."""
        if len(self.told) < MOST_TOLD:
            self.told.append(what)

    def tell_elsewhere(self, where: str) -> None:
        """Count and name a row that no leaf under the pack's checkpoint, and in its range, proves."""
        self.elsewhere += 1
        self.tell(f"{where}: its leaf is not under the pack's checkpoint, or before its range")

    def add_to(self, other: Report) -> None:
        """Give what was found in the leaves to the report of everything."""
        other.kinds, other.contacts, other.continues = self.kinds, self.contacts, self.continues
        other.parties, other.releases = self.parties, self.releases
        other.manifests, other.uncovered = other.manifests or self.manifests, other.uncovered or self.uncovered
        other.signatures += self.signatures
        other.problems += self.problems


@dataclass(frozen=True)
class Witnesses:
    """Keys that the log's operator does not hold, and how many of them must agree."""

    keys: Sequence[Key] = ()
    required: int = 0


def verify(
    export: Export,
    key: Key,
    *,
    all_signatures: bool,
    witnesses: Witnesses | None = None,
    approvers: Iterable[str] = (),
) -> Report:
    """Check everything; the report names each fault. Raises UnusableError.

    One pass over the leaves does all that needs their bytes; what of it may be told is known after the checkpoints.
    """
    report = Report()
    plan = HeadPlan.of(export)
    rotations = Rotations(key)
    chains = _Chains(Report(), key, approvers=approvers)
    tree = _Tree(export, plan.sizes)
    for index, leaf, value in tree.read():
        rotations.read(index, leaf)
        if tree.whole:
            chains.read(index, leaf, value)
    report.leaves, report.checkpoints = tree.leaves, plan.count
    if not report.leaves or not report.checkpoints:
        raise UnusableError("the export holds no leaves or no checkpoints")
    rotations.tell(report)
    heads = Heads(report, witnesses or Witnesses(), all_signatures=all_signatures)
    for head in trusted_heads(export, plan, rotations.keys, report, all_signatures=all_signatures):
        heads.take(head, tree)
    heads.finish()
    tree.judge(heads, report.problems)
    if not report.problems:  # a damaged leaf would make its neighbours in the chain look broken, too
        chains.finish(heads)
        chains.report.add_to(report)
    return report


class Rotations:
    """The log's keys one after another: each successor is named by a leaf that the key before it signed."""

    def __init__(self, key: Key) -> None:
        self.keys: KeyChanges = [(0, key)]
        self._key = key
        self._rotations: list[int] = []
        self._signatures = 0
        self._problems: list[str] = []

    def read(self, index: int, leaf: bytes) -> None:
        """One leaf, in the order of the log."""
        if b'"kind":"key_rotation"' not in leaf:
            return
        try:
            record = json.loads(leaf)
            if not record["old_key"].startswith(f"{self._key.name}+"):
                return  # of the older log that this one continues
            new, named = parse_key(record["new_key"]), parse_key(record["old_key"])
            signature = _strict_base64(record["signature"]) or b""
        except (ValueError, KeyError, TypeError, AttributeError, UnusableError):
            self._problems.append(f"leaf {index}: a change of the key that cannot be read")
            return
        message = f"doorstep-log-key-rotation/v1\n{record['old_key']}\n{record['new_key']}\n".encode()
        self._signatures += 1
        old = self.keys[-1][1]
        if named != old or not ed25519_verifies(old.public_key, message, signature):
            self._problems.append(f"leaf {index}: a new key that the key before it did not sign")
            return
        self.keys.append((index, new))
        self._rotations.append(index)

    def tell(self, report: Report) -> None:
        """Put into the report what was found."""
        report.keys, report.rotations = self.keys, self._rotations
        report.signatures += self._signatures
        report.problems += self._problems


def key_at(keys: KeyChanges, size: int) -> Key:
    """Whose signature a head of that size must carry."""
    return [key for index, key in keys if index < size or index == 0][-1]


@dataclass
class HeadPlan:
    """A first look at the checkpoints: their sizes, and which is the last one of each day."""

    sizes: array[int]
    last_of_day: dict[str, int]
    count: int

    @classmethod
    def of(cls, export: Export) -> HeadPlan:
        """Of all checkpoints that can be read."""
        plan = cls(array("q"), {}, 0)
        for head in export.heads():
            plan.count += 1
            if not head.problem:
                plan.last_of_day[head.published_at[:10]] = head.number
                if head.size < _LARGEST:
                    plan.sizes.append(head.size)
        return plan


def trusted_heads(
    export: Export, plan: HeadPlan, keys: KeyChanges, report: Report, *, all_signatures: bool
) -> Iterator[SignedHead]:
    """The checkpoints that may be believed, of which each day's last is verified; the others are named."""
    checked = set(plan.last_of_day.values())
    last = 0
    for head in export.heads():
        problem = head.problem
        key = key_at(keys, head.size)
        if not problem and head.origin != key.name:
            problem = f"origin {head.origin!r} is not the key's {key.name!r}"
        if not problem and (all_signatures or head.number in checked):
            report.signatures += 1
            problem = "" if signed_by(head, key) else "the signature does not verify"
        if not problem and head.size < last:
            problem = f"the tree shrank from {last} to {head.size}"
        if problem:
            report.problems.append(f"checkpoint {head.number}: {problem}")
        else:
            last = head.size
            yield head


class Heads:
    """What is kept of the trusted checkpoints: sizes, when enough witnesses had signed, and whether the roots fit."""

    def __init__(self, report: Report, witnesses: Witnesses, *, all_signatures: bool) -> None:
        self._report, self._witnesses, self._all = report, witnesses, all_signatures
        self.numbers, self.sizes = array("q"), array("q")
        self._times = array("d")
        self._enough: dict[str, tuple[int, SignedHead]] = {}
        self.last: SignedHead | None = None
        self.by_leaf, self.by_record = bytearray(), bytearray()
        self._witnessed_sizes, self._witnessed_at = array("q"), array("d")
        self._problems: list[str] = []

    def take(self, head: SignedHead, tree: _Tree | None = None) -> None:
        """The next one, with its roots as `tree` knows them."""
        self.numbers.append(head.number)
        self.sizes.append(min(head.size, _LARGEST))
        self.last = head
        if tree is not None:
            self.by_leaf.append(tree.by_leaf.at(head.size) == head.root)
            self.by_record.append(tree.by_record.at(head.size) == head.root)
        if not self._witnesses.keys:
            return
        if self._all:
            self._times.append(self._kth(_verified_times(head, self._witnesses, self._report, self._problems)))
            return
        self._times.append(self._kth(_times(head, self._witnesses)))
        if self._times[-1] < math.inf:
            self._enough[head.published_at[:10]] = len(self._times) - 1, head

    def _kth(self, times: Sequence[int]) -> float:
        required = self._witnesses.required
        return float(times[required - 1]) if len(times) >= required else math.inf

    def finish(self) -> None:
        """Verify the cosignatures that are to be verified, and work out by when each size was witnessed."""
        if not self._witnesses.keys or self.last is None:
            return
        found = len(_times(self.last, self._witnesses))
        if not self._all:
            checked = dict(self._enough.values()) | {len(self.numbers) - 1: self.last}
            for place, head in sorted(checked.items()):
                times = _verified_times(head, self._witnesses, self._report, self._problems)
                self._times[place] = self._kth(times)
                found = len(times)
        else:
            found = len(_verified_times(self.last, self._witnesses, Report(), []))
        if self._times[-1] == math.inf:
            self._problems.append(
                f"checkpoint {self.last.number}: {found} of {self._witnesses.required} cosignatures that are required"
            )
        self._report.problems += self._problems
        earliest = math.inf
        for size, time in zip(reversed(self.sizes), reversed(self._times), strict=True):
            if time < math.inf:
                earliest = min(earliest, time)
                self._witnessed_sizes.append(size)
                self._witnessed_at.append(earliest)
        self._witnessed_sizes.reverse()
        self._witnessed_at.reverse()

    def witnessed_at(self, index: int) -> float:
        """When enough witnesses had signed a tree that holds the leaf; infinity when they never had."""
        place = bisect.bisect_right(self._witnessed_sizes, index)
        return self._witnessed_at[place] if place < len(self._witnessed_sizes) else math.inf


def _times(head: SignedHead, witnesses: Witnesses) -> list[int]:
    times = (cosigned_at(head, witness, verified=False) for witness in witnesses.keys)
    return sorted(time for time in times if time is not None)


def _verified_times(head: SignedHead, witnesses: Witnesses, report: Report, problems: list[str]) -> list[int]:
    times: list[int] = []
    for witness in witnesses.keys:
        if not signatures_of(head, witness):
            continue
        report.cosignatures += 1
        time = cosigned_at(head, witness, verified=True)
        if time is None:
            problems.append(f"checkpoint {head.number}: the cosignature of {witness.name} does not verify")
        else:
            times.append(time)
    return sorted(times)


_MISSING = b"no leaf here"  # known by identity


class _Tree:
    """Three witnesses, leaves, recorded hashes and signed roots: the one that contradicts the other two is damaged."""

    def __init__(self, export: Export, sizes: Iterable[int]) -> None:
        self._export = export
        self.by_leaf = self.by_record = Roots(sizes, export.first, export.edge)
        self.leaves = 0
        self._both = 0
        self._odd = array("q")

    @property
    def whole(self) -> bool:
        """Whether every leaf so far is what its recorded hash says."""
        return not self._odd

    def read(self) -> Iterator[tuple[int, bytes, bytes]]:
        """The leaves that can be read, with their indexes and hashes."""
        first, by_leaf = self._export.first, self.by_leaf
        pairs = itertools.zip_longest(self._export.leaves(), self._export.hashes(), fillvalue=_MISSING)
        for index, (leaf, recorded) in enumerate(pairs, start=first):
            self._both += 1
            self.leaves += leaf is not _MISSING
            present = leaf is not None and leaf is not _MISSING
            computed = hashlib.sha256(b"\x00" + leaf).digest() if leaf is not None and present else None
            stated = None if recorded is _MISSING else recorded
            if computed != stated and self.by_record is by_leaf:
                self.by_record = by_leaf.copy()
            by_leaf.add(computed)
            if self.by_record is not by_leaf:
                self.by_record.add(stated)
            if computed is None or computed != stated:
                self._odd.append(index)
            if leaf is not None and computed is not None:
                yield index, leaf, computed

    def judge(self, heads: Heads, problems: list[str]) -> None:
        """Name what is damaged, by the roots of the trusted heads."""
        leaves_fit, records_fit = all(heads.by_leaf), all(heads.by_record)
        for index in self._odd:
            if leaves_fit:
                problems.append(f"leaf hash {index}: the recorded hash is damaged, the leaf itself is sound")
            else:
                detail = (
                    "its bytes are not what the signed tree holds" if records_fit else "does not fit its recorded hash"
                )
                problems.append(f"leaf {index}: {detail}")
        end = self._export.first + self._both
        if not leaves_fit and not records_fit:
            better = heads.by_leaf if self.by_leaf.count > self.by_record.count else heads.by_record
            for number, size, fits in zip(heads.numbers, heads.sizes, better, strict=True):
                if not fits:
                    detail = "not enough leaves" if size > end else "the root does not fit the leaves"
                    problems.append(f"checkpoint {number}: {detail}")
        if heads.sizes and end > max(heads.sizes):
            problems.append(f"leaves from {max(heads.sizes)} on are under no checkpoint")


def _approver_name(person: str) -> str:
    """The name that a person's key carries."""
    return re.sub(r"[\s+]+", "_", person.strip().casefold())


class Releases:
    """Who released the rules: each pack by two people, each with a key of their own, before a decision was made by it.

    `approvers`: fingerprints of the keys that count. A later key counts when one that counts signed it; in the place of
    a lost one, when others whose keys count vouched for it. Who alone vouched might hold it: the two count as one.
    """

    KINDS = ("rule_set", "approver_key", "pack_release", "cutover")
    # What was signed at each step of a cut-over.
    SIGNED_STEPS: ClassVar = {"begun": "begin", "accepted": "accept"}

    def __init__(self, approvers: Iterable[str], report: Report) -> None:
        self._trusted = set(approvers)
        self._until: dict[str, str] = {}
        """Until which day a key that was replaced counts."""
        self._registered: dict[str, str] = {}
        """The last key of each name that a leaf registered."""
        self._counts_as: dict[str, str] = {}
        """By fingerprint: the name as which a key counts, where that is not its own."""
        self._named = bool(self._trusted)
        self._report = report
        self._sets: dict[str, dict[str, str]] = {}
        self._used: dict[str, int] = {}
        self._released: dict[tuple[str, str], int] = {}
        self._short: dict[tuple[str, str], list[str]] = {}
        self.importing: set[str] = set()
        """Cut-overs that began and were not accepted yet: only they import."""

    def read(self, index: int, record: dict[str, Any]) -> None:
        """One leaf, in the order of the log."""
        kind = record["kind"]
        if kind == "decision" and record.get("rule_set"):
            self._used.setdefault(record["rule_set"], index)
        elif kind == "rule_set":
            self._sets[record["rule_set"]] = record["packs"]
        elif kind == "approver_key":
            self._follow(index, record)
        elif kind == "pack_release":
            self._judge(index, record)
        elif kind == "cutover" and record["state"] in self.SIGNED_STEPS:
            self._cut_over(index, record)

    def _cut_over(self, index: int, record: dict[str, Any]) -> None:
        """A cut-over begins, and is accepted, only when two people signed it, each with a key of their own."""
        stage = self.SIGNED_STEPS[record["state"]]
        said = (
            record["terms"] if stage == "begin" else {name: record[name] for name in ("cutover_id", "read_back_sha256")}
        )
        people: dict[str, bytes] = {}
        for one in record["signatures"]:
            key = _signer(one["key"])
            stated = {"stage": stage, "said": said, "approver": one["approver"], "signed_on": one["signed_on"]}
            self._report.signatures += 1
            signature = _strict_base64(one["signature"]) or b""
            message = b"doorstep-cutover/v1\n" + _canonical(stated)
            if key.name != _approver_name(one["approver"]) or not ed25519_verifies(key.public_key, message, signature):
                self._fault(f"leaf {index}: the signature of {one['approver']} under the cut-over is forged")
                continue
            fingerprint = _fingerprint(one["key"])
            in_time = one["signed_on"] <= self._until.get(fingerprint, one["signed_on"])
            if not self._named or (fingerprint in self._trusted and in_time):
                people[self._counts_as.get(fingerprint, key.name)] = key.public_key
        if len(set(people.values())) < 2:
            self._fault(f"leaf {index}: the cut-over {record['cutover_id']} was not signed by two of the named people")
        change = self.importing.add if stage == "begin" else self.importing.discard
        change(record["cutover_id"])

    def _fault(self, text: str) -> None:
        self._report.problems.append(text)

    def _follow(self, index: int, record: dict[str, Any]) -> None:
        own = _approver_name(record["approver"])
        if _signer(record["key"]).name != own:
            self._fault(f"leaf {index}: the key of {record['approver']} carries another name")
            return
        known, self._registered[own] = self._registered.get(own), record["key"]
        if record["previous"] is None:
            if known not in (None, record["key"]):
                self._fault(f"leaf {index}: a new key of {record['approver']} that nobody signed or vouched for")
            return
        before, new = _fingerprint(record["previous"]), _fingerprint(record["key"])
        vouched = record.get("vouched_by", [])
        if vouched:
            counts_as = self._vouched(index, record, own)
        else:
            old = _signer(record["previous"])
            message = f"doorstep-approver-key/v1\n{record['previous']}\n{record['key']}\n".encode()
            self._report.signatures += 1
            signature = _strict_base64(record["signature"] or "") or b""
            counts_as = self._counts_as.get(before, own)
            if old.name != own or not ed25519_verifies(old.public_key, message, signature):
                self._fault(f"leaf {index}: a new key of {record['approver']} that the key before it did not sign")
                return
        if before in self._trusted and counts_as:
            self._trusted.add(new)
            self._until[before] = record["registered_on"]
            if counts_as != own:
                self._counts_as[new] = counts_as

    def _vouched(self, index: int, record: dict[str, Any], own: str) -> str:
        """As whom a key counts for which others vouched; nothing where nobody did whose key counts."""
        stated = "\n".join((own, record["previous"], record["key"], record["registered_on"]))
        message = f"doorstep-approver-vouch/v1\n{stated}\n".encode()
        others: set[str] = set()
        for one in record["vouched_by"]:
            key, fingerprint = _signer(one["key"]), _fingerprint(one["key"])
            self._report.signatures += 1
            signature = _strict_base64(one["signature"]) or b""
            named = key.name == _approver_name(one["person"]) != own
            if not named or not ed25519_verifies(key.public_key, message, signature):
                self._fault(f"leaf {index}: the word of {one['person']} for the key of {record['approver']} is forged")
                return ""
            until = self._until.get(fingerprint, record["registered_on"])
            if fingerprint in self._trusted and record["registered_on"] <= until:
                others.add(self._counts_as.get(fingerprint, key.name))
        others.discard(own)
        return own if len(others) > 1 else others.pop() if others else ""

    def _judge(self, index: int, record: dict[str, Any]) -> None:
        label = f"{record['pack']}/{record['version']}"
        people: dict[str, bytes] = {}
        answering: set[str] = set()
        short: list[str] = []
        for approval in record["approvals"]:
            who = approval["approver"]
            if not approval.get("signature"):
                short.append(f"{who} did not sign")
                continue
            key = _signer(approval["key"])
            stated = {name: record[name] for name in ("pack", "version", "sha256", "effective_from")}
            stated |= {name: approval[name] for name in ("approver", "approved_on")}
            self._report.signatures += 1
            signature = _strict_base64(approval["signature"]) or b""
            message = b"doorstep-pack-approval/v1\n" + _canonical(stated)
            if key.name != _approver_name(who) or not ed25519_verifies(key.public_key, message, signature):
                self._fault(f"leaf {index}: the approval of {label} by {who} is forged: its signature does not verify")
            elif _fingerprint(approval["key"]) not in self._trusted:
                short.append(f"the key of {who} was not named")
            elif approval["approved_on"] > self._until.get(_fingerprint(approval["key"]), approval["approved_on"]):
                short.append(f"the key of {who} had been replaced by then")
            else:
                people[key.name] = key.public_key
                answering.add(self._counts_as.get(_fingerprint(approval["key"]), key.name))
        release = label, record["sha256"]
        if len(people) > len(answering) == 1:
            short.append("who alone vouched for the other's key counts as one with them")
        if len(answering) >= 2 and len(set(people.values())) >= 2:
            self._released.setdefault(release, index)
        else:
            self._short[release] = short

    def finish(self) -> None:
        """Name every pack that decisions were made by and that two named people had not released by then."""
        if not self._named:
            return
        first: dict[tuple[str, str], int] = {}
        for rule_set, index in self._used.items():
            if rule_set not in self._sets:
                self._fault(f"leaf {index}: no leaf says which packs its rule set {rule_set[:16]} has")
            for release in self._sets.get(rule_set, {}).items():
                first[release] = min(index, first.get(release, index))
        for (label, sha256), index in sorted(first.items()):
            released = self._released.get((label, sha256))
            if released is not None and released < index:
                self._report.releases += 1
                continue
            why = "; ".join(self._short.get((label, sha256), [])) or "no release of it by two of them is in the log"
            why = why if released is None else f"released only at leaf {released}"
            self._fault(f"pack {label}: not approved by two of the named people before leaf {index} used it: {why}")


def _signer(vkey: str) -> Key:
    """The key in a leaf; one that verifies nothing where it is no key."""
    try:
        return parse_key(vkey)
    except UnusableError:
        return Key("", b"", b"")


def _fingerprint(vkey: str) -> str:
    return hashlib.sha256(vkey.encode()).hexdigest()


_OF_BEFORE = "of before a cut-over"


class _Chains:
    """Reads the leaves in order: each party's chain, the manifests over them, and which permit came before a contact.

    Leaves of a party number themselves and name the hash of the one before: none can be left out in the middle. A
    manifest names the last number of every party that changed since the manifest before: none can be left out at the
    end. What is found stays apart in `report` until everything else holds.
    """

    def __init__(
        self,
        report: Report,
        key: Key,
        *,
        first: int = 0,
        linked: bool = True,
        approvers: Iterable[str] = (),
        catalogue: Catalogue | None = None,
    ) -> None:
        """`first` leaf of what is read; not `linked`: chains are checked apart; only contacts in the scope of the
        `catalogue` are counted.
        """
        self.report = report
        self._releases = Releases(approvers, report)
        self._catalogue = catalogue
        self._first = first
        self._linked = linked
        self._whole = first == 0  # whether all since the last manifest was read
        self._key = key
        self._last: dict[str, tuple[int, bytes]] = {}
        self._changed: dict[str, int] = {}
        self._named: dict[str, int] = {}
        self._manifest: tuple[int, int, int] = (0, 0, 0)  # number, part, parts
        self._manifest_hash: str | None = None
        self._part_hash = ""
        self._uncovered = 0
        self._permits: dict[str, int] = {}
        self._permit_leaf, self._permit_recorded = array("q"), array("d")
        self._contact_permit, self._contact_started = array("q"), array("d")

    @property
    def parties(self) -> Collection[str]:
        """The commitments of the parties whose chains were read."""
        return self._last.keys()

    def read(self, index: int, leaf: bytes, value: bytes) -> None:
        """One leaf, in the order of the log, with its hash."""
        try:
            text = leaf.decode()
            record, end = _SCAN(text, 0)
            if end != len(text):
                raise ValueError("more than one document")
            self._read(index, record, value)
        except (ValueError, KeyError, TypeError, AttributeError, StopIteration) as error:
            self._fault(index, f"cannot be read ({type(error).__name__})")

    def _read(self, index: int, record: dict[str, Any], value: bytes) -> None:
        kind = record["kind"]
        kinds = self.report.kinds
        kinds[kind] = kinds.get(kind, 0) + 1
        within = self._catalogue is None or self._catalogue.add(index, record)
        if record.get("party") is not None:
            self._link(index, record, value)
        if kind == "decision":
            self._releases.read(index, record)
            if record.get("permit_id"):
                place = self._permit(record["permit_id"])
                self._permit_leaf[place], self._permit_recorded[place] = index, _seconds(record["recorded_at"])
        elif kind == "contact" and record.get("verdict") == "imported":
            if within:
                self.report.contacts[_OF_BEFORE] = self.report.contacts.get(_OF_BEFORE, 0) + 1
            if self._first == 0 and self._linked and record["cutover_id"] not in self._releases.importing:
                self._fault(index, "imports a contact into a cut-over that is not importing")
        elif kind == "contact":
            if within and "started_real" in record:
                permit = record.get("permit_id")
                self._contact_permit.append(-1 if permit is None else self._permit(permit))
                self._contact_started.append(_seconds(record["started_real"]))
        elif kind == "manifest":
            if self._linked and index >= self._first:
                self._cover(index, record, value)
        elif kind == "origin":
            self._continue(index, record)
        elif kind in Releases.KINDS:
            self._releases.read(index, record)

    def _permit(self, permit_id: str) -> int:
        place = self._permits.setdefault(permit_id, len(self._permits))
        if place == len(self._permit_leaf):
            self._permit_leaf.append(-1)
            self._permit_recorded.append(0.0)
        return place

    def finish(self, heads: Heads) -> None:
        """Judge what needs all leaves and the checkpoints' times."""
        report = self.report
        self._releases.finish()
        report.parties = len(self._last)
        if self._linked:
            report.uncovered = self._uncovered
        for permit, started in zip(self._contact_permit, self._contact_started, strict=True):
            place = self._when(permit, started, heads)
            report.contacts[place] = report.contacts.get(place, 0) + 1

    def _fault(self, index: int, detail: str) -> None:
        self.report.problems.append(f"leaf {index}: {detail}")

    def _link(self, index: int, record: dict[str, Any], value: bytes) -> None:
        party, number = record["party"], record["party_sequence"]
        before = self._last.get(party)
        if self._linked:
            stated = (number, record["previous"])
            begun_before = self._first > 0 and before is None
            if not begun_before and stated != ((1, None) if before is None else (before[0] + 1, before[1].hex())):
                self._fault(index, f"breaks its party's chain at number {number}")
        self._last[party] = (number, value)
        self._changed[party] = number
        self._uncovered += 1

    def _cover(self, index: int, record: dict[str, Any], value: bytes) -> None:
        if not self._whole and not self._manifest[0]:
            self._begin(record, value)
            return
        number, part, parts = self._manifest
        expected = (number, part + 1, parts) if part < parts else (number + 1, 1, record["parts"])
        self._manifest = (record["number"], record["part"], record["parts"])
        if part == parts:
            self._manifest_hash, self._named = self._part_hash or None, {}
        if self._manifest != expected or record["previous_manifest"] != self._manifest_hash:
            self._fault(index, f"a manifest is missing before number {record['number']}, part {record['part']}")
        self._part_hash = value.hex()
        if "entries_root" in record:
            if (record["entries"], record["entries_root"]) != (len(self._changed), _root_of_entries(self._changed)):
                self._fault(index, f"manifest {record['number']} does not say where the chains before it had come to")
            self._report_manifest()
            return
        self._named |= record["parties"]
        if record["part"] != record["parts"]:
            return
        for party in sorted(self._named.keys() | self._changed.keys()):
            if self._named.get(party) != self._changed.get(party):
                detail = f"says {self._named.get(party)} of party {party[:16]}, its chain {self._changed.get(party)}"
                self._fault(index, f"manifest {record['number']} {detail}")
        self._report_manifest()

    def _report_manifest(self) -> None:
        self.report.manifests += 1
        self._changed, self._uncovered = {}, 0

    def _begin(self, record: dict[str, Any], value: bytes) -> None:
        """The first manifest of a range: it also covers what came before the range, so it only sets the start."""
        if record["part"] == record["parts"]:
            self._manifest = (record["number"], record["part"], record["parts"])
            self._part_hash = value.hex()
            self._changed, self._uncovered, self._whole = {}, 0, True

    def _continue(self, index: int, record: dict[str, Any]) -> None:
        note = json.dumps({"note": record["previous_checkpoint"], "published_at": ""})
        old = parse_head(0, note)
        name = old.origin.encode()
        raw = bytes([LOG_KEY]) + self._key.public_key
        key = Key(old.origin, hashlib.sha256(name + b"\n" + raw).digest()[:4], self._key.public_key)
        if index or old.problem or not signed_by(old, key):
            self._fault(index, "the older log's last checkpoint is not signed by this log's key")
        self.report.continues = f"{old.origin} of {old.size} leaves"

    def _when(self, permit: int, started: float, heads: Heads) -> str:
        if permit < 0:
            return "without permit"
        index, recorded = self._permit_leaf[permit], self._permit_recorded[permit]
        if index < 0:
            return "permit outside the pack" if self._first else "without permit"
        # A cosignature's time is the whole second in which it was made.
        if heads.witnessed_at(index) + 1 <= started:
            return "witnessed-before"
        return "claimed-before" if recorded < started else "after"


def _entry_hash(party: str, number: int) -> bytes:
    return leaf_hash(f"{party} {number}".encode())


def _root_of_entries(parties: Mapping[str, int]) -> str:
    """The root of the RFC 9162 tree over (party, number of its last leaf), sorted by party; hexadecimal."""
    tree = Roots([len(parties)])
    for party, number in sorted(parties.items()):
        tree.add(_entry_hash(party, number))
    return (tree.at(len(parties)) or b"").hex()


_SCAN = json.JSONDecoder().scan_once  # type: ignore[attr-defined]  # without what loads() asks before, for each leaf


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()


# --- Evidence packs: the files of a person, a case or a period, described in docs/evidence-pack.md

# The first form holds no complaints and no facts; the first two do not say by which leaf records ended; before the
# fourth every record of a decision said everything itself.
PACK_FORMATS = ("doorstep-evidence-1", "doorstep-evidence-2", "doorstep-evidence-3", "doorstep-evidence-4")
SUMS, UNSUMMED = "SHA256SUMS", {"SHA256SUMS", "custody.jsonl", "custody-leaf.json"}
# Which columns of a row the leaf says itself; `occurred_at` is the leaf's.
ROWS_OF = {
    "contact": ("contacts", ("contact_id", "permit_id", "channel", "purpose", "verdict"), "started_at"),
    "decision": ("decisions", ("decision_id", "answer", "channel", "purpose", "refused_by"), "decided_at"),
}
FINDING_FIELDS = ("state", "step", "rule", "severity", "conduct", "harm", "contact_id")
COMPLAINT_FIELDS = (
    ("state", "state"),
    ("step", "step"),
    ("channel", "channel"),
    ("clock_rule", "rule"),
    ("reference", "reference"),
)
COMPLAINT_TIMES = ("received_at", "answer_by")
COMPLAINT_OPENED = ("by_whom", "words", "owner", "about")
PERIOD_FIELDS = {"record", "detail"}
KINDS = tuple(ROWS_OF)
# The leaves whose openings go with each sort of a person's records, as a leaf of kind `retention` names it.
ENDS_WITH = {
    "contact": ("contact",),
    "decision": ("decision",),
    "permit": ("permit_use", "release", "revocation"),
    "evidence": ("override", "override_end", "sample_judgement", "check_in_refused", "card_reading"),
    "complaint": ("complaint",),
    "finding": ("finding",),
    "hold": ("hold", "hold_end", "hold_end_asked"),
    "fact": ("told",),
}
SORT_OF = {kind: sort for sort, kinds in ENDS_WITH.items() for kind in kinds}


@dataclass
class Pack:
    """An evidence pack: single leaves with their inclusion proofs (`chain.jsonl`), and a period's range of leaves."""

    header: dict[str, Any]
    files: Files
    export: Export
    last_head: SignedHead | None = None

    @property
    def is_subject(self) -> bool:
        """Whether it is about one person."""
        return self.header["scope"]["party_id"] is not None

    @property
    def has_facts(self) -> bool:
        """Whether it holds complaints and the facts that decisions were judged on."""
        return bool(self.header["format"] != PACK_FORMATS[0])

    @property
    def has_endings(self) -> bool:
        """Whether what no longer opens names the leaf by which it ended."""
        return bool(self.header["format"] not in PACK_FORMATS[:2])

    @property
    def has_frames(self) -> bool:
        """Whether it holds what records of decisions name and do not say themselves."""
        return bool(self.header["format"] not in PACK_FORMATS[:3])

    def opens(self, kind: str, name: str) -> bool:
        """Whether that field of a leaf in scope must be opened."""
        return self.is_subject or name in PERIOD_FIELDS or (kind == "complaint" and self.has_facts)

    def shown(self) -> Iterator[tuple[int, bytes, list[bytes]]]:
        """The single leaves with their indexes and paths."""
        for line in self.files.documents("chain.jsonl"):
            path = [_strict_base64(one) or b"" for one in line["path"]]
            yield line["index"], _strict_base64(line["leaf"]) or b"", path


class Lives:
    """What became of each permit, by its leaves: granted, used, recorded by its contact, given back, revoked.

    Only of permits whose grant says that all of its life is leaves; of older ones a use has none.
    """

    STATES = ("granted", "used", "recorded", "released")

    def __init__(self) -> None:
        self._places: dict[str, int] = {}
        self._state, self._unclear = bytearray(), bytearray()
        self._owner = array("Q")
        self._leaf = {kind: array("q") for kind in ("decision", "permit_use", "contact", "release", "revocation")}

    def read(self, index: int, record: dict[str, Any], *, within: bool) -> None:
        """One leaf of a person, in the order of the log."""
        kind, permit = record["kind"], record.get("permit_id")
        if permit is None or kind not in self._leaf:
            return
        owner = int.from_bytes(hashlib.sha256(record.get("party", "").encode()).digest()[:8], "big")
        if kind == "decision":
            if not within or not record.get("life_in_leaves"):
                return
            self._places[permit] = len(self._state)
            self._state.append(0)
            self._unclear.append(0)
            self._owner.append(owner)
            for leaves in self._leaf.values():
                leaves.append(-1)
        place = self._places.get(permit)
        if place is None:
            return
        if self._owner[place] != owner:
            self._unclear[place] = 1  # somebody else's contact, or the person was erased since
            return
        state = self.STATES[self._state[place]]
        after = {"permit_use": "used", "release": "released"}.get(kind, state)
        if kind == "permit_use" and state == "recorded":
            after = state  # an earlier contact came out later: the permit is its
        if kind == "contact" and state in ("granted", "used"):
            after = "recorded"
        self._state[place] = self.STATES.index(after)
        if kind != "contact" or self._leaf[kind][place] < 0:
            self._leaf[kind][place] = index

    def row(self, permit: str, record_of: Callable[[int], dict[str, Any]]) -> dict[str, Any] | None:
        """What the permit's row must say; None where its leaves do not tell."""
        place = self._places.get(permit)
        if place is None or self._unclear[place]:
            return None
        decision, use, contact, release, revocation = (
            record_of(leaves[place]) if leaves[place] >= 0 else {} for leaves in self._leaf.values()
        )
        state = self.STATES[self._state[place]]
        recorded = contact if state == "recorded" else {}
        return {
            "decision_id": decision["decision_id"],
            "channel": decision["channel"],
            "purpose": decision["purpose"],
            "state": state,
            "contact_id": use.get("contact_id") or recorded.get("contact_id"),
            "used_at": _moment(use.get("used_at") or recorded.get("occurred_at")),
            "release_cause": release.get("cause"),
            "revoke_cause": revocation.get("cause"),
            "revoked_real": _moment(revocation.get("recorded_at")),
            "fact_arrived_real": _moment(revocation.get("fact_arrived_at")),
        }


def _moment(text: str | None) -> str | None:
    return None if text is None else _utc(text)


class Catalogue:
    """What the rows of a pack are held against: a few bytes of each leaf; the rest is read again where it is asked for.

    Places run over the leaves of people: of a person's pack those of the person, of a period's all of the range.
    """

    def __init__(self, pack: Pack) -> None:
        self._pack = pack
        self._first = pack.export.first
        self._leaves: dict[int, dict[str, Any]] = {}  # of a person
        self._places: dict[int, int] = {}
        self._withheld = frozenset(pack.header["withheld"])
        scope = pack.header["scope"]
        self._start, self._end = scope["start"] or "", scope["end"] or ""
        self._kinds = bytearray()
        self._expected, self._opened = array("I"), array("I")
        self._digests = bytearray()
        self._seen, self._facts_seen = bytearray(), bytearray()
        self.lives = Lives()
        self.complaints: dict[tuple[str, int], int] = {}
        self.words: dict[tuple[int, str], bytes] = {}
        """Half the digest of each opened field of a complaint."""
        self.permits: dict[str, int] = {}
        self.holds: dict[str, int] = {}
        self.findings: dict[tuple[str, int], int] = {}
        self.found: dict[tuple[str, str], int] = {}
        self._endings: dict[tuple[str, int], dict[str, str] | str] = {}
        """By party and leaf: what each sort of records is said to have ended by, or everything."""

    def end(self, index: int, record: dict[str, Any]) -> None:
        """One leaf by which records of a person ended, in the pack or behind its checkpoint."""
        on = f"on {record['occurred_at'][:10]} (leaf {index})"
        if record["kind"] == "retention":
            rules = {one["records"]: one["rule"] for one in record["deleted"]}
            ended = {sort: f"deleted by retention under rule {rule} {on}" for sort, rule in rules.items()}
            self._endings[record["party"], index] = ended
        elif record["kind"] == "erasure" and record["state"] == "erased":
            self._endings[record["party"], index] = f"erased with the person {on}"

    def ended(self, index: int, record: dict[str, Any], by_leaf: Any) -> str | None:
        """How the leaf's openings ended by that other leaf; None when that one does not say so."""
        found = self._endings.get((record["party"], by_leaf))
        if found is None or by_leaf < index:
            return None
        return found if isinstance(found, str) else found.get(SORT_OF.get(record["kind"], ""))

    @property
    def endings(self) -> set[str]:
        """Everything that the pack's leaves say of how records ended."""
        each = (one if isinstance(one, dict) else {"": one} for one in self._endings.values())
        return {words for one in each for words in one.values()}

    def add(self, index: int, record: dict[str, Any]) -> bool:
        """One leaf; whether the pack must show its contents."""
        place = self._place_of(index, record)
        if place is None:
            return False
        kind, within = record["kind"], self._is_within(index, record)
        if kind in ("retention", "erasure") and record.get("party") is not None:
            self.end(index, record)
        while len(self._kinds) <= place:
            self._kinds.append(0)
            self._expected.append(0)
            self._opened.append(0)
            self._digests += bytes(16)
            self._seen.append(0)
            self._facts_seen.append(0)
        self._kinds[place] = (KINDS.index(kind) + 1 if kind in KINDS else len(KINDS) + 1) if within else 0
        if kind == "finding":
            self.findings[record["finding_id"], record["version"]] = index
        elif kind == "contact":
            self.found |= {(record["contact_id"], one["rule"]): index for one in record["findings"]}
        elif kind == "complaint":
            self.complaints[record["complaint_id"], record["version"]] = index
        self.lives.read(index, record, within=within)
        if not within:
            return False
        for position, name in enumerate(sorted(record["committed"])):
            if self._pack.opens(kind, name):
                self._expected[place] |= 1 << position
        if kind == "decision" and record.get("permit_id") is not None:
            self.permits[record["permit_id"]] = index
        elif kind == "hold" and record.get("hold_id") is not None:
            self.holds[record["hold_id"]] = index
        return True

    def _place_of(self, index: int, record: dict[str, Any]) -> int | None:
        if not self._pack.is_subject:
            return index - self._first if index >= self._first else None
        if "party" not in record:
            return None
        self._leaves[index] = record
        return self._places.setdefault(index, len(self._places))

    def _is_within(self, index: int, record: dict[str, Any]) -> bool:
        if "party" not in record or index in self._withheld:
            return False
        return self._pack.is_subject or self._start <= _utc(record["occurred_at"]) < self._end

    def place(self, index: Any) -> int | None:
        """Where the leaf's few bytes are; None when the pack does not hold it."""
        if self._pack.is_subject:
            return self._places.get(index)
        place = index - self._first
        return place if 0 <= place < len(self._kinds) else None

    def record(self, index: Any) -> dict[str, Any]:
        """What the leaf says; empty when the pack does not hold it."""
        if self._pack.is_subject:
            return self._leaves.get(index, {})
        leaf = None if self.place(index) is None else self._pack.export.leaf(index)
        return {} if leaf is None else dict(json.loads(leaf))

    def index(self, place: int) -> int:
        """The other way round."""
        return list(self._places)[place] if self._pack.is_subject else place + self._first

    def is_within(self, index: int) -> bool:
        """Whether the pack must show the contents of that leaf."""
        place = self.place(index)
        return place is not None and self._kinds[place] != 0

    def see(self, index: int) -> bool:
        """Note that the leaf has its row; whether it had none before."""
        place = self.place(index)
        if place is None or self._seen[place]:
            return False
        self._seen[place] = 1
        return True

    def see_facts(self, index: int) -> None:
        """Note that the facts of the decision of that leaf are in the pack."""
        place = self.place(index)
        if place is not None:
            self._facts_seen[place] = 1

    def without_facts(self) -> Iterator[int]:
        """Decisions in scope whose opened record names facts that are not there."""
        code = KINDS.index("decision") + 1
        for place, kind in enumerate(self._kinds):
            if kind == code and not self._facts_seen[place] and any(self._digests[16 * place : 16 * place + 16]):
                yield self.index(place)

    def unseen(self, kind: str) -> Iterator[int]:
        """Leaves of the kind, in scope, without a row."""
        code = KINDS.index(kind) + 1
        return (self.index(place) for place, one in enumerate(self._kinds) if one == code and not self._seen[place])

    def open(self, index: int, position: int) -> None:
        """Note that the field at that position of the sorted names was opened."""
        place = self.place(index)
        if place is not None:
            self._opened[place] |= 1 << position

    def unopened(self) -> Iterator[tuple[int, str]]:
        """Fields in scope that were not opened: leaf and name."""
        for place, (expected, opened) in enumerate(zip(self._expected, self._opened, strict=True)):
            if expected & ~opened:
                index = self.index(place)
                for position, name in enumerate(sorted(self.record(index)["committed"])):
                    if (expected & ~opened) >> position & 1:
                        yield index, name

    def keep(self, index: int, digest: bytes) -> None:
        """Keep the first half of the digest of what the leaf's record says."""
        place = self.place(index)
        if place is not None:
            self._digests[16 * place : 16 * place + 16] = digest[:16]

    def kept(self, index: int) -> bytes | None:
        """That half; None when the record was not opened."""
        place = self.place(index)
        digest = b"" if place is None else bytes(self._digests[16 * place : 16 * place + 16])
        return digest if any(digest) else None


def read_pack(files: Files) -> Pack:
    """The pack in these files. Raises UnusableError."""
    try:
        header = json.loads(files.read("pack.json"))
        if header["format"] not in PACK_FORMATS:
            raise UnusableError(f"this verifier does not know packs of the form {header['format']!r}")
        edge = [bytes.fromhex(value) for value in header["left_edge"]]
        return Pack(header, files, Export(files, header["first_leaf"], edge_of(header["first_leaf"], edge)))
    except (KeyError, TypeError, ValueError) as error:
        raise UnusableError(f"not a pack: {type(error).__name__}: {error}") from error


def _utc(moment: str) -> str:
    """One form for times that are compared as text."""
    return datetime.fromisoformat(moment).astimezone(UTC).isoformat()


def included(value: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> bool:
    """Whether `path` proves that the leaf of that hash is in the tree: RFC 9162 section 2.1.3.2."""
    if not 0 <= index < size or any(len(one) != 32 for one in (value, root, *path)):
        return False
    position, last = index, size - 1
    for sibling in path:
        if last == 0:
            return False
        if position & 1 or position == last:
            value = node_hash(sibling, value)
            while position and not position & 1:
                position, last = position >> 1, last >> 1
        else:
            value = node_hash(value, sibling)
        position, last = position >> 1, last >> 1
    return last == 0 and value == root


def consistent(first: int, second: int, roots: tuple[bytes, bytes], path: Sequence[bytes]) -> bool:
    """Whether `path` proves that the tree of `second` leaves extends that of `first`: RFC 9162 section 2.1.4.2."""
    if not 0 < first <= second:
        return False
    if first == second:
        return not path and roots[0] == roots[1]
    if any(len(one) != 32 for one in (*roots, *path)):
        return False
    nodes = [roots[0], *path] if first & (first - 1) == 0 else list(path)
    if not nodes:
        return False
    position, last = first - 1, second - 1
    while position & 1:
        position, last = position >> 1, last >> 1
    old = new = nodes[0]
    for sibling in nodes[1:]:
        if last == 0:
            return False
        if position & 1 or position == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            while position and not position & 1:
                position, last = position >> 1, last >> 1
        else:
            new = node_hash(new, sibling)
        position, last = position >> 1, last >> 1
    return last == 0 and (old, new) == roots


def verify_pack(
    pack: Pack,
    key: Key,
    *,
    all_signatures: bool,
    witnesses: Witnesses | None = None,
    approvers: Iterable[str] = (),
) -> Report:
    """Check a pack: its files, its leaves against signed heads, that none is left out, openings, rows, contacts.

    Raises UnusableError.
    """
    try:
        return _verify_pack(pack, key, all_signatures, witnesses or Witnesses(), approvers)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise UnusableError(f"a file of the pack cannot be read: {type(error).__name__}: {error}") from error


def _verify_pack(pack: Pack, key: Key, all_signatures: bool, witnesses: Witnesses, approvers: Iterable[str]) -> Report:
    export, report = pack.export, Report()
    _check_sums(pack, report.problems)
    plan = HeadPlan.of(export)
    rotations, catalogue = Rotations(key), Catalogue(pack)
    chains = _Chains(
        Report(), key, first=export.first, linked=not pack.is_subject, approvers=approvers, catalogue=catalogue
    )
    tree, persons = _Tree(export, plan.sizes), _Person()
    for index, leaf, _ in pack.shown():
        report.leaves += 1
        rotations.read(index, leaf)
        chains.read(index, leaf, leaf_hash(leaf))
        persons.read(index, leaf)
    for index, leaf, value in tree.read():
        rotations.read(index, leaf)
        if tree.whole:
            chains.read(index, leaf, value)
    report.leaves, report.checkpoints = report.leaves + tree.leaves, plan.count
    rotations.tell(report)
    trusted: Iterable[SignedHead] = trusted_heads(export, plan, rotations.keys, report, all_signatures=all_signatures)
    heads = Heads(report, witnesses, all_signatures=all_signatures)
    if pack.is_subject:
        trusted = _extended(pack, list(trusted), report.problems)
    for head in trusted:
        heads.take(head, None if pack.is_subject else tree)
    pack.last_head = heads.last
    if heads.last is None or heads.last.size != pack.header["tree_size"]:
        report.problems.append("checkpoints.ndjson: no checkpoint of the pack's tree size that verifies")
        return report
    heads.finish()
    _check_shown(pack, heads.last, persons, report.problems)
    for line in pack.files.documents("manifests.jsonl"):
        persons.prove(line, report.problems)
    if not pack.is_subject:
        tree.judge(heads, report.problems)
    if report.problems:
        return report  # what does not prove whole is not read further
    if pack.is_subject:
        persons.finish(report)
    chains.finish(heads)
    chains.report.add_to(report)
    _check_later(pack, heads.last, catalogue, report)
    _check_openings(pack, catalogue, chains.parties, report)
    for kind in ROWS_OF:
        _check_rows(pack, catalogue, kind, report)
    _check_findings(pack, catalogue, report)
    if pack.has_facts:
        _check_facts(pack, catalogue, report)
        _check_complaints(pack, catalogue, report)
    _check_permits(pack, catalogue, report)
    if pack.is_subject:
        _check_holds(pack, catalogue, report.problems)
    _check_deleted(pack, catalogue, report.problems)
    return report


def _check_sums(pack: Pack, problems: list[str]) -> None:
    stated = dict(line.split("  ", 1)[::-1] for line in pack.files.read(SUMS).decode().splitlines())
    for name in sorted(stated.keys() | (set(pack.files.names) - UNSUMMED)):
        if name not in pack.files:
            problems.append(f"file {name}: is missing")
        elif name not in stated:
            problems.append(f"file {name}: is not one of the pack's")
        else:
            with pack.files.open(name) as file:
                if _digest_of(file) != stated[name]:
                    problems.append(f"file {name}: its bytes are not those that {SUMS} names")


def _digest_of(file: IO[bytes]) -> str:
    digest = hashlib.sha256()
    while block := file.read(1 << 18):
        digest.update(block)
    return digest.hexdigest()


def _extended(pack: Pack, heads: list[SignedHead], problems: list[str]) -> list[SignedHead]:
    """The heads that the last one is shown to extend."""
    if not heads:
        return []
    paths = [line.get("consistency", []) for line in pack.files.documents("checkpoints.ndjson")]
    last, kept = heads[-1], []
    for head in heads:
        path = [_strict_base64(one) or b"" for one in paths[head.number - 1]]
        if consistent(head.size, last.size, (head.root, last.root), path):
            kept.append(head)
        else:
            problems.append(f"checkpoint {head.number}: the pack's last checkpoint does not extend it: a forked head")
    return kept


def _check_shown(pack: Pack, head: SignedHead, persons: _Person, problems: list[str]) -> None:
    before = -1
    for index, leaf, path in pack.shown():
        if not included(leaf_hash(leaf), index, head.size, path, head.root):
            problems.append(f"leaf {index}: is not what the signed tree holds there")
        elif index <= before:
            problems.append(f"leaf {index}: is out of order in chain.jsonl")
        before = index
        persons.cover(index, leaf)


@dataclass
class _Part:
    """What a part of a manifest says of a person, and between which names it stands."""

    index: int
    part: int
    parts: int
    lowest: str
    highest: str
    named: dict[str, int]
    recorded_at: str
    root: bytes | None = None
    """Of the tree over its entries; None of an older manifest, which names them itself."""
    entries: int = 0
    absent: set[str] = field(default_factory=set)


class _Person:
    """The person's chain reaches the manifests: none is missing in the middle, and up to the last one none at the end.

    Of each manifest the pack holds the part that names the person's commitment, or those between which it would be.
    """

    def __init__(self) -> None:
        self._chain: list[tuple[int, str, int]] = []  # index, party, number
        self._last: dict[str, tuple[int, str]] = {}
        self._problems: list[str] = []
        self._manifests: dict[int, list[_Part]] = {}
        self._by_index: dict[int, _Part] = {}

    def prove(self, line: dict[str, Any], problems: list[str]) -> None:
        """What the manifest of a leaf says of a party: its entry, or the neighbours between which it would stand."""
        part, party, entries = self._by_index.get(line["index"]), line["party"], line["entries"]
        if part is None or part.root is None:
            problems.append(f"manifests.jsonl: leaf {line['index']} is no manifest of the pack")
            return
        for one in entries:
            path = [bytes.fromhex(value) for value in one["path"]]
            value = _entry_hash(one["party"], one["sequence"])
            if not included(value, one["position"], part.entries, path, part.root):
                problems.append(f"manifests.jsonl: the manifest of leaf {part.index} does not hold the entry shown")
                return
        places = [one["position"] for one in entries]
        names = [one["party"] for one in entries]
        if names == [party]:
            part.named[party] = entries[0]["sequence"]
        elif _stands_between(party, names, places, part.entries):
            part.absent.add(party)

    def read(self, index: int, leaf: bytes) -> None:
        """One shown leaf; those of the person are linked."""
        record = _parsed(leaf)
        party = record.get("party")
        if party is None:
            return
        number, previous = record.get("party_sequence"), record.get("previous")
        before = self._last.get(party)
        if (number, previous) != ((1, None) if before is None else (before[0] + 1, before[1])):
            self._problems.append(f"leaf {index}: the leaf before it in the person's chain is left out")
        self._last[party] = (int(number or 0), leaf_hash(leaf).hex())
        self._chain.append((index, party, int(number or 0)))

    def cover(self, index: int, leaf: bytes) -> None:
        """One shown leaf, after all were read: of a part of a manifest only what concerns the person is kept."""
        if b'"kind":"manifest"' not in leaf:
            return
        record = _parsed(leaf)
        if record.get("kind") != "manifest":
            return
        if "entries_root" in record:
            root = bytes.fromhex(record["entries_root"])
            part = _Part(index, 1, 1, "", "", {}, record["recorded_at"], root, record["entries"])
            self._manifests.setdefault(record["number"], []).append(part)
            self._by_index[index] = part
            return
        parties = record["parties"]
        part = _Part(
            index,
            record["part"],
            record["parts"],
            min(parties),
            max(parties),
            {party: parties[party] for party in self._last if party in parties},
            record["recorded_at"],
        )
        self._manifests.setdefault(record["number"], []).append(part)

    def finish(self, report: Report) -> None:
        """Hold the chain against the manifests."""
        report.problems += self._problems
        reached = -1
        for number, parts in sorted(self._manifests.items()):
            if number - 1 not in self._manifests and number != min(self._manifests):
                report.problems.append(f"manifest {number - 1}: is left out")
            changed = {party: last for index, party, last in self._chain if reached < index < parts[0].index}
            for party in self._last:
                named = _named_in(parts, party)
                if named != changed.get(party):
                    detail = f"manifest {number} says {named}, the pack's chain {changed.get(party)}"
                    report.problems.append(f"leaf {parts[0].index}: {detail}: a leaf of the person is left out")
            reached, report.complete_until = parts[-1].index, parts[-1].recorded_at
        report.manifests = len(self._manifests)
        report.uncovered = sum(index > reached for index, _, _ in self._chain)
        if not self._manifests:
            report.problems.append("no manifest covers the person's chain: the pack is not shown to be complete")


def _stands_between(party: str, names: Sequence[str], places: Sequence[int], size: int) -> bool:
    """Whether entries at these places of a sorted list of `size` leave no place for the party."""
    if len(names) == 2:
        return places[1] == places[0] + 1 and names[0] < party < names[1]
    if len(names) != 1:
        return False
    before_all = places == [0] and party < names[0]
    return before_all or (places == [size - 1] and party > names[0])


def _parsed(leaf: bytes) -> dict[str, Any]:
    """The leaf's document; empty where it is none, which is named elsewhere."""
    try:
        record = json.loads(leaf)
    except ValueError:
        return {}
    return record if isinstance(record, dict) else {}


def _named_in(parts: Sequence[_Part], party: str) -> int | str | None:
    """The last number that a manifest names for the party; None when its parts show that it is not named."""
    bounds = {one.part: (one.lowest, one.highest) for one in parts}
    if any(party in one.absent for one in parts):
        return None
    if parts[0].root is not None and party not in parts[0].named:
        return "nothing that shows its absence"
    for one in parts:
        if party in one.named:
            return int(one.named[party])
    for part, (lowest, highest) in bounds.items():
        after_the_last = party > highest and (part == parts[0].parts or party < bounds.get(part + 1, ("",))[0])
        if after_the_last or lowest < party < highest or (party < lowest and part == 1):
            return None
    return "nothing that shows its absence"


def _check_later(pack: Pack, own: SignedHead, catalogue: Catalogue, report: Report) -> None:
    """Leaves behind the pack's checkpoint by which records in it ended, under a later checkpoint that extends it."""
    lines = list(pack.files.documents("later.jsonl"))
    if not lines:
        return
    rotations = Rotations(key_at(report.keys, _LARGEST))
    leaves = [(line["index"], _strict_base64(line["leaf"]) or b"", line["path"]) for line in lines[1:]]
    for index, leaf, _ in leaves:
        rotations.read(index, leaf)
    head = parse_head(1, json.dumps(lines[0]))
    key = key_at(rotations.keys, head.size)
    extends = [_strict_base64(one) or b"" for one in lines[0]["consistency"]]
    report.signatures += 1
    if head.problem or head.origin != key.name or not signed_by(head, key):
        report.problems.append("later.jsonl: its checkpoint is not one that the log signed")
    elif not consistent(own.size, head.size, (own.root, head.root), extends):
        report.problems.append("later.jsonl: its checkpoint does not extend the pack's: a forked head")
    else:
        for index, leaf, path in leaves:
            steps = [_strict_base64(one) or b"" for one in path]
            if index < own.size or not included(leaf_hash(leaf), index, head.size, steps, head.root):
                report.problems.append(f"later.jsonl: leaf {index} is not what the signed tree holds there")
            elif (record := _parsed(leaf)).get("party") is not None:
                catalogue.end(index, record)


def _check_deleted(pack: Pack, catalogue: Catalogue, problems: list[str]) -> None:
    """A row that says that it was deleted says what a leaf says."""
    said = catalogue.endings
    for table in ("contacts", "decisions", "permits", "findings", "complaints", "holds", "facts"):
        for number, line in enumerate(pack.files.lines(f"{table}.jsonl"), start=1):
            if b'"deleted":' in line and (words := json.loads(line).get("deleted")) is not None and words not in said:
                problems.append(f"{table}.jsonl line {number}: no leaf of the person says '{words}': it is left out")


def check_given(pack: Pack, given: dict[str, Any], report: Report) -> None:
    """Whether what a person was given is what its leaf commits to. Only for a pack that verifies: its openings do."""
    named = given.get("leaf_id")
    index = next(
        (
            index
            for index, leaf, _ in pack.shown()
            if (record := json.loads(leaf)).get("kind") == "access" and record["leaf_id"] == named
        ),
        None,
    )
    if index is None:
        report.problems.append(f"given: no leaf {named} of the pack says that it was")
        return
    opened = {
        line["name"]: _strict_base64(line["value"]) or b""
        for line in pack.files.documents("openings.jsonl")
        if line["index"] == index and line["state"] == "open"
    }
    if "pack" not in opened:
        report.problems.append(f"given: leaf {index} does not open any more")
        return
    stated = {"compliance": opened["pack"].hex(), **json.loads(opened.get("others", b"{}"))}
    parts = given.get("parts", {})
    for service in sorted(stated.keys() | parts.keys()):
        if service not in stated:
            report.problems.append(f"given: leaf {index} does not commit to what {service} gave")
        elif service not in parts:
            report.problems.append(f"given: what {service} gave is left out")
        elif hashlib.sha256(_canonical(parts[service])).hexdigest() != stated[service]:
            report.problems.append(f"given: what {service} gave is not what leaf {index} commits to")


def _read_frames(pack: Pack, problems: list[str]) -> set[str]:
    """The digests of the frames in the pack: what records of decisions name, and do not say themselves."""
    found: set[str] = set()
    for number, line in enumerate(pack.files.documents("frames.jsonl") if pack.has_frames else (), start=1):
        if hashlib.sha256(line["frame"].encode()).hexdigest() != line["sha256"]:
            problems.append(f"frames.jsonl line {number}: its text is not the one of SHA-256 {line['sha256'][:16]}")
        found.add(line["sha256"])
    return found


def _check_openings(pack: Pack, catalogue: Catalogue, chains: Collection[str], report: Report) -> None:
    frames = _read_frames(pack, report.problems)
    for number, line in enumerate(pack.files.documents("openings.jsonl"), start=1):
        index, name = line["index"], line["name"]
        where = f"openings.jsonl line {number} (leaf {index}, {name})"
        record = catalogue.record(index)
        committed = record.get("committed", {})
        if name not in committed:
            report.problems.append(f"{where}: the pack holds no such commitment")
            continue
        catalogue.open(index, sorted(committed).index(name))
        state = line["state"]
        report.openings[state] = report.openings.get(state, 0) + 1
        if state in ("deleted", "erased") and pack.has_endings:
            words = catalogue.ended(index, record, line["by_leaf"])
            if words is None or not words.startswith(state):
                detail = f"is said to be {state}, and leaf {line['by_leaf']} does not say so"
                report.problems.append(f"{where}: {detail}: it is left out")
            else:
                report.ended[words] = report.ended.get(words, 0) + 1
        elif state != "open":
            report.tell(f"{where}: {state}, which no leaf says")
        if state != "open":
            continue
        salt, value = _strict_base64(line["salt"]) or b"", _strict_base64(line["value"]) or b""
        if commitment(salt, name, value) != committed[name]:
            report.problems.append(f"{where}: does not open the commitment")
        if name == "record" and record["kind"] == "contact":
            catalogue.keep(index, hashlib.sha256(_canonical(json.loads(value))).digest())
        elif name == "record" and record["kind"] == "decision":
            said = json.loads(value)
            catalogue.keep(index, bytes.fromhex(said.get("judged_on") or ""))
            if "frame" in said and said["frame"] not in frames:
                report.problems.append(f"{where}: the frame {said['frame'][:16]} that it names is left out")
        elif record["kind"] == "complaint":
            catalogue.words[index, name] = hashlib.sha256(value).digest()[:16]
    for index, name in catalogue.unopened():
        report.problems.append(f"leaf {index}: the opening of {name} is left out")
    for line in pack.files.documents("contacts.jsonl"):
        kept = catalogue.kept(line["leaf_index"]) if line.get("record") else None
        if kept is not None and kept != hashlib.sha256(_canonical(line["record"])).digest()[:16]:
            where = f"the record beside leaf {line['leaf_index']}"
            report.problems.append(f"contacts.jsonl: {where} is not the one it commits to")
    for line in pack.files.documents("subject.jsonl"):
        own, party = _strict_base64(line["salt"] or ""), bytes.fromhex(line["party_id"].replace("-", ""))
        if own and commitment(own, "party", party) not in chains:
            report.problems.append("subject.jsonl: no chain of the pack is this person's")


def commitment(salt: bytes, name: str, value: bytes) -> str:
    """HMAC-SHA-256(salt, length-prefixed name and value), hexadecimal."""
    encoded = name.encode()
    message = len(encoded).to_bytes(4, "big") + encoded + len(value).to_bytes(4, "big") + value
    return hmac.digest(salt, message, "sha256").hex()


def _check_rows(pack: Pack, catalogue: Catalogue, kind: str, report: Report) -> None:
    """Each leaf of the kind has its row and each row its leaf, and both say the same."""
    table, names, began = ROWS_OF[kind]
    for number, row in enumerate(pack.files.documents(f"{table}.jsonl"), start=1):
        index = row["leaf_index"]
        if index is None or (not pack.is_subject and index < pack.export.first):
            report.tell_elsewhere(f"{table}.jsonl line {number}")
            continue
        leaf = catalogue.record(index)
        differs = [name for name in names if row.get(name) != leaf.get(name)]
        differs += [began] if leaf and _utc(row[began]) != _utc(leaf["occurred_at"]) else []
        if leaf.get("kind") != kind or not catalogue.see(index):
            report.problems.append(f"{table}.jsonl line {number}: leaf {index} is not this {kind}'s")
        elif differs:
            report.problems.append(f"{table}.jsonl line {number}: {', '.join(differs)} is not what leaf {index} says")
    for index in catalogue.unseen(kind):
        report.problems.append(f"leaf {index}: its {kind} is left out of {table}.jsonl")


def _check_findings(pack: Pack, catalogue: Catalogue, report: Report) -> None:
    """Each version of a finding has a leaf, or is what the leaf of its contact says; and each such leaf has its row."""
    rows: set[tuple[str, int]] = set()
    found: set[tuple[str, str]] = set()
    leafless: list[str] = []
    changed: dict[tuple[str, int], str] = {}
    for row in pack.files.documents("findings.jsonl"):
        name, pair = (row["finding_id"], row["version"]), (row["contact_id"], row["rule"])
        rows.add(name)
        found.add(pair)
        index = catalogue.findings.get(name)
        if index is not None:
            leaf = catalogue.record(index)
            if any(row[one] != leaf[one] for one in FINDING_FIELDS):
                changed[name] = f"findings.jsonl: finding {name[0]} version {name[1]} is not what leaf {index} says"
        elif not (row["version"] == 1 and pair in catalogue.found):
            report.tell_elsewhere(f"findings.jsonl: finding {name[0]} version {name[1]}")
            if pack.is_subject and row["party_id"] is not None and row["version"] > 1:
                leafless.append(f"findings.jsonl: finding {name[0]} version {name[1]} has no leaf")
    for name, index in catalogue.findings.items():
        if name not in rows and catalogue.is_within(index):
            report.problems.append(f"leaf {index}: its finding is left out of findings.jsonl")
        elif name in changed:
            report.problems.append(changed[name])
    for pair, index in catalogue.found.items():
        if pair not in found and catalogue.is_within(index):
            report.problems.append(f"leaf {index}: its finding of {pair[1]} is left out of findings.jsonl")
    report.problems += leafless


def _check_facts(pack: Pack, catalogue: Catalogue, report: Report) -> None:
    """The facts beside each decision are those whose digest its opened record names."""
    for number, line in enumerate(pack.files.documents("facts.jsonl"), start=1):
        index, state = line["leaf_index"], line["state"]
        where = f"facts.jsonl line {number}"
        if not pack.is_subject and index < pack.export.first:
            report.tell_elsewhere(where)
            continue
        record, kept = catalogue.record(index), catalogue.kept(index)
        if record.get("kind") != "decision" or record["decision_id"] != line["decision_id"]:
            report.problems.append(f"{where}: leaf {index} is not this decision's")
            continue
        catalogue.see_facts(index)
        report.facts[state] = report.facts.get(state, 0) + 1
        if state == "open" and kept != hashlib.sha256(line["facts"].encode()).digest()[:16]:
            report.problems.append(f"{where}: the facts are not those that the record of leaf {index} names")
        elif state != "open" and kept is not None:
            report.problems.append(f"{where}: the record of leaf {index} names facts, and they are not opened")
    for index in catalogue.without_facts():
        report.problems.append(f"leaf {index}: the facts it was judged on are left out of facts.jsonl")


def _check_complaints(pack: Pack, catalogue: Catalogue, report: Report) -> None:
    """Each version of a complaint has its leaf and each leaf its row; words and names are what the leaf commits to."""
    missing = {name: index for name, index in catalogue.complaints.items() if catalogue.is_within(index)}
    for number, row in enumerate(pack.files.documents("complaints.jsonl"), start=1):
        name = (row["complaint_id"], row["version"])
        missing.pop(name, None)
        index = catalogue.complaints.get(name)
        if index is None:
            report.tell_elsewhere(f"complaints.jsonl line {number}")
            continue
        leaf = catalogue.record(index)
        differs = [column for column, stated in COMPLAINT_FIELDS if row[column] != leaf[stated]]
        differs += [one for one in COMPLAINT_TIMES if one in leaf and _utc(row[one]) != _utc(leaf[one])]
        differs += [one for one in COMPLAINT_OPENED if not _is_opened(one, row, index, leaf, catalogue.words)]
        if differs:
            where = f"complaints.jsonl line {number}"
            report.problems.append(f"{where}: {', '.join(differs)} is not what leaf {index} says")
        else:
            report.complaints += 1
    for index in sorted(missing.values()):
        report.problems.append(f"leaf {index}: its complaint is left out of complaints.jsonl")


def _is_opened(
    name: str, row: dict[str, Any], index: int, leaf: dict[str, Any], words: dict[tuple[int, str], bytes]
) -> bool:
    """Whether the row's value is what the leaf commits to, as far as that was opened."""
    value = ",".join(sorted(row[name])) or None if name == "about" else row[name]
    if name not in leaf["committed"]:
        return value is None or (name == "about" and "received_at" not in leaf)  # older leaves do not say about whom
    opened = words.get((index, name))
    return opened is None or (value is not None and opened == hashlib.sha256(value.encode()).digest()[:16])


def _check_permits(pack: Pack, catalogue: Catalogue, report: Report) -> None:
    """Each permit that a decision granted has its row, and its state is what its leaves say.

    A row that says that it changed after the pack's checkpoint may be ahead of its leaves, never behind or beside them.
    """
    missing = dict(catalogue.permits)
    for number, row in enumerate(pack.files.documents("permits.jsonl"), start=1):
        where = f"permits.jsonl line {number}"
        granted = missing.pop(row["permit_id"], None) is not None
        stated = catalogue.lives.row(row["permit_id"], catalogue.record)
        if stated is None:
            report.permits_told += 1
            if not granted:
                report.tell(f"{where}: no leaf of the pack grants the permit")
            continue
        times = ("used_at", "revoked_real", "fact_arrived_real")
        told = row | {name: _moment(row[name]) for name in times}
        differs = [name for name, value in stated.items() if told[name] != value]
        later = differs if row.get("changed_later") else []
        differs = [one for one in differs if not (later and _may_follow(one, stated[one], told[one]))]
        if differs:
            report.problems.append(f"{where}: {', '.join(differs)} is not what the leaves of the permit say")
        elif later:
            report.permits_told += 1
            report.tell(f"{where}: {', '.join(later)} is said to have changed after the pack's checkpoint")
        else:
            report.permits_proved += 1
    for index in sorted(missing.values()):
        report.problems.append(f"leaf {index}: its permit is left out of permits.jsonl")


def _may_follow(column: str, before: str | None, after: str | None) -> bool:
    """Whether a later leaf of the permit can have made this of what its leaves say now."""
    if column == "state":
        states = ("granted", "released", "used", "recorded")
        return after in states[states.index(str(before)) :]
    return before is None


def _check_holds(pack: Pack, catalogue: Catalogue, problems: list[str]) -> None:
    """Holds that a person's leaves name have their rows."""
    missing = dict(catalogue.holds)
    for row in pack.files.documents("holds.jsonl"):
        missing.pop(row["hold_id"], None)
    for index in sorted(missing.values()):
        problems.append(f"leaf {index}: its hold is left out of holds.jsonl")


def check_custody(pack: Pack, key: Key, custody_keys: Sequence[Key], report: Report) -> None:
    """The custody record of a court bundle: each entry follows the one before, names this pack, and is signed.

    Raises UnusableError.
    """
    try:
        _check_custody(pack, key, custody_keys, report)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise UnusableError(f"the custody record cannot be read: {type(error).__name__}: {error}") from error


def _signers(files: Files) -> list[str]:
    """The key texts in a custody record; of one that cannot be read none, and its check says why."""
    try:
        return [str(line["key"]) for line in files.documents("custody.jsonl")]
    except (KeyError, TypeError, ValueError):
        return []


def _check_custody(pack: Pack, key: Key, custody_keys: Sequence[Key], report: Report) -> None:
    lines = list(pack.files.lines("custody.jsonl"))
    digest, before = hashlib.sha256(pack.files.read(SUMS)).hexdigest(), None
    for number, line in enumerate(lines, start=1):
        entry = json.loads(line)
        signature = _strict_base64(entry.pop("signature")) or b""
        message = b"doorstep-custody/v1\n" + _canonical(entry)
        where, signer = f"custody.jsonl entry {number}", parse_key(entry["key"])
        if (entry["number"], entry["previous"]) != (number, before):
            report.problems.append(f"{where}: does not follow the entry before it")
        if entry["pack_sha256"] != digest:
            report.problems.append(f"{where}: is about another pack")
        if not ed25519_verifies(signer.public_key, message, signature):
            report.problems.append(f"{where}: the signature does not verify")
        elif custody_keys and signer not in custody_keys:
            report.problems.append(f"{where}: is signed by a key that was not named, {signer.name}")
        before = hashlib.sha256(line).hexdigest()
        report.custody.append(f"{entry['at']} {entry['action']} by {entry['by']} to {entry['to'] or '-'}")
    if "custody-leaf.json" in pack.files:
        _check_custody_leaf(pack, key, lines, report.problems)


def _check_custody_leaf(pack: Pack, key: Key, lines: Sequence[bytes], problems: list[str]) -> None:
    """The export is a leaf of the same log, after the leaves that the pack shows."""
    proof = json.loads(pack.files.read("custody-leaf.json"))
    head, own = parse_head(1, json.dumps(proof)), pack.last_head
    leaf = _strict_base64(proof["leaf"]) or b""
    path, extends = ([_strict_base64(one) or b"" for one in proof[name]] for name in ("path", "consistency"))
    stated = json.loads(leaf or b"{}")
    if (
        head.problem
        or not signed_by(head, key)
        or not included(leaf_hash(leaf), proof["index"], head.size, path, head.root)
    ):
        problems.append("custody-leaf.json: the leaf of the export is not in a tree that the log signed")
    elif own is None or not consistent(own.size, head.size, (own.root, head.root), extends):
        problems.append("custody-leaf.json: its tree does not extend the pack's: a forked head")
    elif not lines or stated.get("entry_sha256") != hashlib.sha256(lines[0]).hexdigest():
        problems.append("custody-leaf.json: the leaf names another first entry of the custody record")


def _canonical(document: dict[str, Any]) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


# --- The command line


def _chosen_key(asked: str, vkeys: Sequence[str], algorithm: int = LOG_KEY) -> Key:
    """The key that the command line names, by itself or by the fingerprint of one in the export."""
    if not re.fullmatch("[0-9a-fA-F]{64}", asked):
        return parse_key(asked, algorithm)
    if not vkeys:
        raise UnusableError("there is no keys.txt: this is neither an export of the log nor a pack")
    for vkey in vkeys:
        if hashlib.sha256(vkey.encode()).hexdigest() == asked.lower():
            return parse_key(vkey, algorithm)
    raise UnusableError("no key in the export has that fingerprint")


def _approver_fingerprint(asked: str) -> str:
    if re.fullmatch("[0-9a-fA-F]{64}", asked):
        return asked.lower()
    parse_key(asked)
    return _fingerprint(asked.strip())


def _chosen_witnesses(arguments: argparse.Namespace, vkeys: Sequence[str]) -> Witnesses:
    keys = [_chosen_key(asked, vkeys, WITNESS_KEY) for asked in arguments.witness]
    required = len(keys) if arguments.witnesses_required is None else arguments.witnesses_required
    if len({key.public_key for key in keys}) != len(keys):
        raise UnusableError("a witness is named twice")
    if not (1 <= required <= len(keys) or (not keys and not required)):
        raise UnusableError(f"{required} of {len(keys)} witnesses cannot be required")
    return Witnesses(keys, required)


def _tell(report: Report, key: Key, witnesses: Witnesses) -> None:
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(report.kinds.items()))
    # Kinds and parties are read from the leaves only once all of them are whole.
    print(f"{report.leaves} leaves" + (f" ({kinds}) of {report.parties} parties" if kinds else ""))
    print(f"{report.checkpoints} checkpoints, {report.signatures} signatures checked, key {key.name}")
    if witnesses.keys:
        named = f"{witnesses.required} of {len(witnesses.keys)} witnesses required"
        print(f"{named}, {report.cosignatures} cosignatures checked")
    else:
        print("no witness named: the operator alone vouches for times and for there being one log")
    for index in report.rotations:
        print(f"the key was changed at leaf {index}, signed by the key before it")
    if report.continues:
        print(f"continues the log {report.continues}")
    if kinds:
        print(f"{report.manifests} manifests, {report.uncovered} leaves of parties behind the last one")
        places = ["witnessed-before", "claimed-before", "after", "without permit"]
        places += [place for place in report.contacts if place not in places]
        print("contacts: " + ", ".join(f"{report.contacts.get(place, 0)} {place}" for place in places))
    if report.openings:
        print("openings: " + ", ".join(f"{count} {state}" for state, count in sorted(report.openings.items())))
    for words, count in sorted(report.ended.items()):
        print(f"{count} fields {words}")
    if report.facts:
        print("facts judged on: " + ", ".join(f"{count} {state}" for state, count in sorted(report.facts.items())))
    if report.permits_proved or report.permits_told:
        proved, told = report.permits_proved, report.permits_told
        print(f"permits: the state of {proved} is what their leaves say, {told} are told, not proved")
    if report.complaints:
        print(f"{report.complaints} versions of complaints are what their leaves say")
    for line in report.custody:
        print(f"custody: {line}")
    if report.complete_until:
        print(f"complete up to {report.complete_until}: the person's chain reaches every manifest until then")
    if report.elsewhere:
        print(f"{report.elsewhere} rows are told, not proved: no leaf under the checkpoint and in the range says them")
    for line in report.told[:SHOWN]:
        print(f"TOLD {line}")
    if len(report.told) > SHOWN:
        print(f"TOLD and {len(report.told) - SHOWN} more")


def _tell_releases(report: Report, approvers: Sequence[str]) -> None:
    if not approvers:
        print("no approver named: who released the rules is told, not proved")
    elif report.kinds:
        print(f"{report.releases} packs of rules that decisions used, released by two of {len(approvers)} named people")


def _check_file_given(pack: Pack | None, path: Path, report: Report) -> None:
    """Raises UnusableError."""
    if pack is None:
        raise UnusableError("--given needs an evidence pack of the person")
    try:
        given = json.loads(path.read_text(encoding="utf-8"))
        if not report.problems:
            check_given(pack, given, report)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UnusableError(f"{path} is not what a person is given: {type(error).__name__}") from error
    if not report.problems:
        print(f"what the person was given is what leaf {given['leaf_id']} commits to")


def _conclude(report: Report, what: str) -> int:
    """Print the faults and the verdict on `what`; returns the exit code."""
    for problem in report.problems:
        print(f"FAULT {problem}")
    print(
        f"the {what} verifies"
        if not report.problems
        else f"the {what} does NOT verify: {len(report.problems)} fault(s)"
    )
    return 1 if report.problems else 0


def main(argv: Sequence[str] | None = None) -> int:
    """Command line; returns the exit code."""
    first, _, rest = (__doc__ or "").partition("\n\n")
    parser = argparse.ArgumentParser(
        description=first, epilog=rest, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("export", type=Path, help="tar file or folder of GET /v1/log/export, or a pack")
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--key", help="the log's vkey (origin+id+key), published elsewhere")
    which.add_argument("--fingerprint", help="SHA-256 of the vkey, published elsewhere")
    parser.add_argument(
        "--witness", action="append", default=[], help="vkey or fingerprint of a witness; may be repeated"
    )
    parser.add_argument("--witnesses-required", type=int, help="how many of them must have cosigned; all if left out")
    parser.add_argument(
        "--custody-key", action="append", default=[], help="vkey or fingerprint of who signs custody; may be repeated"
    )
    parser.add_argument(
        "--approver", action="append", default=[], help="fingerprint of who may approve rules; may be repeated"
    )
    parser.add_argument("--given", type=Path, help="what the person of the pack was given: its JSON file")
    parser.add_argument("--all-signatures", action="store_true", help="not only the last ones of each day")
    arguments = parser.parse_args(argv)
    try:
        files = Files.of(arguments.export)
        pack = read_pack(files) if "pack.json" in files else None
        export = pack.export if pack else Export(files)
        if arguments.fingerprint and not re.fullmatch("[0-9a-fA-F]{64}", arguments.fingerprint):
            raise UnusableError("the fingerprint is not 64 hexadecimal digits")
        key = _chosen_key(arguments.key or arguments.fingerprint, export.vkeys)
        witnesses = _chosen_witnesses(arguments, export.vkeys)
        approvers = [_approver_fingerprint(asked) for asked in arguments.approver]
        signers = _signers(files)
        custody_keys = [_chosen_key(asked, signers) for asked in arguments.custody_key]
        chosen = {"all_signatures": arguments.all_signatures, "witnesses": witnesses, "approvers": approvers}
        report = verify_pack(pack, key, **chosen) if pack else verify(export, key, **chosen)
        if pack:
            check_custody(pack, key_at(report.keys, sys.maxsize), custody_keys, report)
            print(f"pack of {pack.header['scope']['kind']} {pack.header['scope']['name']}")
        if arguments.given:
            _check_file_given(pack, arguments.given, report)
    except UnusableError as error:
        print(f"cannot verify: {error}", file=sys.stderr)
        return 2
    _tell(report, key, witnesses)
    _tell_releases(report, approvers)
    return _conclude(report, "pack" if pack else "log")


if __name__ == "__main__":
    gc.disable()  # millions of objects that stay, and no cycles among them
    sys.exit(main())
