"""Evidence packs from a real database, verified by the stand-alone verifier; every kind of tampering is named."""

import asyncio
import base64
import hashlib
import json
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from services.compliance import erasure_desk
from services.compliance.evidence.custody import CustodyBroken, Handling, add_entry, log_export, prove_export
from services.compliance.evidence.files import PackExists
from services.compliance.evidence.pack import Archive, Pack, scope_of_case, scope_of_party, write_pack
from services.compliance.evidence.scope import Scope, ScopeError
from services.compliance.log.note import NoteKey, sign
from services.compliance.store.sealed import open_terms
from shared.security.signing import SigningKey
from tools import verify_log

from .conftest import Copy, Desk, faults_in, visit_contact, visit_request
from .test_decisions import may_i
from .test_log import grow, verify
from .test_log_witnesses import Watch, carrier

Change = Callable[[list[dict[str, Any]]], None]


def archive_of(desk: Desk, *watches: Watch) -> Archive:
    keys = (desk.instruments.log_key, *(watch.address.key for watch in watches))
    return Archive(database=desk.database, cipher=desk.instruments.cipher, keys=keys, required=len(watches))


async def history(desk: Desk) -> UUID:
    """A person with two cases' worth of leaves among others', a finding, a hold, and two manifests."""
    await grow(desk, 1)
    case = await desk.open_case()
    (permit,) = await desk.ask(visit_request(case))
    await desk.deliver("contact", ("contact.recorded", visit_contact(case, permit, identity_shown=False)))
    await desk.sequencer.step()
    desk.clock.real += timedelta(minutes=2)
    await desk.sequencer.add_manifest()
    await desk.sequencer.step()
    await desk.hear()
    await grow(desk, 2)
    await desk.ask(visit_request(case))
    await may_i(desk, visit_request(case))
    await desk.sequencer.step()
    desk.clock.real += timedelta(minutes=2)
    await desk.sequencer.add_manifest()
    await desk.sequencer.publish_checkpoint()
    return case.party_id


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """A manifest after each minute: tokens of the tests last no hour."""
    monkeypatch.setattr("services.compliance.log.manifest.MANIFEST_AFTER", timedelta(minutes=1))


@pytest.fixture
async def pack(desk: Desk, tmp_path: Path) -> Pack:
    party_id = await history(desk)
    archive = archive_of(desk)
    return await write_pack(archive, await scope_of_party(archive, party_id), tmp_path / "pack")


def faults(pack: Pack, desk: Desk, *, key: NoteKey | None = None) -> list[str]:
    return faults_in(pack.folder, key or desk.instruments.log_key)


def rewrite(pack: Pack | Copy, name: str, change: Change, *, sums: bool = True) -> None:
    """Change the documents of a file; with `sums` the forger also mends SHA256SUMS."""
    path = pack.folder / name
    documents = [json.loads(line) for line in path.read_text().splitlines()]
    change(documents)
    path.write_text("".join(json.dumps(one, ensure_ascii=False, separators=(",", ":")) + "\n" for one in documents))
    if sums:
        stated = pack.folder / "SHA256SUMS"
        lines = [line for line in stated.read_text().splitlines() if not line.endswith(f"  {name}")]
        lines.append(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {name}")
        stated.write_text("".join(f"{line}\n" for line in lines))


async def test_pack_of_a_person_verifies(desk: Desk, pack: Pack) -> None:
    done = await asyncio.to_thread(verify, pack.folder, "--key", desk.instruments.log_key.vkey, "--all-signatures")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "complete up to" in done.stdout
    assert "openings: 7 open" in done.stdout
    contacts = [json.loads(line) for line in (pack.folder / "contacts.jsonl").read_text().splitlines()]
    findings = [json.loads(line) for line in (pack.folder / "findings.jsonl").read_text().splitlines()]
    assert [one["verdict"] for one in contacts] == ["violation"]
    assert findings
    page = (pack.folder / "index.html").read_text()
    assert findings[0]["rule"] in page
    assert "default-src 'none'" in page
    assert "<script" not in page
    assert hashlib.sha256((pack.folder / "SHA256SUMS").read_bytes()).hexdigest() == pack.digest


async def test_permits_tokens_and_other_people_stay_out(desk: Desk, pack: Pack) -> None:
    text = b"".join(path.read_bytes() for path in pack.folder.iterdir())
    async with desk.database.read_only() as uow:
        others = await uow.sql.fetch(
            "SELECT DISTINCT party_id FROM decision WHERE party_id <> $1",
            UUID(json.loads((pack.folder / "pack.json").read_text())["scope"]["party_id"]),
        )
        tokens = await open_terms(uow, desk.instruments.cipher, await uow.sql.fetch("SELECT * FROM permit"))
    assert len(others) == 3
    assert not any(str(row["party_id"]).encode() in text for row in others)
    assert not any(terms is None or terms.token.encode() in text for terms in tokens)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("contacts.jsonl", "contact is left out"), ("decisions.jsonl", "decision is left out"),
     ("permits.jsonl", "permit is left out"), ("findings.jsonl", "finding of"), ("openings.jsonl", "opening of")],
)  # fmt: skip
async def test_record_left_out_is_named(copy: Copy, name: str, expected: str) -> None:
    rewrite(copy, name, lambda documents: documents.__delitem__(0))
    (fault, *_) = copy.faults()
    assert fault.startswith("leaf ")
    assert expected in fault


@pytest.mark.parametrize("place", [0, 1, 2])
async def test_leaf_left_out_of_the_chain_is_named(copy: Copy, place: int) -> None:
    """The first, the middle and the last leaf of the person, with everything that mentions it."""
    read = verify_log.read_pack(verify_log.Files.of(copy.folder))
    chain = [index for index, leaf, _ in read.shown() if "party" in json.loads(leaf)]
    missing = chain[place]
    rewrite(
        copy, "chain.jsonl", lambda documents: documents.remove(next(d for d in documents if d["index"] == missing))
    )
    for name in ("contacts.jsonl", "decisions.jsonl"):
        rewrite(copy, name, lambda rows: rows.__setitem__(slice(None), [r for r in rows if r["leaf_index"] != missing]))
    rewrite(
        copy, "openings.jsonl", lambda rows: rows.__setitem__(slice(None), [r for r in rows if r["index"] != missing])
    )
    assert any("left out" in fault for fault in copy.faults())


async def test_manifest_left_out_is_named(copy: Copy) -> None:
    """Without its last manifests a chain says nothing about its end."""

    def drop(documents: list[dict[str, Any]]) -> None:
        documents[:] = [d for d in documents if b'"kind":"manifest"' not in base64.b64decode(d["leaf"])]

    rewrite(copy, "chain.jsonl", drop)
    assert all("is no manifest of the pack" in fault for fault in copy.faults())
    rewrite(copy, "manifests.jsonl", lambda documents: documents.clear())
    assert copy.faults() == ["no manifest covers the person's chain: the pack is not shown to be complete"]


async def test_what_a_manifest_says_is_proved(copy: Copy) -> None:
    """The person's entry of each manifest, by its path: changed or left out, the leaf is named."""
    assert len((copy.folder / "manifests.jsonl").read_text().splitlines()) == 2
    whole = (copy.folder / "manifests.jsonl").read_bytes()
    rewrite(copy, "manifests.jsonl", lambda documents: documents[1]["entries"][0].update(sequence=1))
    assert any("does not hold the entry shown" in fault for fault in copy.faults())
    (copy.folder / "manifests.jsonl").write_bytes(whole)
    rewrite(copy, "manifests.jsonl", lambda documents: documents.pop())
    assert any("nothing that shows its absence" in fault for fault in copy.faults())


async def test_changed_leaf_is_named(copy: Copy) -> None:
    def change(documents: list[dict[str, Any]]) -> None:
        leaf = base64.b64decode(documents[1]["leaf"]).replace(b"collection", b"statutory!")
        documents[1]["leaf"] = base64.b64encode(leaf).decode()

    index = json.loads((copy.folder / "chain.jsonl").read_text().splitlines()[1])["index"]
    rewrite(copy, "chain.jsonl", change)
    assert copy.faults() == [f"leaf {index}: is not what the signed tree holds there"]


async def test_reordered_leaves_are_named(copy: Copy) -> None:
    rewrite(copy, "chain.jsonl", lambda documents: documents.reverse())
    assert any("out of order" in fault for fault in copy.faults())


async def test_leaves_at_each_other_s_places_are_named(copy: Copy) -> None:
    def swap(documents: list[dict[str, Any]]) -> None:
        documents[0]["leaf"], documents[1]["leaf"] = documents[1]["leaf"], documents[0]["leaf"]

    rewrite(copy, "chain.jsonl", swap)
    assert len([fault for fault in copy.faults() if "not what the signed tree holds" in fault]) == 2


async def test_changed_opening_is_named(copy: Copy) -> None:
    rewrite(copy, "openings.jsonl", lambda documents: documents[0].update(value=base64.b64encode(b"no").decode()))
    (fault,) = copy.faults()
    assert fault.startswith("openings.jsonl line 1 (leaf ")
    assert fault.endswith("does not open the commitment")


@pytest.mark.parametrize(("name", "column"), [("contacts.jsonl", "verdict"), ("decisions.jsonl", "answer")])
async def test_row_that_says_otherwise_is_named(copy: Copy, name: str, column: str) -> None:
    rewrite(copy, name, lambda documents: documents[0].update({column: "lawful?"}))
    (fault,) = copy.faults()
    assert fault.startswith(f"{name} line 1: {column} is not what leaf ")


async def test_contact_s_record_is_held_against_its_commitment(copy: Copy) -> None:
    rewrite(copy, "contacts.jsonl", lambda documents: documents[0]["record"].update(identity_shown=True))
    (fault,) = copy.faults()
    assert "is not the one it commits to" in fault


async def test_altered_file_is_named(copy: Copy) -> None:
    for name in ("index.html", "holds.jsonl"):
        (copy.folder / name).write_bytes((copy.folder / name).read_bytes() + b" ")
    (copy.folder / "more.txt").write_text("x")
    assert copy.faults() == [
        "file holds.jsonl: its bytes are not those that SHA256SUMS names",
        "file index.html: its bytes are not those that SHA256SUMS names",
        "file more.txt: is not one of the pack's",
    ]


async def test_forged_key_and_forked_head_are_named(desk: Desk, pack: Pack, tmp_path: Path) -> None:
    stranger = SigningKey.open(tmp_path / "stranger", "checkpoint")
    foreign = NoteKey(desk.instruments.log_key.name, stranger.public_bytes)
    assert all("signature" in fault or "no checkpoint" in fault for fault in faults(pack, desk, key=foreign))
    assert faults(pack, desk, key=foreign)

    def fork(documents: list[dict[str, Any]]) -> None:
        head = verify_log.parse_head(1, json.dumps(documents[0]))
        other = verify_log_checkpoint(desk, head.size, b"\x09" * 32)
        documents[0]["note"] = other

    rewrite(pack, "checkpoints.ndjson", fork)
    assert any("a forked head" in fault for fault in faults(pack, desk))


def verify_log_checkpoint(desk: Desk, size: int, root: bytes) -> str:
    from services.compliance.log.note import Checkpoint

    key = desk.instruments.log_key
    return sign(Checkpoint(key.name, size, root), key, desk.instruments.checkpoint_key.sign_bytes)


async def test_pack_of_a_month_verifies_and_opens_only_what_judges(desk: Desk, tmp_path: Path) -> None:
    await history(desk)
    watch = Watch(tmp_path, desk, 1)
    await carrier(desk, watch).step()
    archive = archive_of(desk, watch)
    pack = await write_pack(archive, Scope.month("2026-03", "Asia/Shanghai"), tmp_path / "month")
    arguments = ("--key", desk.instruments.log_key.vkey, "--witness", watch.address.key.vkey, "--all-signatures")
    done = await asyncio.to_thread(verify, pack.folder, *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 manifests" in done.stdout
    opened = {json.loads(line)["name"] for line in (pack.folder / "openings.jsonl").read_text().splitlines()}
    assert opened == {"record"}
    with pytest.raises(ScopeError, match="nothing of the period"):
        await write_pack(archive, Scope.year("1999", "UTC"), tmp_path / "year")
    assert not (tmp_path / "year").exists()


async def test_tampering_with_a_period_s_leaves_is_named(desk: Desk, tmp_path: Path) -> None:
    await history(desk)
    archive = archive_of(desk)
    pack = await write_pack(archive, Scope.month("2026-03", "UTC"), tmp_path / "month")
    name = "leaves/000000000000.ndjson"
    whole = (pack.folder / name).read_bytes()

    def changed(rows: list[dict[str, Any]]) -> None:
        rows[3]["leaf"] = base64.b64encode(base64.b64decode(rows[3]["leaf"]).replace(b"visit", b"email")).decode()

    def swapped(rows: list[dict[str, Any]]) -> None:
        rows[1]["leaf"], rows[2]["leaf"] = rows[2]["leaf"], rows[1]["leaf"]

    cases: list[tuple[Change, set[int]]] = [(changed, {3}), (swapped, {1, 2}), (lambda rows: rows.__delitem__(4), {4})]
    for change, places in cases:
        rewrite(pack, name, change)
        found = faults(pack, desk)
        assert {f"leaf {place}: its bytes are not what the signed tree holds" for place in places} <= set(found)
        (pack.folder / name).write_bytes(whole)


async def test_range_in_the_middle_of_the_log_proves_by_its_edge(desk: Desk, tmp_path: Path) -> None:
    await history(desk)
    archive = archive_of(desk)
    desk.clock.business += timedelta(days=40)
    desk.clock.real += timedelta(minutes=2)
    await desk.hear()
    await grow(desk, 2)
    await desk.sequencer.step()
    pack = await write_pack(archive, Scope.month("2026-04", "UTC"), tmp_path / "month")
    header = json.loads((pack.folder / "pack.json").read_text())
    assert header["first_leaf"] > 0
    assert faults(pack, desk) == []
    rewrite(pack, "pack.json", lambda documents: documents[0]["left_edge"].__setitem__(0, "00" * 32))
    assert any("the root does not fit" in fault for fault in faults(pack, desk))


async def test_pack_of_a_case_withholds_the_other_case(desk: Desk, tmp_path: Path) -> None:
    first = await desk.open_case()
    await desk.ask(visit_request(first))
    second = await desk.open_case(party_id=first.party_id, case_id=uuid4(), version=2)
    await desk.ask(visit_request(second, versions={"case": 2}))
    await desk.sequencer.step()
    desk.clock.real += timedelta(minutes=2)
    await desk.sequencer.step()
    archive = archive_of(desk)
    pack = await write_pack(archive, await scope_of_case(archive, second.case_id), tmp_path / "case")
    assert faults(pack, desk) == []
    assert str(first.case_id) not in "".join(path.read_text() for path in pack.folder.iterdir())
    assert len(json.loads((pack.folder / "pack.json").read_text())["withheld"]) == 1
    with pytest.raises(PackExists):
        await write_pack(archive, await scope_of_case(archive, second.case_id), tmp_path / "case")
    with pytest.raises(ScopeError, match="no case"):
        await scope_of_case(archive, uuid4())


async def erase(desk: Desk, party_id: UUID) -> None:
    """The person is erased, and the log's head holds the leaf that says so."""
    async with desk.database.unit_of_work() as uow:
        await uow.lock_parties([party_id])
        await erasure_desk.erase_due(uow, desk.instruments, [party_id])
    await desk.sequencer.step()
    desk.clock.real += timedelta(minutes=2)
    await desk.sequencer.add_manifest()
    await desk.sequencer.publish_checkpoint()


async def test_pack_of_an_erased_person_proves_and_says_nothing(desk: Desk, tmp_path: Path) -> None:
    party_id = await history(desk)
    await erase(desk, party_id)
    archive = archive_of(desk)
    pack = await write_pack(archive, await scope_of_party(archive, party_id), tmp_path / "erased")
    states = {json.loads(line)["state"] for line in (pack.folder / "openings.jsonl").read_text().splitlines()}
    assert states == {"erased"}
    assert faults(pack, desk) == []


async def test_leaves_of_rights_belong_to_the_pack(desk: Desk, tmp_path: Path) -> None:
    party_id = await history(desk)
    party, told = str(party_id), desk.clock.business.isoformat()
    matter = {"party_id": party, "matter": "file:1", "custodian": "counsel-9", "reason": "a court asks for it"}
    assert (await desk.post("/v1/legal-holds", matter)).status_code == 201
    assert (await desk.post("/v1/erasures", {"party_id": party, "received_at": told})).status_code == 409
    assert (await desk.get(f"/v1/parties/{party}/access-pack", received_at=told)).status_code == 200
    await desk.sequencer.step()
    desk.clock.real += timedelta(minutes=2)
    await desk.sequencer.add_manifest()
    await desk.sequencer.publish_checkpoint()
    archive = archive_of(desk)
    pack = await write_pack(archive, await scope_of_party(archive, party_id), tmp_path / "rights")
    assert faults(pack, desk) == []
    leaves = [json.loads(line)["leaf"] for line in (pack.folder / "chain.jsonl").read_text().splitlines()]
    kinds = {json.loads(base64.b64decode(leaf))["kind"] for leaf in leaves}
    assert kinds >= {"legal_hold", "erasure", "access"}


async def test_custody_follows_the_bundle_and_the_export_is_a_leaf(desk: Desk, pack: Pack, tmp_path: Path) -> None:
    key, archive = SigningKey.open(tmp_path / "keys", "custody"), archive_of(desk)
    exported = Handling(action="exported", by="A. Wang", reason="order 12/2026")
    entry = add_entry(pack.folder, exported, key=key, name="bank/custody", at=desk.clock.real)
    leaf_id = await log_export(archive, pack, entry, scope_kind="party")
    desk.clock.real += timedelta(seconds=2)
    await desk.sequencer.step()
    assert await prove_export(archive, pack, leaf_id, wait_seconds=1)
    court = SigningKey.open(tmp_path / "court", "custody")
    handed = Handling(action="handed_over", by="A. Wang", to="Court clerk", reason="hearing")
    add_entry(pack.folder, handed, key=court, name="court/custody", at=desk.clock.real)
    arguments = ["--key", desk.instruments.log_key.vkey]
    for name, one in (("bank/custody", key), ("court/custody", court)):
        arguments += ["--custody-key", NoteKey(name, one.public_bytes).fingerprint]
    done = await asyncio.to_thread(verify, pack.folder, *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "handed_over by A. Wang to Court clerk" in done.stdout
    done = await asyncio.to_thread(verify, pack.folder, *arguments[:4])
    assert "entry 2: is signed by a key that was not named" in done.stdout
    copy = shutil.copytree(pack.folder, tmp_path / "copy")
    lines = (copy / "custody.jsonl").read_text().splitlines()
    (copy / "custody.jsonl").write_text(lines[0].replace("A. Wang", "B. Wang") + "\n" + lines[1] + "\n")
    done = await asyncio.to_thread(verify, copy, *arguments)
    assert "custody.jsonl entry 1: the signature does not verify" in done.stdout
    assert "custody-leaf.json: the leaf names another first entry" in done.stdout
    (pack.folder / "holds.jsonl").write_text("{}\n")
    with pytest.raises(CustodyBroken, match=r"holds\.jsonl was changed"):
        add_entry(pack.folder, handed, key=court, name="court/custody", at=desk.clock.real)
