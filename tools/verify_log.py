#!/usr/bin/env python3
"""Verify an export of Doorstep's audit log, offline, with the Python standard library alone.

    python verify_log.py EXPORT --key VKEY [--all-signatures]
    python verify_log.py EXPORT --fingerprint SHA256 [--all-signatures]

EXPORT is the tar file of `GET /v1/log/export`, or the folder it unpacks to. The key comes from the command line only:
as C2SP vkey (`origin+id+key`), or as the fingerprint (SHA-256 of the vkey) of a key inside the export.

Checked: every leaf against its hash, the RFC 9162 root of every checkpoint (which also proves that each extends the one
before), signatures (each day's last; all with --all-signatures), each party's chain of leaves.
Exit codes: 0 everything verifies; 1 something does not, and is named; 2 the export or the arguments cannot be used.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import functools
import hashlib
import itertools
import json
import re
import sys
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

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


# --- Keys and notes: https://c2sp.org/signed-note, https://c2sp.org/tlog-checkpoint


class UnusableError(Exception):
    """The export or the arguments cannot be used at all (exit code 2)."""


@dataclass(frozen=True)
class Key:
    """The log's verification key."""

    name: str
    key_id: bytes
    public_key: bytes


def parse_key(vkey: str) -> Key:
    """A key from its text form `name+id+base64`. Raises UnusableError."""
    match = re.fullmatch(r"([^+\s]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+=*)", vkey.strip())
    if match is None:
        raise UnusableError("the key is not a vkey: name+id+base64")
    raw = _strict_base64(match[3]) or b""
    key_id = hashlib.sha256(match[1].encode() + b"\n" + raw).digest()[:4]
    if len(raw) != 33 or raw[0] != 1 or key_id.hex() != match[2]:
        raise UnusableError("the key is not an Ed25519 key, or its id does not fit")
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


def signed_by(head: SignedHead, key: Key) -> bool:
    """Whether a signature of `key` is on the checkpoint and verifies."""
    prefix = f"\N{EM DASH} {key.name} "
    signatures = (_strict_base64(line.removeprefix(prefix)) for line in head.signatures if line.startswith(prefix))
    return any(
        raw is not None and raw[:4] == key.key_id and ed25519_verifies(key.public_key, head.body, raw[4:])
        for raw in signatures
    )


_HASH_LINE = re.compile("[0-9a-f]{64}")
_LEAF_LINE = re.compile(r'\{"index":(0|[1-9][0-9]*),"leaf":"([A-Za-z0-9+/]*={0,2})"\}')


@dataclass
class Export:
    """What the export holds. A leaf or hash that cannot be read is None."""

    leaves: list[bytes | None] = field(default_factory=list)
    hashes: list[bytes | None] = field(default_factory=list)
    heads: list[SignedHead] = field(default_factory=list)
    vkeys: list[str] = field(default_factory=list)


def read_export(path: Path) -> Export:
    """Read a tar file or a folder. Raises UnusableError."""
    export = Export()
    for name, data in sorted(_files(path)):
        lines = data.decode("utf-8", "replace").removesuffix("\n").split("\n")
        if name.startswith("leaves/"):
            _read_leaves(export, name, lines)
        elif name.startswith("leaf_hashes/"):
            export.hashes.extend(bytes.fromhex(line) if _HASH_LINE.fullmatch(line) else None for line in lines)
        elif name == "checkpoints.ndjson":
            export.heads.extend(parse_head(number, line) for number, line in enumerate(lines, start=1))
        elif name == "keys.txt":
            export.vkeys.extend(lines)
    if not export.leaves or not export.heads:
        raise UnusableError("the export holds no leaves or no checkpoints")
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
    if name != f"leaves/{first:012}.ndjson":
        raise UnusableError(f"{name}: leaves before it are missing")
    found = [(int(match[1]), match[2]) if (match := _LEAF_LINE.fullmatch(line)) else None for line in lines]
    for one, following in itertools.zip_longest(found, found[1:]):
        confirmed = one is not None and following is not None and following[0] == one[0] + 1
        if one is not None and confirmed and first <= one[0] <= first + len(lines) + 1:
            if export.leaves[one[0] :].count(None) == len(export.leaves[one[0] :]):
                del export.leaves[one[0] :]
            export.leaves.extend([None] * (one[0] - len(export.leaves)))
        export.leaves.append(_strict_base64(one[1]) if one is not None and one[0] == len(export.leaves) else None)


def _strict_base64(text: str) -> bytes | None:
    try:
        value = base64.b64decode(text, validate=True)
    except binascii.Error:
        return None
    return value if base64.b64encode(value).decode() == text else None


def leaf_hash(leaf: bytes) -> bytes:
    """SHA-256(0x00 || leaf)."""
    return hashlib.sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 || left || right)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def roots_at(hashes: Sequence[bytes | None], sizes: set[int]) -> dict[int, bytes]:
    """The tree's roots at the given sizes, as far as every hash up to there is known."""
    roots = {0: hashlib.sha256().digest()} if 0 in sizes else {}
    stack: list[tuple[int, bytes]] = []
    for position, value in enumerate(hashes):
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


@dataclass
class Report:
    """What was checked and what was found wrong."""

    leaves: int = 0
    checkpoints: int = 0
    signatures: int = 0
    parties: int = 0
    kinds: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def verify(export: Export, key: Key, *, all_signatures: bool) -> Report:
    """Check everything; the report names each fault."""
    report = Report(leaves=len(export.leaves), checkpoints=len(export.heads))
    trusted = _check_signatures(export.heads, key, report, all_signatures=all_signatures)
    _check_leaves(export, trusted, report.problems)
    if not report.problems:  # a damaged leaf would make its neighbours in the chain look broken, too
        _check_chains(filter(None, export.leaves), report)
    return report


def _check_signatures(heads: list[SignedHead], key: Key, report: Report, *, all_signatures: bool) -> list[SignedHead]:
    last_of_day = {head.published_at[:10]: head.number for head in heads if not head.problem}
    trusted: list[SignedHead] = []
    for head in heads:
        problem = head.problem
        if not problem and head.origin != key.name:
            problem = f"origin {head.origin!r} is not the key's {key.name!r}"
        if not problem and (all_signatures or head.number in last_of_day.values()):
            report.signatures += 1
            problem = "" if signed_by(head, key) else "the signature does not verify"
        if not problem and trusted and head.size < trusted[-1].size:
            problem = f"the tree shrank from {trusted[-1].size} to {head.size}"
        if problem:
            report.problems.append(f"checkpoint {head.number}: {problem}")
        else:
            trusted.append(head)
    return trusted


def _check_leaves(export: Export, heads: Sequence[SignedHead], problems: list[str]) -> None:
    """Three witnesses, leaves, recorded hashes and signed roots: the one that contradicts the other two is damaged."""
    both = list(itertools.zip_longest((leaf and leaf_hash(leaf) for leaf in export.leaves), export.hashes))
    sizes = {head.size for head in heads}
    by_leaf, by_record = roots_at([one for one, _ in both], sizes), roots_at([one for _, one in both], sizes)
    leaves_fit = all(by_leaf.get(head.size) == head.root for head in heads)
    records_fit = all(by_record.get(head.size) == head.root for head in heads)
    for index, (computed, recorded) in enumerate(both):
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
                detail = "not enough leaves" if head.size > len(both) else "the root does not fit the leaves"
                problems.append(f"checkpoint {head.number}: {detail}")
    if heads and len(both) > max(sizes):
        problems.append(f"leaves from {max(sizes)} on are under no checkpoint")


def _check_chains(leaves: Iterable[bytes], report: Report) -> None:
    """Each party's leaves number themselves and name the hash of the one before: none can be left out unseen."""
    last: dict[str, tuple[int, str | None]] = {}
    for index, leaf in enumerate(leaves):
        record = json.loads(leaf)
        report.kinds[record["kind"]] = report.kinds.get(record["kind"], 0) + 1
        if (party := record.get("party")) is None:
            continue
        sequence, previous = last.get(party, (0, None))
        if (record["party_sequence"], record["previous"]) != (sequence + 1, previous):
            report.problems.append(f"leaf {index}: breaks its party's chain at number {record['party_sequence']}")
        last[party] = (record["party_sequence"], leaf_hash(leaf).hex())
    report.parties = len(last)


def _chosen_key(arguments: argparse.Namespace, export: Export) -> Key:
    if arguments.key:
        return parse_key(arguments.key)
    for vkey in export.vkeys:
        if hashlib.sha256(vkey.encode()).hexdigest() == arguments.fingerprint.lower():
            return parse_key(vkey)
    raise UnusableError("no key in the export has that fingerprint")


def main(argv: Sequence[str] | None = None) -> int:
    """Command line; returns the exit code."""
    parser = argparse.ArgumentParser(description="Verify an export of Doorstep's audit log, offline.")
    parser.add_argument("export", type=Path, help="tar file or folder of GET /v1/log/export")
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--key", help="the log's vkey (origin+id+key), published elsewhere")
    which.add_argument("--fingerprint", help="SHA-256 of the vkey, published elsewhere")
    parser.add_argument("--all-signatures", action="store_true", help="not only the last signature of each day")
    arguments = parser.parse_args(argv)
    try:
        export = read_export(arguments.export)
        key = _chosen_key(arguments, export)
    except UnusableError as error:
        print(f"cannot verify: {error}", file=sys.stderr)
        return 2
    report = verify(export, key, all_signatures=arguments.all_signatures)
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(report.kinds.items()))
    # Kinds and parties are read from the leaves only once all of them are whole.
    print(f"{report.leaves} leaves" + (f" ({kinds}) of {report.parties} parties" if kinds else ""))
    print(f"{report.checkpoints} checkpoints, {report.signatures} signatures checked, key {key.name}")
    for problem in report.problems:
        print(f"FAULT {problem}")
    print("the log verifies" if not report.problems else f"the log does NOT verify: {len(report.problems)} fault(s)")
    return 1 if report.problems else 0


if __name__ == "__main__":
    sys.exit(main())
