"""The stand-alone witness: its protocol, its memory, and what it never signs."""

import base64
import hashlib
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from pathlib import Path

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.compliance.log.note import Checkpoint, NoteKey, cosigned_at, sign
from services.compliance.log.reference import EMPTY_ROOT, consistency_path, leaf_hash, root
from tools.witness import Refused, Witness, extends, load_key, main, make_server, parse_log

PRIVATE = Ed25519PrivateKey.from_private_bytes(b"\x01" * 32)
LOG = NoteKey("log.test/audit", PRIVATE.public_key().public_bytes_raw())
WITNESS = Ed25519PrivateKey.from_private_bytes(b"\x02" * 32)
HASHES = [leaf_hash(bytes([place])) for place in range(20)]
FORK = [*HASHES[:4], *(leaf_hash(bytes([place, 1])) for place in range(4, 20))]
NOW = 1_800_000_000


def note(size: int, hashes: list[bytes] = HASHES, *, value: bytes | None = None) -> str:
    return sign(Checkpoint(LOG.name, size, value or root(hashes[:size])), LOG, PRIVATE.sign)


def submission(old: int, size: int, hashes: list[bytes] = HASHES, *, path: list[bytes] | None = None) -> bytes:
    steps = (consistency_path(old, hashes[:size]) if 0 < old < size else []) if path is None else path
    lines = "".join(f"{base64.b64encode(value).decode()}\n" for value in steps)
    return f"old {old}\n{lines}\n{note(size, hashes)}".encode()


@pytest.fixture
def witness(tmp_path: Path) -> Witness:
    return Witness(
        tmp_path / "w.db", name="witness.test/w1", key=WITNESS, logs={LOG.name: [LOG.public_key]}, clock=lambda: NOW
    )


def status(witness: Witness, content: bytes) -> HTTPStatus:
    try:
        witness.add_checkpoint(content)
    except Refused as refused:
        return refused.status
    return HTTPStatus.OK


def test_cosignature_verifies_with_its_time(witness: Witness) -> None:
    line = witness.add_checkpoint(submission(0, 5))
    assert cosigned_at(note(5) + line, NoteKey.parse(witness.vkey)).timestamp() == NOW


def test_key_id_is_that_of_a_cosignature(witness: Witness) -> None:
    expected = hashlib.sha256(b"witness.test/w1\n\x04" + WITNESS.public_key().public_bytes_raw()).digest()[:4]
    assert NoteKey.parse(witness.vkey).key_id == expected


@pytest.mark.parametrize("size", range(1, 20))
def test_every_growth_is_signed(witness: Witness, size: int) -> None:
    old = 0
    for step in (size, size, 20):
        assert status(witness, submission(old, step)) is HTTPStatus.OK
        old = step


def test_memory_outlives_the_process(witness: Witness, tmp_path: Path) -> None:
    witness.add_checkpoint(submission(0, 7))
    again = Witness(tmp_path / "w.db", name="witness.test/w1", key=WITNESS, logs={LOG.name: [LOG.public_key]})
    assert status(again, submission(0, 9)) is HTTPStatus.CONFLICT
    assert status(again, submission(7, 9)) is HTTPStatus.OK


def test_log_that_changes_its_key_is_followed_once_both_are_named(witness: Witness, tmp_path: Path) -> None:
    witness.add_checkpoint(submission(0, 7))
    successor = NoteKey(LOG.name, WITNESS.public_key().public_bytes_raw())
    signed = sign(Checkpoint(LOG.name, 9, root(HASHES[:9])), successor, WITNESS.sign)
    path = "".join(f"{base64.b64encode(value).decode()}\n" for value in consistency_path(7, HASHES[:9]))
    asked = f"old 7\n{path}\n{signed}".encode()
    assert status(witness, asked) is HTTPStatus.FORBIDDEN
    keys = {LOG.name: [LOG.public_key, successor.public_key]}
    both = Witness(tmp_path / "w.db", name="witness.test/w1", key=WITNESS, logs=keys)
    assert status(both, asked) is HTTPStatus.OK
    assert status(both, submission(9, 10)) is HTTPStatus.OK


def test_conflict_tells_the_size(witness: Witness) -> None:
    witness.add_checkpoint(submission(0, 7))
    with pytest.raises(Refused) as refused:
        witness.add_checkpoint(submission(5, 9))
    assert (refused.value.detail, refused.value.content_type) == ("7\n", "text/x.tlog.size")


@pytest.mark.parametrize("size", range(7, 20))
def test_fork_is_never_signed(witness: Witness, size: int) -> None:
    witness.add_checkpoint(submission(0, 7))
    assert status(witness, submission(7, size, FORK)) is HTTPStatus.UNPROCESSABLE_ENTITY
    assert status(witness, submission(7, size)) is HTTPStatus.OK


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", HTTPStatus.BAD_REQUEST),
        (b"\xff", HTTPStatus.BAD_REQUEST),
        (b"old 07\n\n" + note(9).encode(), HTTPStatus.BAD_REQUEST),
        (b"old -1\n\n" + note(9).encode(), HTTPStatus.BAD_REQUEST),
        (b"old 10\n\n" + note(9).encode(), HTTPStatus.BAD_REQUEST),
        (b"old 0\nAAAA\n\n" + note(9).encode(), HTTPStatus.BAD_REQUEST),
        (submission(0, 9, path=[HASHES[0]] * 64), HTTPStatus.BAD_REQUEST),
        (submission(0, 9, path=[HASHES[0]]), HTTPStatus.UNPROCESSABLE_ENTITY),
        (submission(0, 9).replace(LOG.name.encode(), b"log.test/other"), HTTPStatus.NOT_FOUND),
        (submission(0, 9).replace(b"\n9\n", b"\n8\n"), HTTPStatus.FORBIDDEN),
        (submission(0, 9).split("— ".encode())[0] + "— other AAAAAAAA\n".encode(), HTTPStatus.FORBIDDEN),
        (b"old 0\n\n" + note(0, value=HASHES[0]).encode(), HTTPStatus.UNPROCESSABLE_ENTITY),
        (b"old 0\n\n" + note(0, value=EMPTY_ROOT).encode(), HTTPStatus.OK),
    ],
)
def test_refusals(witness: Witness, content: bytes, expected: HTTPStatus) -> None:
    assert status(witness, content) is expected


def test_signature_of_an_unknown_key_is_ignored(witness: Witness) -> None:
    other = NoteKey("other", WITNESS.public_key().public_bytes_raw())
    line = sign(Checkpoint("other", 9, root(HASHES[:9])), other, WITNESS.sign).splitlines()[-1]
    assert status(witness, submission(0, 9) + f"{line}\n".encode()) is HTTPStatus.OK


def test_racing_callers_cannot_roll_back(witness: Witness) -> None:
    witness.add_checkpoint(submission(0, 5))
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda size: status(witness, submission(5, size)), [9, 12, 7, 15] * 4))
    assert found.count(HTTPStatus.OK) == 1
    assert set(found) == {HTTPStatus.OK, HTTPStatus.CONFLICT}


def test_consistency_agrees_with_the_definition() -> None:
    for new in range(2, 21):
        for old in range(1, new):
            path = consistency_path(old, HASHES[:new])
            known = {"old": old, "new": new, "old_root": root(HASHES[:old]), "new_root": root(HASHES[:new])}
            assert extends(**known, proof=path)  # type: ignore[arg-type]
            assert not extends(**known, proof=[*path, HASHES[0]])  # type: ignore[arg-type]
            assert not extends(**known, proof=path[:-1])  # type: ignore[arg-type]


@pytest.fixture
def address(witness: Witness) -> Iterator[str]:
    server = make_server(witness, host="127.0.0.1", port=0)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_over_http(address: str) -> None:
    origin_hash = hashlib.sha256(LOG.name.encode()).hexdigest()
    with httpx.Client(base_url=address) as http:
        assert http.get(f"/{origin_hash}/checkpoint").status_code == 404
        done = http.post("/add-checkpoint", content=submission(0, 5))
        assert (done.status_code, done.text[:2]) == (200, "— ")
        conflict = http.post("/add-checkpoint", content=submission(0, 6))
        assert (conflict.status_code, conflict.headers["Content-Type"], conflict.text) == (
            409, "text/x.tlog.size", "5\n"
        )  # fmt: skip
        assert http.get(f"/{origin_hash}/checkpoint").text == note(5) + done.text
        assert http.get("/elsewhere").status_code == 404
        assert http.post("/elsewhere", content=b"x").status_code == 404
        assert http.post("/add-checkpoint", content=b"x" * 70_000).status_code == 413


def test_key_is_made_once_and_kept_private(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "witness.key"
    assert main(["key", "--key", str(path), "--name", "witness.test/w1"]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert NoteKey.parse(printed[0]).fingerprint == printed[1]
    assert load_key(path).private_bytes_raw() == load_key(path).private_bytes_raw()
    path.chmod(0o644)
    with pytest.raises(PermissionError):
        load_key(path)


@pytest.mark.parametrize("text", ["", "a+b+c", LOG.vkey[:-4] + "AAA=", LOG.vkey.replace("log.test", "log.other")])
def test_other_keys_are_no_log_keys(text: str) -> None:
    assert parse_log(LOG.vkey) == (LOG.name, LOG.public_key)
    with pytest.raises(ValueError, match=r"\S"):
        parse_log(text)
