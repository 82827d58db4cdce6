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
every opening against its commitment, that each row is what its leaf says and none is left out, and that a person's
chain reaches the manifests: only then the pack is complete.

With --approver (the fingerprint of a person's key, once for each person who may approve): that every pack of rules by
which a decision was made was released before it, signed by two of these people. Their later keys are followed.

Each contact is counted as witnessed-before (its permit's leaf was under a checkpoint that K witnesses had cosigned
before the contact began), claimed-before (the leaf only says so itself), or after. Without --witness none is witnessed;
without --all-signatures the times are those written in cosignatures, of which each day's last are verified.
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
import itertools
import json
import re
import sys
import tarfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

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


@dataclass
class Export:
    """What the export holds. A leaf or hash that cannot be read is None."""

    leaves: list[bytes | None] = field(default_factory=list)
    hashes: list[bytes | None] = field(default_factory=list)
    heads: list[SignedHead] = field(default_factory=list)
    vkeys: list[str] = field(default_factory=list)
    first: int = 0
    """Index of the first leaf: a period's pack begins in the middle of the log."""
    edge: list[tuple[int, bytes]] = field(default_factory=list)
    """What stands for the leaves before it: (height, hash) of full subtrees, left to right."""


def read_export(path: Path) -> Export:
    """Read a tar file or a folder. Raises UnusableError."""
    return _whole_log(dict(_files(path)))


def _whole_log(files: dict[str, bytes]) -> Export:
    export = export_of(files)
    if not export.leaves or not export.heads:
        raise UnusableError("the export holds no leaves or no checkpoints")
    return export


def export_of(files: dict[str, bytes], first: int = 0, edge: Sequence[bytes] = ()) -> Export:
    """The export in these files, from leaf `first` on. Raises UnusableError."""
    levels = [level for level in range(first.bit_length() - 1, -1, -1) if first >> level & 1]
    if len(levels) != len(edge):
        raise UnusableError("the left edge does not fit the first leaf")
    export = Export(first=first, edge=list(zip(levels, edge, strict=True)))
    for name, data in sorted(files.items()):
        lines = data.decode("utf-8", "replace").removesuffix("\n").split("\n")
        if name.startswith("leaves/"):
            _read_leaves(export, name, lines)
        elif name.startswith("leaf_hashes/"):
            export.hashes.extend(bytes.fromhex(line) if _HASH_LINE.fullmatch(line) else None for line in lines)
        elif name == "checkpoints.ndjson":
            export.heads.extend(parse_head(number, line) for number, line in enumerate(lines, start=1))
        elif name == "keys.txt":
            export.vkeys.extend(lines)
    return export


def _files(path: Path) -> Iterator[tuple[str, bytes]]:
    if path.is_dir():
        yield from (
            (file.relative_to(path).as_posix(), file.read_bytes()) for file in path.rglob("*") if file.is_file()
        )
        return
    try:
        with tarfile.open(path) as archive:
            for member in archive:
                content = archive.extractfile(member) if member.isfile() else None
                if content is not None:
                    yield member.name, content.read()
    except (OSError, tarfile.TarError) as error:
        raise UnusableError(f"cannot read {path}: {error}") from error


def _read_leaves(export: Export, name: str, lines: Sequence[str]) -> None:
    """Read one file of leaves, named by its first index.

    A damaged line must not shift its neighbours: where line breaks were lost or made, an index that the next line
    confirms
    tells where we are; an index that neither the place nor the next line confirms is damaged itself.
    """
    first = len(export.leaves)
    if name != f"leaves/{export.first + first:012}.ndjson":
        raise UnusableError(f"{name}: leaves before it are missing")
    found = [
        (int(match[1]) - export.first, match[2]) if (match := _LEAF_LINE.fullmatch(line)) else None for line in lines
    ]
    for one, following in itertools.zip_longest(found, found[1:]):
        confirmed = one is not None and following is not None and following[0] == one[0] + 1
        if one is not None and confirmed and first <= one[0] <= first + len(lines) + 1:
            if export.leaves[one[0] :].count(None) == len(export.leaves[one[0] :]):
                del export.leaves[one[0] :]
            export.leaves.extend([None] * (one[0] - len(export.leaves)))
        export.leaves.append(_strict_base64(one[1]) if one is not None and one[0] == len(export.leaves) else None)


def _strict_base64(text: str) -> bytes | None:
    """None unless it is the one encoding of its bytes: what was skipped or cut short encodes to something else."""
    try:
        value = binascii.a2b_base64(text)
    except ValueError:
        return None
    return value if binascii.b2a_base64(value, newline=False).decode() == text else None


def leaf_hash(leaf: bytes) -> bytes:
    """SHA-256(0x00 || leaf)."""
    return hashlib.sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 || left || right)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def roots_at(
    hashes: Iterable[bytes | None], sizes: set[int], first: int = 0, edge: Iterable[tuple[int, bytes]] = ()
) -> dict[int, bytes]:
    """The tree's roots at the given sizes, as far as every hash up to there is known.

    `hashes` begin with leaf `first`; `edge` stands for those before.
    """
    roots = {0: hashlib.sha256().digest()} if 0 in sizes else {}
    stack: list[tuple[int, bytes]] = list(edge)
    for position, value in enumerate(hashes, start=first):
        if value is None:
            break
        level, node = 0, value
        while stack and stack[-1][0] == level:
            node = node_hash(stack.pop()[1], node)
            level += 1
        stack.append((level, node))
        if position + 1 in sizes:
            roots[position + 1] = functools.reduce(
                lambda right, left: node_hash(left, right), [h for _, h in stack[::-1]]
            )
    return roots


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
    releases: int = 0
    """Packs of rules that decisions were made by and that two named people had released by then."""
    custody: list[str] = field(default_factory=list)
    elsewhere: int = 0
    """Rows of a pack whose leaf is not under its checkpoint, or before its range."""
    problems: list[str] = field(default_factory=list)


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
    """Check everything; the report names each fault."""
    report = Report(leaves=len(export.leaves), checkpoints=len(export.heads))
    keys = follow_rotations(enumerate(export.leaves), key, report)
    trusted = _check_signatures(export.heads, keys, report, all_signatures=all_signatures)
    times = _check_cosignatures(trusted, witnesses or Witnesses(), report, all_signatures=all_signatures)
    _check_leaves(export, trusted, report.problems)
    if not report.problems:  # a damaged leaf would make its neighbours in the chain look broken, too
        chains = _Chains(report, key, times, approvers=approvers)
        chains.follow((index, leaf) for index, leaf in enumerate(export.leaves) if leaf)
    return report


def follow_rotations(leaves: Iterable[tuple[int, bytes | None]], key: Key, report: Report) -> KeyChanges:
    """The keys one after another: each successor is named by a leaf that the key before it signed."""
    keys: KeyChanges = [(0, key)]
    for index, leaf in leaves:
        if leaf is None or b'"kind":"key_rotation"' not in leaf:
            continue
        record = json.loads(leaf)
        if not record["old_key"].startswith(f"{key.name}+"):
            continue  # of the older log that this one continues
        new, old = parse_key(record["new_key"]), keys[-1][1]
        message = f"doorstep-log-key-rotation/v1\n{record['old_key']}\n{record['new_key']}\n".encode()
        signature = _strict_base64(record["signature"]) or b""
        report.signatures += 1
        if parse_key(record["old_key"]) != old or not ed25519_verifies(old.public_key, message, signature):
            report.problems.append(f"leaf {index}: a new key that the key before it did not sign")
            continue
        keys.append((index, new))
        report.rotations.append(index)
    report.keys = keys
    return keys


def key_at(keys: KeyChanges, size: int) -> Key:
    """Whose signature a head of that size must carry."""
    return [key for index, key in keys if index < size or index == 0][-1]


def _check_signatures(
    heads: list[SignedHead], keys: KeyChanges, report: Report, *, all_signatures: bool
) -> list[SignedHead]:
    last_of_day = {head.published_at[:10]: head.number for head in heads if not head.problem}
    checked = set(last_of_day.values())
    trusted: list[SignedHead] = []
    for head in heads:
        problem = head.problem
        key = key_at(keys, head.size)
        if not problem and head.origin != key.name:
            problem = f"origin {head.origin!r} is not the key's {key.name!r}"
        if not problem and (all_signatures or head.number in checked):
            report.signatures += 1
            problem = "" if signed_by(head, key) else "the signature does not verify"
        if not problem and trusted and head.size < trusted[-1].size:
            problem = f"the tree shrank from {trusted[-1].size} to {head.size}"
        if problem:
            report.problems.append(f"checkpoint {head.number}: {problem}")
        else:
            trusted.append(head)
    return trusted


def _check_cosignatures(
    heads: Sequence[SignedHead], witnesses: Witnesses, report: Report, *, all_signatures: bool
) -> list[tuple[int, float]]:
    """(tree size, when enough witnesses had signed a tree of at least that size), by size. Empty without witnesses."""
    if not witnesses.keys:
        return []
    enough = {head.number: head for head in heads if _times(head, witnesses)[witnesses.required - 1 :]}
    checked = {head.published_at[:10]: head.number for head in enough.values()}.values()
    known: list[tuple[int, float]] = []
    for head in heads:
        if all_signatures or head.number in checked or head is heads[-1]:
            known_times = _verified_times(head, witnesses, report)
        else:
            known_times = _times(head, witnesses)
        if len(known_times) >= witnesses.required:
            known.append((head.size, float(known_times[witnesses.required - 1])))
        elif head is heads[-1]:
            report.problems.append(
                f"checkpoint {head.number}: {len(known_times)} of {witnesses.required} cosignatures that are required"
            )
    earliest = list(itertools.accumulate((time for _, time in reversed(known)), min))[::-1]
    return [(size, time) for (size, _), time in zip(known, earliest, strict=True)]


def _times(head: SignedHead, witnesses: Witnesses) -> list[int]:
    times = (cosigned_at(head, witness, verified=False) for witness in witnesses.keys)
    return sorted(time for time in times if time is not None)


def _verified_times(head: SignedHead, witnesses: Witnesses, report: Report) -> list[int]:
    times: list[int] = []
    for witness in witnesses.keys:
        if not signatures_of(head, witness):
            continue
        report.cosignatures += 1
        time = cosigned_at(head, witness, verified=True)
        if time is None:
            report.problems.append(f"checkpoint {head.number}: the cosignature of {witness.name} does not verify")
        else:
            times.append(time)
    return sorted(times)


def _check_leaves(export: Export, heads: Sequence[SignedHead], problems: list[str]) -> None:
    """Three witnesses, leaves, recorded hashes and signed roots: the one that contradicts the other two is damaged."""
    both = list(itertools.zip_longest((leaf and leaf_hash(leaf) for leaf in export.leaves), export.hashes))
    sizes = {head.size for head in heads}
    first, edge = export.first, export.edge
    by_leaf = roots_at([one for one, _ in both], sizes, first, edge)
    agree = all(one == other for one, other in both)
    by_record = by_leaf if agree else roots_at([one for _, one in both], sizes, first, edge)
    leaves_fit = all(by_leaf.get(head.size) == head.root for head in heads)
    records_fit = all(by_record.get(head.size) == head.root for head in heads)
    for index, (computed, recorded) in enumerate(both, start=first):
        if computed is not None and computed == recorded:
            continue
        if leaves_fit:
            problems.append(f"leaf hash {index}: the recorded hash is damaged, the leaf itself is sound")
        else:
            detail = "its bytes are not what the signed tree holds" if records_fit else "does not fit its recorded hash"
            problems.append(f"leaf {index}: {detail}")
    if not leaves_fit and not records_fit:
        better = max(by_record, by_leaf, key=len)
        for head in heads:
            if better.get(head.size) != head.root:
                detail = "not enough leaves" if head.size > first + len(both) else "the root does not fit the leaves"
                problems.append(f"checkpoint {head.number}: {detail}")
    if heads and first + len(both) > max(sizes):
        problems.append(f"leaves from {max(sizes)} on are under no checkpoint")


def _approver_name(person: str) -> str:
    """The name that a person's key carries."""
    return re.sub(r"[\s+]+", "_", person.strip().casefold())


class Releases:
    """Who released the rules: each pack by two people, each with a key of their own, before a decision was made by it.

    `approvers`: fingerprints of the keys that count. A later key counts when one that counts signed it.
    """

    def __init__(self, approvers: Iterable[str], report: Report) -> None:
        self._trusted = set(approvers)
        self._named = bool(self._trusted)
        self._report = report
        self._sets: dict[str, dict[str, str]] = {}
        self._used: dict[str, int] = {}
        self._released: dict[tuple[str, str], int] = {}
        self._short: dict[tuple[str, str], list[str]] = {}

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

    def _fault(self, text: str) -> None:
        self._report.problems.append(text)

    def _follow(self, index: int, record: dict[str, Any]) -> None:
        own = _approver_name(record["approver"])
        if _signer(record["key"]).name != own:
            self._fault(f"leaf {index}: the key of {record['approver']} carries another name")
            return
        if record["previous"] is None:
            return
        old = _signer(record["previous"])
        message = f"doorstep-approver-key/v1\n{record['previous']}\n{record['key']}\n".encode()
        self._report.signatures += 1
        signature = _strict_base64(record["signature"] or "") or b""
        if old.name != own or not ed25519_verifies(old.public_key, message, signature):
            self._fault(f"leaf {index}: a new key of {record['approver']} that the key before it did not sign")
        elif _fingerprint(record["previous"]) in self._trusted:
            self._trusted.add(_fingerprint(record["key"]))

    def _judge(self, index: int, record: dict[str, Any]) -> None:
        label = f"{record['pack']}/{record['version']}"
        people: dict[str, bytes] = {}
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
            else:
                people[key.name] = key.public_key
        release = label, record["sha256"]
        if len(people) >= 2 and len(set(people.values())) >= 2:
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


class _Chains:
    """Reads the leaves in order: each party's chain, the manifests over them, and which permit came before a contact.

    Leaves of a party number themselves and name the hash of the one before: none can be left out in the middle. A
    manifest names the last number of every party that changed since the manifest before: none can be left out at the
    end.
    """

    def __init__(
        self,
        report: Report,
        key: Key,
        times: Sequence[tuple[int, float]],
        *,
        first: int = 0,
        within: Callable[[int], bool] = lambda _: True,
        linked: bool = True,
        approvers: Iterable[str] = (),
    ) -> None:
        """`first` leaf of what is read; only contacts `within` are counted; not `linked`: chains were checked apart."""
        self._releases = Releases(approvers, report)
        self._report = report
        self._first = first
        self._within = within
        self._linked = linked
        self._whole = first == 0  # whether all since the last manifest was read
        self._key = key
        self._times = times
        self._last: dict[str, tuple[int, str]] = {}
        self._changed: dict[str, int] = {}
        self._named: dict[str, int] = {}
        self._manifest: tuple[int, int, int] = (0, 0, 0)  # number, part, parts
        self._manifest_hash: str | None = None
        self._part_hash = ""
        self._uncovered = 0
        self._permits: dict[str, tuple[int, float]] = {}
        self._contacts: list[tuple[str | None, float]] = []

    def follow(self, leaves: Iterable[tuple[int, bytes]]) -> None:
        """Read them all, with their indexes, and fill the report."""
        report = self._report
        for index, leaf in leaves:
            record = json.loads(leaf)
            kind = record["kind"]
            report.kinds[kind] = report.kinds.get(kind, 0) + 1
            self._releases.read(index, record)
            if record.get("party") is not None:
                self._link(index, record, leaf)
            if kind == "manifest" and self._linked and index >= self._first:
                self._cover(index, record, leaf)
            elif kind == "origin":
                self._continue(index, record)
            elif kind == "decision" and record.get("permit_id"):
                self._permits[record["permit_id"]] = (index, _seconds(record["recorded_at"]))
            elif kind == "contact" and "started_real" in record and self._within(index):
                self._contacts.append((record.get("permit_id"), _seconds(record["started_real"])))
        self._releases.finish()
        report.parties = len(self._last)
        if self._linked:
            report.uncovered = self._uncovered
        for permit, started in self._contacts:
            place = self._when(permit, started)
            report.contacts[place] = report.contacts.get(place, 0) + 1

    def _fault(self, index: int, detail: str) -> None:
        self._report.problems.append(f"leaf {index}: {detail}")

    def _link(self, index: int, record: dict[str, Any], leaf: bytes) -> None:
        party = record["party"]
        sequence, previous = self._last.get(party, (0, None))
        begun_before = self._first > 0 and sequence == 0
        if (
            self._linked
            and not begun_before
            and (record["party_sequence"], record["previous"]) != (sequence + 1, previous)
        ):
            self._fault(index, f"breaks its party's chain at number {record['party_sequence']}")
        self._last[party] = (record["party_sequence"], leaf_hash(leaf).hex())
        self._changed[party] = record["party_sequence"]
        self._uncovered += 1

    def _cover(self, index: int, record: dict[str, Any], leaf: bytes) -> None:
        if not self._whole and not self._manifest[0]:
            self._begin(record, leaf)
            return
        number, part, parts = self._manifest
        expected = (number, part + 1, parts) if part < parts else (number + 1, 1, record["parts"])
        self._manifest = (record["number"], record["part"], record["parts"])
        if part == parts:
            self._manifest_hash, self._named = self._part_hash or None, {}
        if self._manifest != expected or record["previous_manifest"] != self._manifest_hash:
            self._fault(index, f"a manifest is missing before number {record['number']}, part {record['part']}")
        self._named |= record["parties"]
        self._part_hash = leaf_hash(leaf).hex()
        if record["part"] != record["parts"]:
            return
        for party in sorted(self._named.keys() | self._changed.keys()):
            if self._named.get(party) != self._changed.get(party):
                detail = f"says {self._named.get(party)} of party {party[:16]}, its chain {self._changed.get(party)}"
                self._fault(index, f"manifest {record['number']} {detail}")
        self._report.manifests += 1
        self._changed, self._uncovered = {}, 0

    def _begin(self, record: dict[str, Any], leaf: bytes) -> None:
        """The first manifest of a range: it also covers what came before the range, so it only sets the start."""
        if record["part"] == record["parts"]:
            self._manifest = (record["number"], record["part"], record["parts"])
            self._part_hash = leaf_hash(leaf).hex()
            self._changed, self._uncovered, self._whole = {}, 0, True

    def _continue(self, index: int, record: dict[str, Any]) -> None:
        note = json.dumps({"note": record["previous_checkpoint"], "published_at": ""})
        old = parse_head(0, note)
        name = old.origin.encode()
        raw = bytes([LOG_KEY]) + self._key.public_key
        key = Key(old.origin, hashlib.sha256(name + b"\n" + raw).digest()[:4], self._key.public_key)
        if index or old.problem or not signed_by(old, key):
            self._fault(index, "the older log's last checkpoint is not signed by this log's key")
        self._report.continues = f"{old.origin} of {old.size} leaves"

    def _when(self, permit: str | None, started: float) -> str:
        if permit is None:
            return "without permit"
        if permit not in self._permits:
            return "permit outside the pack" if self._first else "without permit"
        index, recorded = self._permits[permit]
        place = bisect.bisect_right(self._times, index, key=lambda known: known[0])
        # A cosignature's time is the whole second in which it was made.
        if place < len(self._times) and self._times[place][1] + 1 <= started:
            return "witnessed-before"
        return "claimed-before" if recorded < started else "after"


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()


# --- Evidence packs: the files of a person, a case or a period, described in docs/evidence-pack.md

PACK_FORMAT = "doorstep-evidence-1"
SUMS, UNSUMMED = "SHA256SUMS", {"SHA256SUMS", "custody.jsonl", "custody-leaf.json"}
# Which columns of a row the leaf says itself; `occurred_at` is the leaf's.
ROWS_OF = {
    "contact": ("contacts", ("contact_id", "permit_id", "channel", "purpose", "verdict"), "started_at"),
    "decision": ("decisions", ("decision_id", "answer", "channel", "purpose", "refused_by"), "decided_at"),
}
FINDING_FIELDS = ("state", "step", "rule", "severity", "conduct", "harm", "contact_id")


@dataclass
class Pack:
    """An evidence pack. `shown`: single leaves with their inclusion proofs; `export`: a period's range of leaves."""

    header: dict[str, Any]
    files: dict[str, bytes]
    export: Export
    shown: list[tuple[int, bytes, list[bytes]]] = field(default_factory=list)
    documents: dict[int, dict[str, Any]] = field(default_factory=dict)
    """Every leaf of the pack that proved whole, parsed, by index."""

    @property
    def is_subject(self) -> bool:
        """Whether it is about one person."""
        return self.header["scope"]["party_id"] is not None

    def lines(self, name: str) -> list[dict[str, Any]]:
        """The documents of a file of JSON lines; none when it is missing."""
        return [json.loads(line) for line in self.files.get(name, b"").splitlines()]

    def in_scope(self, index: int) -> bool:
        """Whether the pack must show the contents of that leaf."""
        scope, document = self.header["scope"], self.documents[index]
        if "party" not in document or index in self.header["withheld"]:
            return False
        return self.is_subject or scope["start"] <= _utc(document["occurred_at"]) < scope["end"]


def read_pack(files: dict[str, bytes]) -> Pack:
    """The pack in these files. Raises UnusableError."""
    try:
        header = json.loads(files["pack.json"])
        if header["format"] != PACK_FORMAT:
            raise UnusableError(f"this verifier does not know packs of the form {header['format']!r}")
        edge = [bytes.fromhex(value) for value in header["left_edge"]]
        pack = Pack(header, files, export_of(files, header["first_leaf"], edge))
        for line in pack.lines("chain.jsonl"):
            leaf, path = _strict_base64(line["leaf"]), [_strict_base64(one) or b"" for one in line["path"]]
            pack.shown.append((line["index"], leaf or b"", path))
        return pack
    except (KeyError, TypeError, ValueError) as error:
        raise UnusableError(f"not a pack: {type(error).__name__}: {error}") from error


def _utc(moment: str) -> str:
    """One form for times that are compared as text."""
    return datetime.fromisoformat(moment).astimezone(UTC).isoformat()


def included(value: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> bool:
    """Whether `path` proves that the leaf of that hash is in the tree: RFC 9162 section 2.1.3.2."""
    if not 0 <= index < size:
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
    """Check a pack: its files, its leaves against signed heads, that none is left out, openings, rows, contacts."""
    export, report = pack.export, Report(leaves=len(pack.shown) + len(pack.export.leaves))
    report.checkpoints = len(export.heads)
    _check_sums(pack, report.problems)
    leaves = [(index, leaf) for index, leaf, _ in pack.shown]
    keys = follow_rotations([*leaves, *enumerate(export.leaves, start=export.first)], key, report)
    trusted = _check_signatures(export.heads, keys, report, all_signatures=all_signatures)
    if not trusted or trusted[-1].size != pack.header["tree_size"]:
        report.problems.append("checkpoints.ndjson: no checkpoint of the pack's tree size that verifies")
        return report
    if pack.is_subject:
        trusted = _extended(pack, trusted, report.problems)
    times = _check_cosignatures(trusted, witnesses or Witnesses(), report, all_signatures=all_signatures)
    _check_shown(pack, trusted[-1], report.problems)
    if not pack.is_subject:
        _check_leaves(export, trusted, report.problems)
    if report.problems:
        return report  # what does not prove whole is not read further
    if pack.is_subject:
        _check_subject(pack, report)
    chains = _Chains(
        report,
        key,
        times,
        first=export.first,
        within=pack.in_scope,
        linked=not pack.is_subject,
        approvers=approvers,
    )
    leaves += [(index, leaf) for index, leaf in enumerate(export.leaves, start=export.first) if leaf is not None]
    pack.documents.update((index, json.loads(leaf)) for index, leaf in leaves)
    chains.follow(sorted(leaves))
    _check_openings(pack, report)
    for kind in ROWS_OF:
        _check_rows(pack, kind, report)
    _check_findings(pack, report)
    _check_named(pack, report.problems)
    return report


def _check_sums(pack: Pack, problems: list[str]) -> None:
    stated = dict(line.split("  ", 1)[::-1] for line in pack.files.get(SUMS, b"").decode().splitlines())
    for name in sorted(stated.keys() | (pack.files.keys() - UNSUMMED)):
        if name not in pack.files:
            problems.append(f"file {name}: is missing")
        elif name not in stated:
            problems.append(f"file {name}: is not one of the pack's")
        elif hashlib.sha256(pack.files[name]).hexdigest() != stated[name]:
            problems.append(f"file {name}: its bytes are not those that {SUMS} names")


def _extended(pack: Pack, heads: list[SignedHead], problems: list[str]) -> list[SignedHead]:
    """The heads that the last one is shown to extend."""
    paths = [line.get("consistency", []) for line in pack.lines("checkpoints.ndjson")]
    last, kept = heads[-1], []
    for head in heads:
        path = [_strict_base64(one) or b"" for one in paths[head.number - 1]]
        if consistent(head.size, last.size, (head.root, last.root), path):
            kept.append(head)
        else:
            problems.append(f"checkpoint {head.number}: the pack's last checkpoint does not extend it: a forked head")
    return kept


def _check_shown(pack: Pack, head: SignedHead, problems: list[str]) -> None:
    before = -1
    for index, leaf, path in pack.shown:
        if not included(leaf_hash(leaf), index, head.size, path, head.root):
            problems.append(f"leaf {index}: is not what the signed tree holds there")
        elif index <= before:
            problems.append(f"leaf {index}: is out of order in chain.jsonl")
        before = index


def _check_subject(pack: Pack, report: Report) -> None:
    """The person's chain reaches the manifests: none is missing in the middle, and up to the last one none at the end.

    Of each manifest the pack holds the part that names the person's commitment, or those between which it would be.
    """
    leaves = [(index, leaf, json.loads(leaf)) for index, leaf, _ in pack.shown]
    last: dict[str, tuple[int, str | None]] = {}
    changed: dict[str, int] = {}
    numbers: dict[int, list[tuple[int, dict[str, Any]]]] = {}
    for index, leaf, record in leaves:
        party = record.get("party")
        if record["kind"] == "manifest":
            numbers.setdefault(record["number"], []).append((index, record))
        if party is None:
            continue
        expected = last.get(party, (0, None))
        if (record["party_sequence"], record["previous"]) != (expected[0] + 1, expected[1]):
            report.problems.append(f"leaf {index}: the leaf before it in the person's chain is left out")
        last[party] = (record["party_sequence"], leaf_hash(leaf).hex())
    chain = [(index, record) for index, _, record in leaves if "party" in record]
    reached = -1
    for number, parts in sorted(numbers.items()):
        if number - 1 not in numbers and number != min(numbers):
            report.problems.append(f"manifest {number - 1}: is left out")
        changed = {
            record["party"]: record["party_sequence"] for index, record in chain if reached < index < parts[0][0]
        }
        for party in last:
            named = _named_in(parts, party)
            if named != changed.get(party):
                detail = f"manifest {number} says {named}, the pack's chain {changed.get(party)}"
                report.problems.append(f"leaf {parts[0][0]}: {detail}: a leaf of the person is left out")
        reached, report.complete_until = parts[-1][0], parts[-1][1]["recorded_at"]
    report.manifests, report.uncovered = len(numbers), sum(index > reached for index, _ in chain)
    if not numbers:
        report.problems.append("no manifest covers the person's chain: the pack is not shown to be complete")


def _named_in(parts: Sequence[tuple[int, dict[str, Any]]], party: str) -> int | str | None:
    """The last number that a manifest names for the party; None when its parts show that it is not named."""
    bounds = {record["part"]: (min(record["parties"]), max(record["parties"])) for _, record in parts}
    total = parts[0][1]["parts"]
    for _, record in parts:
        if party in record["parties"]:
            return int(record["parties"][party])
    for part, (lowest, highest) in bounds.items():
        after_the_last = party > highest and (part == total or party < bounds.get(part + 1, ("",))[0])
        if after_the_last or lowest < party < highest or (party < lowest and part == 1):
            return None
    return "nothing that shows its absence"


def _check_openings(pack: Pack, report: Report) -> None:
    opened: dict[tuple[int, str], bytes | None] = {}
    for number, line in enumerate(pack.lines("openings.jsonl"), start=1):
        where = f"openings.jsonl line {number} (leaf {line['index']}, {line['name']})"
        committed = pack.documents.get(line["index"], {}).get("committed", {}).get(line["name"])
        if committed is None:
            report.problems.append(f"{where}: the pack holds no such commitment")
            continue
        opened[line["index"], line["name"]] = None
        report.openings[line["state"]] = report.openings.get(line["state"], 0) + 1
        if line["state"] != "open":
            continue
        salt, value = _strict_base64(line["salt"]) or b"", _strict_base64(line["value"]) or b""
        if commitment(salt, line["name"], value) != committed:
            report.problems.append(f"{where}: does not open the commitment")
        opened[line["index"], line["name"]] = value
    for index in filter(pack.in_scope, pack.documents):
        names = pack.documents[index]["committed"].keys() & (
            pack.documents[index]["committed"].keys() if pack.is_subject else {"record", "detail"}
        )
        for name in sorted(names):
            if (index, name) not in opened:
                report.problems.append(f"leaf {index}: the opening of {name} is left out")
    told = {line["leaf_index"]: line["record"] for line in pack.lines("contacts.jsonl") if line.get("record")}
    for index, record in told.items():
        content = opened.get((index, "record"))
        if content is not None and json.loads(content) != record:
            report.problems.append(f"contacts.jsonl: the record beside leaf {index} is not the one it commits to")
    for line in pack.lines("subject.jsonl"):
        own, party = _strict_base64(line["salt"] or ""), bytes.fromhex(line["party_id"].replace("-", ""))
        chains = {document.get("party") for document in pack.documents.values()}
        if own and commitment(own, "party", party) not in chains:
            report.problems.append("subject.jsonl: no chain of the pack is this person's")


def commitment(salt: bytes, name: str, value: bytes) -> str:
    """HMAC-SHA-256(salt, length-prefixed name and value), hexadecimal."""
    encoded = name.encode()
    message = len(encoded).to_bytes(4, "big") + encoded + len(value).to_bytes(4, "big") + value
    return hmac.new(salt, message, hashlib.sha256).hexdigest()


def _check_rows(pack: Pack, kind: str, report: Report) -> None:
    """Each leaf of the kind has its row and each row its leaf, and both say the same."""
    table, names, began = ROWS_OF[kind]
    seen: set[int] = set()
    for number, row in enumerate(pack.lines(f"{table}.jsonl"), start=1):
        index = row["leaf_index"]
        if index is None or (not pack.is_subject and index < pack.export.first):
            report.elsewhere += 1
            continue
        leaf = pack.documents.get(index, {})
        differs = [name for name in names if row.get(name) != leaf.get(name)]
        differs += [began] if leaf and _utc(row[began]) != _utc(leaf["occurred_at"]) else []
        if leaf.get("kind") != kind or index in seen:
            report.problems.append(f"{table}.jsonl line {number}: leaf {index} is not this {kind}'s")
        elif differs:
            report.problems.append(f"{table}.jsonl line {number}: {', '.join(differs)} is not what leaf {index} says")
        seen.add(index)
    for index, document in pack.documents.items():
        if document["kind"] == kind and pack.in_scope(index) and index not in seen:
            report.problems.append(f"leaf {index}: its {kind} is left out of {table}.jsonl")


def _check_findings(pack: Pack, report: Report) -> None:
    """Each version of a finding has a leaf, or is what the leaf of its contact says; and each such leaf has its row."""
    rows = {(row["finding_id"], row["version"]): row for row in pack.lines("findings.jsonl")}
    found = {(row["contact_id"], row["rule"]) for row in rows.values()}
    contacts: dict[tuple[str, str], int] = {}
    leaves: dict[tuple[str, int], int] = {}
    for index, document in pack.documents.items():
        if document["kind"] == "finding":
            leaves[document["finding_id"], document["version"]] = index
        elif document["kind"] == "contact":
            contacts |= {(document["contact_id"], one["rule"]): index for one in document["findings"]}
    for name, index in leaves.items():
        row = rows.get(name)
        if row is None and pack.in_scope(index):
            report.problems.append(f"leaf {index}: its finding is left out of findings.jsonl")
        elif row is not None and any(row[one] != pack.documents[index][one] for one in FINDING_FIELDS):
            report.problems.append(f"findings.jsonl: finding {name[0]} version {name[1]} is not what leaf {index} says")
    for pair, index in contacts.items():
        if pair not in found and pack.in_scope(index):
            report.problems.append(f"leaf {index}: its finding of {pair[1]} is left out of findings.jsonl")
    for name, row in rows.items():
        if name not in leaves and not (row["version"] == 1 and (row["contact_id"], row["rule"]) in contacts):
            report.elsewhere += 1
            if pack.is_subject and row["party_id"] is not None and row["version"] > 1:
                report.problems.append(f"findings.jsonl: finding {name[0]} version {name[1]} has no leaf")


def _check_named(pack: Pack, problems: list[str]) -> None:
    """Permits and holds that leaves name have their rows; of a period only those of its own leaves."""
    for table, kind, name in (("permits", "decision", "permit_id"), ("holds", "hold", "hold_id")):
        if kind == "hold" and not pack.is_subject:
            continue
        rows = {row[name] for row in pack.lines(f"{table}.jsonl")}
        for index, document in pack.documents.items():
            wanted = document.get(name) if document["kind"] == kind and pack.in_scope(index) else None
            if wanted is not None and wanted not in rows:
                problems.append(f"leaf {index}: its {name.removesuffix('_id')} is left out of {table}.jsonl")


def check_custody(pack: Pack, key: Key, custody_keys: Sequence[Key], report: Report) -> None:
    """The custody record of a court bundle: each entry follows the one before, names this pack, and is signed."""
    lines = pack.files.get("custody.jsonl", b"").splitlines()
    digest, before = hashlib.sha256(pack.files.get(SUMS, b"")).hexdigest(), None
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
    proof = json.loads(pack.files["custody-leaf.json"])
    head, own = parse_head(1, json.dumps(proof)), pack.export.heads[-1]
    leaf = _strict_base64(proof["leaf"]) or b""
    path, extends = ([_strict_base64(one) or b"" for one in proof[name]] for name in ("path", "consistency"))
    stated = json.loads(leaf or b"{}")
    if (
        head.problem
        or not signed_by(head, key)
        or not included(leaf_hash(leaf), proof["index"], head.size, path, head.root)
    ):
        problems.append("custody-leaf.json: the leaf of the export is not in a tree that the log signed")
    elif not consistent(own.size, head.size, (own.root, head.root), extends):
        problems.append("custody-leaf.json: its tree does not extend the pack's: a forked head")
    elif not lines or stated.get("entry_sha256") != hashlib.sha256(lines[0]).hexdigest():
        problems.append("custody-leaf.json: the leaf names another first entry of the custody record")


def _canonical(document: dict[str, Any]) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


# --- The command line


def _chosen_key(asked: str, export: Export, algorithm: int = LOG_KEY) -> Key:
    """The key that the command line names, by itself or by the fingerprint of one in the export."""
    if not re.fullmatch("[0-9a-fA-F]{64}", asked):
        return parse_key(asked, algorithm)
    for vkey in export.vkeys:
        if hashlib.sha256(vkey.encode()).hexdigest() == asked.lower():
            return parse_key(vkey, algorithm)
    raise UnusableError("no key in the export has that fingerprint")


def _approver_fingerprint(asked: str) -> str:
    if re.fullmatch("[0-9a-fA-F]{64}", asked):
        return asked.lower()
    parse_key(asked)
    return _fingerprint(asked.strip())


def _chosen_witnesses(arguments: argparse.Namespace, export: Export) -> Witnesses:
    keys = [_chosen_key(asked, export, WITNESS_KEY) for asked in arguments.witness]
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
    for line in report.custody:
        print(f"custody: {line}")
    if report.complete_until:
        print(f"complete up to {report.complete_until}: the person's chain reaches every manifest until then")
    if report.elsewhere:
        print(f"{report.elsewhere} rows whose leaf is not under the pack's checkpoint or before its range")


def _tell_releases(report: Report, approvers: Sequence[str]) -> None:
    if not approvers:
        print("no approver named: who released the rules is told, not proved")
    elif report.kinds:
        print(f"{report.releases} packs of rules that decisions used, released by two of {len(approvers)} named people")


def _conclude(report: Report) -> int:
    """Print the faults and the verdict; returns the exit code."""
    for problem in report.problems:
        print(f"FAULT {problem}")
    print("the log verifies" if not report.problems else f"the log does NOT verify: {len(report.problems)} fault(s)")
    return 1 if report.problems else 0


def main(argv: Sequence[str] | None = None) -> int:
    """Command line; returns the exit code."""
    parser = argparse.ArgumentParser(description="Verify an export of Doorstep's audit log, offline.")
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
    parser.add_argument("--all-signatures", action="store_true", help="not only the last ones of each day")
    arguments = parser.parse_args(argv)
    try:
        files = dict(_files(arguments.export))
        pack = read_pack(files) if "pack.json" in files else None
        export = pack.export if pack else _whole_log(files)
        if arguments.fingerprint and not re.fullmatch("[0-9a-fA-F]{64}", arguments.fingerprint):
            raise UnusableError("the fingerprint is not 64 hexadecimal digits")
        key = _chosen_key(arguments.key or arguments.fingerprint, export)
        witnesses = _chosen_witnesses(arguments, export)
        approvers = [_approver_fingerprint(asked) for asked in arguments.approver]
        signers = [json.loads(line)["key"] for line in files.get("custody.jsonl", b"").splitlines()]
        custody_keys = [_chosen_key(asked, Export(vkeys=signers)) for asked in arguments.custody_key]
    except UnusableError as error:
        print(f"cannot verify: {error}", file=sys.stderr)
        return 2
    if pack:
        report = verify_pack(
            pack, key, all_signatures=arguments.all_signatures, witnesses=witnesses, approvers=approvers
        )
        check_custody(pack, key_at(report.keys, sys.maxsize), custody_keys, report)
        print(f"pack of {pack.header['scope']['kind']} {pack.header['scope']['name']}")
    else:
        report = verify(export, key, all_signatures=arguments.all_signatures, witnesses=witnesses, approvers=approvers)
    _tell(report, key, witnesses)
    _tell_releases(report, approvers)
    return _conclude(report)


if __name__ == "__main__":
    gc.disable()  # millions of objects that stay, and no cycles among them
    sys.exit(main())
