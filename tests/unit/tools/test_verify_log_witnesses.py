"""The stand-alone verifier on witnesses, manifests and the order of permit and contact; tampering is named."""

import base64
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.compliance.log.note import COSIGNATURE, Checkpoint, NoteKey, sign
from services.compliance.log.reference import leaf_hash, root
from tools import verify_log

PRIVATE = Ed25519PrivateKey.from_private_bytes(b"\x07" * 32)
KEY = NoteKey("log.test/audit", PRIVATE.public_key().public_bytes_raw())
WITNESSES = [Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32) for number in (11, 12, 13)]
KEYS = [
    NoteKey(f"witness.test/w{place}", key.public_key().public_bytes_raw(), COSIGNATURE)
    for place, key in enumerate(WITNESSES)
]
# Seconds since 1970 of the first permit, and how long after it what follows happens.
START = 1_800_000_000


def moment(seconds: float) -> str:
    return datetime.fromtimestamp(START + seconds, UTC).isoformat().replace("+00:00", "Z")


class Log:
    """Leaves as compliance writes them, checkpoints where asked, cosignatures by whom and when."""

    def __init__(self) -> None:
        self.leaves: list[bytes] = []
        self.heads: list[dict[str, Any]] = []
        self.chains: dict[str, tuple[int, str | None]] = {}
        self.changed: dict[str, int] = {}
        self.manifest: tuple[int, str | None] = (0, None)

    def party(self, name: str, kind: str, **content: Any) -> None:
        number, previous = self.chains.get(name, (0, None))
        self.add(kind, party=name, party_sequence=number + 1, previous=previous, **content)
        self.chains[name] = (number + 1, leaf_hash(self.leaves[-1]).hex())
        self.changed[name] = number + 1

    def add(self, kind: str, **content: Any) -> None:
        self.leaves.append(json.dumps({"kind": kind, **content}).encode())

    def permit(self, name: str, at: float, *, party: str = "a") -> None:
        self.party(party, "decision", permit_id=name, recorded_at=moment(at))

    def contact(self, name: str | None, at: float, *, party: str = "a") -> None:
        self.party(party, "contact", permit_id=name, started_real=moment(at))

    def close(self, **changes: Any) -> None:
        number, previous = self.manifest
        content = {
            "number": number + 1, "part": 1, "parts": 1, "previous_manifest": previous, "parties": self.changed
        } | changes  # fmt: skip
        self.add("manifest", **content)
        self.manifest = (number + 1, leaf_hash(self.leaves[-1]).hex())
        self.changed = {}

    def sign(self, at: float, *signed: tuple[int, float], day: str = "2026-03-01") -> None:
        hashes = [leaf_hash(leaf) for leaf in self.leaves]
        note = sign(Checkpoint(KEY.name, len(hashes), root(hashes)), KEY, PRIVATE.sign)
        note += "".join(cosignature(note, place, int(START + time)) for place, time in signed)
        self.heads.append({"tree_size": len(hashes), "published_at": f"{day}T00:00:{int(at):02}Z", "note": note})

    def write(self, folder: Path) -> Path:
        files = {
            "leaves/000000000000.ndjson": "".join(
                f'{{"index":{place},"leaf":"{base64.b64encode(leaf).decode()}"}}\n'
                for place, leaf in enumerate(self.leaves)
            ),
            "leaf_hashes/000000000000.txt": "".join(f"{leaf_hash(leaf).hex()}\n" for leaf in self.leaves),
            "checkpoints.ndjson": "".join(f"{json.dumps(head)}\n" for head in self.heads),
            "keys.txt": "".join(f"{key.vkey}\n" for key in (KEY, *KEYS)),
        }
        for name, text in files.items():
            (folder / name).parent.mkdir(exist_ok=True, parents=True)
            (folder / name).write_text(text)
        return folder


def cosignature(note: str, place: int, timestamp: int) -> str:
    body = note.rpartition("\n\n")[0] + "\n"
    signature = WITNESSES[place].sign(f"cosignature/v1\ntime {timestamp}\n{body}".encode())
    raw = KEYS[place].key_id + timestamp.to_bytes(8) + signature
    return f"— {KEYS[place].name} {base64.b64encode(raw).decode()}\n"


def report(folder: Path, *, required: int = 2, all_signatures: bool = True) -> verify_log.Report:
    keys = [verify_log.parse_key(key.vkey, verify_log.WITNESS_KEY) for key in KEYS]
    return verify_log.verify(
        verify_log.read_export(folder), verify_log.parse_key(KEY.vkey), all_signatures=all_signatures,
        witnesses=verify_log.Witnesses(keys, required),
    )  # fmt: skip


def story() -> Log:
    """Two permits under witnessed heads; four contacts, each in another relation to its permit."""
    log = Log()
    log.permit("p1", 0)
    log.sign(1, (0, 2), (1, 5), (2, 9))
    log.permit("p2", 10)
    log.contact("p1", 6, party="a")
    log.contact("p2", 12)
    log.contact("p2", 9)
    log.contact(None, 13)
    log.sign(20, (0, 21), (1, 22))
    return log


def test_contacts_are_put_before_and_after(tmp_path: Path) -> None:
    found = report(story().write(tmp_path))
    assert found.problems == []
    assert found.contacts == {"witnessed-before": 1, "claimed-before": 1, "after": 1, "without permit": 1}
    assert found.cosignatures == 5


@pytest.mark.parametrize(("required", "started", "place"), [
    (1, 2.5, "claimed-before"), (1, 3.0, "witnessed-before"), (2, 5.9, "claimed-before"), (2, 6.0, "witnessed-before"),
    (3, 9.0, "claimed-before"), (3, 10.0, "witnessed-before"),
])  # fmt: skip
def test_the_kth_witness_counts(tmp_path: Path, required: int, started: float, place: str) -> None:
    log = Log()
    log.permit("p", 0)
    log.sign(1, (0, 2), (1, 5), (2, 9))
    log.contact("p", started)
    log.sign(20, (0, 21), (1, 22), (2, 23))
    assert report(log.write(tmp_path), required=required).contacts == {place: 1}


def test_too_few_cosignatures_on_the_last_head(tmp_path: Path) -> None:
    found = report(story().write(tmp_path), required=3)
    assert found.problems == ["checkpoint 2: 2 of 3 cosignatures that are required"]


@pytest.mark.parametrize("all_signatures", [True, False])
def test_forged_cosignature_is_named(tmp_path: Path, all_signatures: bool) -> None:
    log = story()
    other = cosignature(log.heads[0]["note"], 1, START + 22)
    lines = log.heads[1]["note"].split("\n")
    log.heads[1]["note"] = "\n".join([*lines[:-2], other])
    problems = report(log.write(tmp_path), all_signatures=all_signatures).problems
    assert "checkpoint 2: the cosignature of witness.test/w1 does not verify" in problems


def test_changed_time_of_a_cosignature_is_found(tmp_path: Path) -> None:
    log = story()
    note = log.heads[0]["note"]
    earlier = cosignature(note, 1, START - 1)
    raw = base64.b64decode(earlier.split(" ")[2])
    sound = base64.b64decode(note.split("\n")[6].split(" ")[2])
    mixed = base64.b64encode(raw[:12] + sound[12:]).decode()
    log.heads[0]["note"] = note.replace(note.split("\n")[6].split(" ")[2], mixed)
    assert report(log.write(tmp_path)).problems == [
        "checkpoint 1: the cosignature of witness.test/w1 does not verify"
    ]  # fmt: skip


def test_forked_head_is_named(tmp_path: Path) -> None:
    """A head of another history, signed by the log's own key: the leaves betray it."""
    log, other = story(), story()
    other.leaves[2] = other.leaves[2].replace(b"p1", b"p2")
    other.heads.clear()
    other.sign(20, (0, 21), (1, 22))
    log.heads[1] = other.heads[0]
    assert "checkpoint 2: the root does not fit the leaves" in report(log.write(tmp_path)).problems


def test_forged_key_is_named(tmp_path: Path) -> None:
    log = story()
    forger = Ed25519PrivateKey.from_private_bytes(b"\x09" * 32)
    for head in log.heads:
        size = head["tree_size"]
        checkpoint = Checkpoint(KEY.name, size, root([leaf_hash(leaf) for leaf in log.leaves[:size]]))
        head["note"] = sign(checkpoint, KEY, forger.sign)
    problems = report(log.write(tmp_path)).problems
    assert problems[:2] == [f"checkpoint {number}: the signature does not verify" for number in (1, 2)]


def test_reordered_leaves_are_named(tmp_path: Path) -> None:
    log = story()
    hashes = tmp_path / "leaf_hashes/000000000000.txt"
    log.write(tmp_path)
    sound = hashes.read_text()
    log.leaves[3], log.leaves[4] = log.leaves[4], log.leaves[3]
    folder = log.write(tmp_path)
    hashes.write_text(sound)
    assert report(folder).problems == [
        f"leaf {place}: its bytes are not what the signed tree holds" for place in (3, 4)
    ]  # fmt: skip


def test_removed_leaf_is_named(tmp_path: Path) -> None:
    log = story()
    del log.leaves[3]
    problems = report(log.write(tmp_path)).problems
    assert "checkpoint 2: not enough leaves" in problems


def manifested() -> Log:
    log = Log()
    log.permit("p1", 0, party="a")
    log.permit("p2", 0, party="b")
    log.close()
    log.permit("p3", 0, party="b")
    log.close()
    log.permit("p4", 0, party="c")
    return log


def test_manifests_cover_their_leaves(tmp_path: Path) -> None:
    log = manifested()
    log.sign(1, (0, 2), (1, 2))
    found = report(log.write(tmp_path))
    assert (found.problems, found.manifests, found.uncovered) == ([], 2, 1)


@pytest.mark.parametrize(("changes", "detail"), [
    ({"parties": {"a": 1, "b": 3}}, "manifest 1 says 3 of party b, its chain 1"),
    ({"parties": {"a": 1}}, "manifest 1 says None of party b, its chain 1"),
    ({"parties": {"a": 1, "b": 1, "c": 1}}, "manifest 1 says 1 of party c, its chain None"),
    ({"number": 2}, "a manifest is missing before number 2, part 1"),
    ({"previous_manifest": "00" * 32}, "a manifest is missing before number 1, part 1"),
])  # fmt: skip
def test_manifest_that_does_not_fit_is_named(tmp_path: Path, changes: dict[str, Any], detail: str) -> None:
    """An operator who left out the end of a chain before signing is betrayed by the manifest, or the other way."""
    log = Log()
    log.permit("p1", 0, party="a")
    log.permit("p2", 0, party="b")
    log.close(**changes)
    log.sign(1, (0, 2), (1, 2))
    assert f"leaf 2: {detail}" in report(log.write(tmp_path)).problems


def test_left_out_manifest_is_named(tmp_path: Path) -> None:
    log = manifested()
    del log.leaves[2]
    log.sign(1, (0, 2), (1, 2))
    problems = report(log.write(tmp_path)).problems
    assert "leaf 3: a manifest is missing before number 2, part 1" in problems


def test_new_origin_names_the_old_log(tmp_path: Path) -> None:
    old = NoteKey("log.test/old", KEY.public_key)
    log = Log()
    log.add("origin", previous_checkpoint=sign(Checkpoint(old.name, 9, b"\x01" * 32), old, PRIVATE.sign))
    log.sign(1, (0, 2), (1, 2))
    found = report(log.write(tmp_path))
    assert (found.problems, found.continues) == ([], "log.test/old of 9 leaves")
    forged = Log()
    forged.add("origin", previous_checkpoint=sign(Checkpoint(old.name, 9, b"\x01" * 32), old, WITNESSES[0].sign))
    forged.sign(1, (0, 2), (1, 2))
    assert "older log's last checkpoint" in report(forged.write(tmp_path)).problems[0]


@pytest.mark.parametrize(("arguments", "code"), [
    ([], 0),
    (["--witness", KEYS[0].vkey, "--witness", KEYS[1].fingerprint], 0),
    ([*(text for key in KEYS for text in ("--witness", key.fingerprint)), "--witnesses-required", "2"], 0),
    ([text for key in KEYS for text in ("--witness", key.fingerprint)], 1),
    (["--witness", KEYS[0].vkey, "--witnesses-required", "2"], 2),
    (["--witness", KEYS[0].vkey, "--witness", KEYS[0].fingerprint], 2),
    (["--witness", KEYS[0].vkey, "--witnesses-required", "0"], 2),
    (["--witness", KEY.vkey], 2),
])  # fmt: skip
def test_witnesses_come_from_the_command_line(tmp_path: Path, arguments: list[str], code: int) -> None:
    folder = story().write(tmp_path)
    assert verify_log.main([str(folder), "--fingerprint", KEY.fingerprint, *arguments]) == code


def test_without_witnesses_nothing_is_witnessed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    verify_log.main([str(story().write(tmp_path)), "--key", KEY.vkey])
    said = capsys.readouterr().out
    assert "no witness named" in said
    assert "contacts: 0 witnessed-before, 2 claimed-before, 1 after, 1 without permit" in said


def entries(parties: dict[str, int]) -> dict[str, Any]:
    """What a manifest says: the root of the tree over its sorted entries."""
    hashes = [leaf_hash(f"{party} {number}".encode()) for party, number in sorted(parties.items())]
    return {"entries": len(hashes), "entries_root": root(hashes).hex()}


@pytest.mark.parametrize(("said", "sound"), [
    ({"a": 1, "b": 1}, True), ({"a": 1, "b": 2}, False), ({"a": 1}, False), ({"a": 1, "b": 1, "c": 1}, False),
])  # fmt: skip
def test_manifest_by_root_covers_its_leaves(tmp_path: Path, said: dict[str, int], sound: bool) -> None:
    log = Log()
    log.permit("p1", 0, party="a")
    log.permit("p2", 0, party="b")
    log.close(parties={}, **entries(said))
    log.permit("p3", 0, party="b")
    log.close(parties={}, **entries({"b": 2}))
    log.sign(1, (0, 2), (1, 2))
    found = report(log.write(tmp_path))
    assert (found.problems == [], found.manifests) == (sound, 2)
    assert sound or "leaf 2: manifest 1 does not say where the chains before it had come to" in found.problems
