"""Manifests of party chains, erasure, and the log's new origin after leaves were lost."""

import base64
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from services.compliance.domain.leaves import commitment
from services.compliance.log.head import ForkRefused, SignedHead
from services.compliance.log.manifest import Entries
from services.compliance.log.note import Checkpoint, NoteKey, opened, sign
from services.compliance.log.origin import OriginRefused, enter_origin, origin_of
from services.compliance.log.sequencer import Sequencer
from services.compliance.store.leaves import erase_people

from .conftest import Desk, visit_contact, visit_request
from .test_log import export, grow, verify


async def records(desk: Desk) -> list[dict[str, Any]]:
    async with desk.database.read_only() as uow:
        rows = await uow.sql.fetch(
            "SELECT e.leaf FROM log_leaf l JOIN log_entry e USING (leaf_id) "
            "WHERE generation = log_generation() ORDER BY leaf_index"
        )
    return [json.loads(bytes(row["leaf"])) for row in rows]


async def test_manifest_covers_what_changed(desk: Desk) -> None:
    await grow(desk, 2)
    await desk.sequencer.step()
    assert await desk.sequencer.add_manifest() == 0
    desk.clock.real += timedelta(hours=1, seconds=1)
    assert await desk.sequencer.add_manifest() == 1
    assert await desk.sequencer.add_manifest() == 0
    *leaves, manifest = await records(desk)
    entries = Entries.of({leaf["party"]: 2 for leaf in leaves})
    assert (manifest["entries"], manifest["entries_root"]) == (len(entries.items), entries.root.hex())
    assert (manifest["number"], manifest["previous_manifest"]) == (1, None)


async def test_next_manifest_covers_only_what_came_since(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.compliance.log.manifest.MANIFEST_AFTER", timedelta(minutes=1))
    await grow(desk, 2)
    await desk.sequencer.step()
    for _ in range(2):
        desk.clock.real += timedelta(minutes=2)
        assert await desk.sequencer.add_manifest() == 1
        await desk.hear()
        await grow(desk, 3)
        await desk.sequencer.step()
    found = [leaf for leaf in await records(desk) if leaf["kind"] == "manifest"]
    assert [(leaf["number"], leaf["entries"]) for leaf in found] == [(1, 2), (2, 3)]
    assert (found[0]["previous_manifest"], found[1]["previous_manifest"] is None) == (None, False)


async def test_erasure_leaves_proofs_and_takes_meaning(desk: Desk, tmp_path: Path) -> None:
    case = await desk.open_case()
    await desk.ask(visit_request(case))
    await desk.sequencer.step()
    path = f"/v1/parties/{case.party_id}/leaves"
    (leaf,) = (await desk.get(path)).json()["items"]
    place = next(one for one in leaf["fields"] if one["name"] == "place")
    salt = base64.b64decode(place["salt"])
    assert commitment(salt, "place", b"88309a5915fffff") == leaf["record"]["committed"]["place"]
    async with desk.database.unit_of_work() as uow:
        await uow.lock_parties([case.party_id])
        await erase_people(uow, desk.instruments.cipher, [case.party_id])
    (erased,) = (await desk.get(path)).json()["items"]
    assert {(one["state"], one["salt"]) for one in erased["fields"]} == {("erased", None)}
    assert erased["leaf"] == leaf["leaf"]
    tar, key = await export(desk, tmp_path)
    assert verify(tar, "--key", key, "--all-signatures").returncode == 0


async def test_chain_after_erasure_is_another_s(desk: Desk, tmp_path: Path) -> None:
    case = await desk.open_case()
    await desk.ask(visit_request(case))
    async with desk.database.unit_of_work() as uow:
        await uow.lock_parties([case.party_id])
        await erase_people(uow, desk.instruments.cipher, [case.party_id])
        # Something else makes the party a new key before its next leaf comes.
        await desk.instruments.cipher.seal(uow, case.party_id, "hold.note", "again")
    assert (await desk.post("/v1/permits", {"items": [visit_request(case)]})).status_code == 410
    await desk.deliver("contact", ("contact.recorded", visit_contact(case, None)))
    await desk.sequencer.step()
    before, after = await records(desk)
    assert before["party"] != after["party"]
    assert (after["party_sequence"], after["previous"]) == (1, None)
    tar, key = await export(desk, tmp_path)
    assert verify(tar, "--key", key).returncode == 0


def keys_of(desk: Desk) -> NoteKey:
    return NoteKey(origin_of("bank", 2), desk.instruments.log_key.public_key)


async def lose_leaves(desk: Desk, folder: Path) -> str:
    """The note of a larger tree is outside; the database was restored to before it."""
    instruments = desk.instruments
    note = sign(
        Checkpoint(instruments.log_key.name, 99, b"\x05" * 32), instruments.log_key,
        instruments.checkpoint_key.sign_bytes,
    )  # fmt: skip
    SignedHead.of(folder, 1, instruments.log_key).remember(note)
    return note


def sequencer(desk: Desk, folder: Path, generation: int) -> Sequencer:
    key = keys_of(desk) if generation == 2 else desk.instruments.log_key
    return Sequencer(
        desk.database, desk.clock, key=key, signer=desk.instruments.checkpoint_key,
        head=SignedHead.of(folder, generation, key), generation=generation,
    )  # fmt: skip


async def test_new_origin_begins_with_the_old_checkpoint(desk: Desk, tmp_path: Path) -> None:
    await grow(desk, 2)
    await desk.sequencer.step()
    note = await lose_leaves(desk, tmp_path)
    old = await records(desk)
    await grow(desk, 1)
    desk.clock.real += timedelta(seconds=2)
    with pytest.raises(ForkRefused):
        await sequencer(desk, tmp_path, 1).step()
    await enter_origin(desk.database, generation=2, key=keys_of(desk), folder=tmp_path)
    await enter_origin(desk.database, generation=2, key=keys_of(desk), folder=tmp_path)
    await sequencer(desk, tmp_path, 2).step()
    first, *rest = await records(desk)
    assert (first["kind"], first["previous_checkpoint"]) == ("origin", note)
    assert rest[: len(old)] == old
    assert len(rest) == 6
    assert opened((await desk.get("/v1/log/checkpoint")).text, keys_of(desk)).size == 7


async def test_process_of_the_old_origin_signs_no_more(desk: Desk, tmp_path: Path) -> None:
    await grow(desk, 1)
    await lose_leaves(desk, tmp_path)
    await enter_origin(desk.database, generation=2, key=keys_of(desk), folder=tmp_path)
    with pytest.raises(ForkRefused, match="another origin"):
        await desk.sequencer.step()


async def test_origin_opens_only_as_the_next_and_with_the_old_checkpoint(desk: Desk, tmp_path: Path) -> None:
    with pytest.raises(OriginRefused, match="not in the folder"):
        await enter_origin(desk.database, generation=2, key=keys_of(desk), folder=tmp_path)
    third = NoteKey(origin_of("bank", 3), desk.instruments.log_key.public_key)
    with pytest.raises(OriginRefused, match="cannot go on at 3"):
        await enter_origin(desk.database, generation=3, key=third, folder=tmp_path)
