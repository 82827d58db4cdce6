#!/usr/bin/env python3
"""A stand-alone C2SP witness (https://c2sp.org/tlog-witness): one file, one SQLite database, one key.

    python witness.py key --key witness.key --name witness.example/w1
    python witness.py serve --key witness.key --name witness.example/w1 --state witness.db --log VKEY [--log VKEY ...]

Run it where the log's operator cannot reach it. It signs (cosignature/v1, Ed25519) only checkpoints of the logs it was
given, and only those that extend the last one it signed; what it signed is on disk before it answers. It shares no code
with the log: it is there to doubt it. Needs the package `cryptography`; everything else is the standard library.

`POST /add-checkpoint` is the protocol's submission, `GET /<SHA-256 of the origin>/checkpoint` its monitoring.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import hashlib
import os
import re
import sqlite3
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

MAX_BODY_BYTES: Final = 64 * 1024
MAX_PROOF_LINES: Final = 63
_DASH: Final = "\N{EM DASH} "
_NUMBER: Final = re.compile("0|[1-9][0-9]{0,18}")
_LOG, _COSIGNATURE = b"\x01", b"\x04"


class Refused(Exception):  # noqa: N818  # reads as a fact at the call site
    """The answer is not a cosignature: status, and the body when the protocol demands one."""

    def __init__(self, status: HTTPStatus, detail: str, *, content_type: str = "text/plain") -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.content_type = content_type


# --- Merkle trees: RFC 9162 section 2.1


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def extends(*, old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]) -> bool:
    """Whether the tree of `new` leaves begins with that of `old`: RFC 9162 section 2.1.4.2. 0 < old < new."""
    if not proof or not 0 < old < new:
        return False
    path = [old_root, *proof] if old & (old - 1) == 0 else list(proof)
    place, last = old - 1, new - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    first = second = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if place & 1 or place == last:
            first, second = _node(sibling, first), _node(sibling, second)
            while place and not place & 1:
                place, last = place >> 1, last >> 1
        else:
            second = _node(second, sibling)
        place, last = place >> 1, last >> 1
    return last == 0 and first == old_root and second == new_root


# --- Notes: https://c2sp.org/signed-note, https://c2sp.org/tlog-cosignature


def key_id(name: str, algorithm: bytes, public_key: bytes) -> bytes:
    """The four bytes that name a key in signature lines."""
    return hashlib.sha256(name.encode() + b"\n" + algorithm + public_key).digest()[:4]


def vkey(name: str, algorithm: bytes, public_key: bytes) -> str:
    """The text form of a key: `name+id+base64`."""
    return f"{name}+{key_id(name, algorithm, public_key).hex()}+{base64.b64encode(algorithm + public_key).decode()}"


def parse_log(text: str) -> tuple[str, bytes]:
    """Origin and public key from a log's vkey. Raises ValueError."""
    name, _, rest = text.partition("+")
    named_id, _, encoded = rest.partition("+")
    raw = base64.b64decode(encoded, validate=True)
    if raw[:1] != _LOG or len(raw) != 33 or key_id(name, _LOG, raw[1:]).hex() != named_id:
        raise ValueError(f"{text} is not the vkey of an Ed25519 log key")
    return name, raw[1:]


@dataclass(frozen=True)
class Submission:
    """What `add-checkpoint` carries, well-formed and not yet believed."""

    old: int
    proof: list[bytes]
    note: str
    body: str
    signatures: list[str]
    origin: str
    size: int
    root: bytes


def parse_submission(content: bytes) -> Submission:
    """Raises Refused (400) for what is not of the protocol's form."""
    try:
        head, _, note = content.decode().partition("\n\n")
        first, *lines = head.split("\n")
        body, separator, signatures = note.rpartition("\n\n")
        origin, size, root, *_ = body.split("\n")
        proof = [_hash(line) for line in lines]
        old = first.removeprefix("old ")
        if not first.startswith("old ") or not _NUMBER.fullmatch(old) or not _NUMBER.fullmatch(size):
            raise ValueError("sizes")
        if not separator or not signatures.endswith("\n") or not origin or len(proof) > MAX_PROOF_LINES:
            raise ValueError("form")
        made = Submission(
            int(old), proof, note, f"{body}\n", signatures[:-1].split("\n"), origin, int(size), _hash(root)
        )
    except ValueError as error:  # binascii.Error and UnicodeDecodeError are ValueErrors
        raise Refused(HTTPStatus.BAD_REQUEST, "not of the form of add-checkpoint\n") from error
    if made.old > made.size:
        raise Refused(HTTPStatus.BAD_REQUEST, "the old size is larger than the checkpoint\n")
    return made


def _hash(text: str) -> bytes:
    raw = base64.b64decode(text, validate=True)
    if len(raw) != 32 or base64.b64encode(raw).decode() != text:
        raise ValueError("not a hash")
    return raw


def log_signature(submission: Submission, public_keys: Sequence[bytes]) -> str:
    """The line signed by a key of the log (two while it changes its key).

    Raises Refused (403) when there is none, or one that does not verify.
    """
    prefix = f"{_DASH}{submission.origin} "
    known = {key_id(submission.origin, _LOG, public_key): public_key for public_key in public_keys}
    found = ""
    for line in submission.signatures:
        try:
            raw = base64.b64decode(line.removeprefix(prefix), validate=True) if line.startswith(prefix) else b""
        except (binascii.Error, ValueError):
            continue
        public_key = known.get(raw[:4])
        if public_key is None:
            continue
        try:
            Ed25519PublicKey.from_public_bytes(public_key).verify(raw[4:], submission.body.encode())
        except InvalidSignature as error:
            raise Refused(HTTPStatus.FORBIDDEN, "the log's signature does not verify\n") from error
        found = line
    if not found:
        raise Refused(HTTPStatus.FORBIDDEN, "no signature of the log's key\n")
    return found


# --- The witness


class Witness:
    """Signs what extends what it signed. `clock` gives seconds since 1970."""

    def __init__(
        self,
        state: Path,
        *,
        name: str,
        key: Ed25519PrivateKey,
        logs: Mapping[str, Sequence[bytes]],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._state = state
        self._name = name
        self._key = key
        self._logs = logs
        self._clock = clock
        self._public_key = key.public_key().public_bytes_raw()
        with closing(self._open()) as database:
            database.execute(
                "CREATE TABLE IF NOT EXISTS head"
                " (origin TEXT PRIMARY KEY, size INTEGER NOT NULL, root BLOB NOT NULL, note TEXT NOT NULL)"
            )

    @property
    def vkey(self) -> str:
        """This witness's key as verifiers are given it."""
        return vkey(self._name, _COSIGNATURE, self._public_key)

    def add_checkpoint(self, content: bytes) -> str:
        """The cosignature line, after the checkpoint it signs is on disk. Raises Refused."""
        asked = parse_submission(content)
        if asked.origin not in self._logs:
            raise Refused(HTTPStatus.NOT_FOUND, "this witness does not know that log\n")
        signed = log_signature(asked, self._logs[asked.origin])
        with closing(self._open()) as database:
            # One transaction from the look at the last size to the new one: two callers cannot roll back each other.
            database.execute("BEGIN IMMEDIATE")
            row = database.execute("SELECT size, root FROM head WHERE origin = ?", (asked.origin,)).fetchone()
            size, root = (0, b"") if row is None else row
            if asked.old != size:
                raise Refused(HTTPStatus.CONFLICT, f"{size}\n", content_type="text/x.tlog.size")
            _require_consistent(asked, root)
            line = self._cosign(asked.body)
            note = f"{asked.body}\n{signed}\n{line}"
            database.execute("REPLACE INTO head VALUES (?, ?, ?, ?)", (asked.origin, asked.size, asked.root, note))
            database.execute("COMMIT")
        return line

    def checkpoint(self, origin_hash: str) -> str:
        """The last checkpoint signed of the log whose origin has that SHA-256. Raises Refused (404)."""
        known = {hashlib.sha256(origin.encode()).hexdigest(): origin for origin in self._logs}
        with closing(self._open()) as database:
            row = database.execute("SELECT note FROM head WHERE origin = ?", (known.get(origin_hash),)).fetchone()
        if row is None:
            raise Refused(HTTPStatus.NOT_FOUND, "no checkpoint of that log was signed here\n")
        return str(row[0])

    def _cosign(self, body: str) -> str:
        timestamp = int(self._clock())
        signature = self._key.sign(f"cosignature/v1\ntime {timestamp}\n{body}".encode())
        raw = key_id(self._name, _COSIGNATURE, self._public_key) + timestamp.to_bytes(8) + signature
        return f"{_DASH}{self._name} {base64.b64encode(raw).decode()}\n"

    def _open(self) -> sqlite3.Connection:
        database = sqlite3.connect(self._state, timeout=10, isolation_level=None)
        database.execute("PRAGMA synchronous = FULL")
        return database


def _require_consistent(asked: Submission, old_root: bytes) -> None:
    """Raises Refused (422) unless the checkpoint extends the last one signed."""
    if asked.size == 0:
        sound = asked.root == hashlib.sha256().digest() and not asked.proof
    elif asked.old == 0:
        sound = not asked.proof
    elif asked.old == asked.size:
        sound = not asked.proof and asked.root == old_root
    else:
        sound = extends(old=asked.old, new=asked.size, old_root=old_root, new_root=asked.root, proof=asked.proof)
    if not sound:
        raise Refused(HTTPStatus.UNPROCESSABLE_ENTITY, "the checkpoint does not extend the last one signed\n")


# --- HTTP and command line


class _Handler(BaseHTTPRequestHandler):
    """One connection, kept alive."""

    protocol_version = "HTTP/1.1"
    server: _Server

    def do_POST(self) -> None:
        """Submission."""
        length = self.headers.get("Content-Length", "")
        if not length.isascii() or not length.isdigit() or int(length) > MAX_BODY_BYTES:
            self.close_connection = True
            self._answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too large, or no length\n")
            return
        content = self.rfile.read(int(length))
        if self.path == "/add-checkpoint":
            self._say(lambda: self.server.witness.add_checkpoint(content))
        else:
            self._answer(HTTPStatus.NOT_FOUND, "there is POST /add-checkpoint\n")

    def do_GET(self) -> None:
        """Monitoring."""
        match = re.fullmatch("/([0-9a-f]{64})/checkpoint", self.path)
        if match is None:
            self._answer(HTTPStatus.NOT_FOUND, "there is GET /<origin hash>/checkpoint\n")
        else:
            self._say(lambda: self.server.witness.checkpoint(match[1]))

    def _say(self, ask: Callable[[], str]) -> None:
        try:
            self._answer(HTTPStatus.OK, ask())
        except Refused as refused:
            self._answer(refused.status, refused.detail, refused.content_type)

    def _answer(self, status: HTTPStatus, text: str, content_type: str = "text/plain; charset=utf-8") -> None:
        content = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


class _Server(ThreadingHTTPServer):
    def __init__(self, address: tuple[str, int], witness: Witness) -> None:
        super().__init__(address, _Handler)
        self.witness = witness


def make_server(witness: Witness, *, host: str, port: int) -> ThreadingHTTPServer:
    """A server of `witness`, bound; `serve_forever` runs it. Port 0 takes a free one."""
    return _Server((host, port), witness)


def load_key(path: Path) -> Ed25519PrivateKey:
    """The private key in `path` (base64, readable by its owner alone), made when missing. Raises PermissionError."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        if path.stat().st_mode & 0o077:
            raise PermissionError(f"{path} is readable by others") from None
        return Ed25519PrivateKey.from_private_bytes(base64.b64decode(path.read_text(), validate=True))
    key = Ed25519PrivateKey.generate()
    with os.fdopen(descriptor, "w") as file:
        file.write(base64.b64encode(key.private_bytes_raw()).decode())
        file.flush()
        os.fsync(file.fileno())
    return key


def main(argv: Sequence[str] | None = None) -> int:
    """Command line; returns the exit code."""
    parser = argparse.ArgumentParser(description="A C2SP witness for transparency logs.")
    commands = parser.add_subparsers(dest="command", required=True)
    show, serve = commands.add_parser("key", help="print this witness's key"), commands.add_parser("serve", help="run")
    for command in (show, serve):
        command.add_argument("--key", type=Path, required=True, help="file of the private key; made when missing")
        command.add_argument("--name", required=True, help="the witness's name, a URL without scheme")
    serve.add_argument("--state", type=Path, required=True, help="SQLite file of what was signed")
    serve.add_argument(
        "--log", action="append", required=True, help="vkey of a log; repeated for others, and for a log's next key"
    )
    serve.add_argument("--host", default="127.0.0.1")
    serve.add_argument("--port", type=int, default=8710)
    arguments = parser.parse_args(argv)
    key = load_key(arguments.key)
    text = vkey(arguments.name, _COSIGNATURE, key.public_key().public_bytes_raw())
    print(text, hashlib.sha256(text.encode()).hexdigest(), sep="\n", flush=True)
    if arguments.command == "serve":
        logs: dict[str, list[bytes]] = {}
        for origin, public_key in map(parse_log, arguments.log):
            logs.setdefault(origin, []).append(public_key)
        witness = Witness(arguments.state, name=arguments.name, key=key, logs=logs)
        with make_server(witness, host=arguments.host, port=arguments.port) as server:
            server.serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main())
