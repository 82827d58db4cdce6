"""A log that falls behind stops permits; a missing head and a changed key are nobody's secret."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from services.compliance.log.head import ForkRefused, HeadMissing, SignedHead
from services.compliance.log.keys import announce_key
from services.compliance.log.note import Checkpoint, NoteError, NoteKey, sign
from services.compliance.log.origin import refuse_missing_head
from services.compliance.log.restoring import HeadPresent, restore_head
from services.compliance.log.sequencer import Sequencer
from shared.security.signing import SigningKey

from .conftest import Desk, visit_request
from .test_decisions import may_i
from .test_log import export, grow, verify


def refusals(answer: dict[str, object]) -> list[str]:
    return [reason["rule"] for reason in answer["reasons"]]  # type: ignore[attr-defined]


async def beat(desk: Desk) -> None:
    """Fresh feeders, while the sequencer stands still."""
    sequencer, desk.sequencer = desk.sequencer, Idle()  # type: ignore[assignment]
    await desk.hear()
    desk.sequencer = sequencer


class Idle:
    async def integrate(self) -> int:
        return 0

    async def publish_checkpoint(self) -> None:
        return None


async def test_five_minutes_behind_stops_permits_until_a_head_is_signed(desk: Desk) -> None:
    await grow(desk, 1)
    for age, expected in ((timedelta(minutes=5), []), (timedelta(seconds=1), ["LOG-BEHIND"])):
        desk.clock.real += age
        await beat(desk)
        (answer,) = await desk.ask(visit_request(await desk.open_case()))
        assert refusals(answer) == expected
    assert (answer["decision"], answer["reasons"][0]["lawful_after"]) == ("needs-fact", "log.current")
    assert answer["reasons"][0]["citation"].startswith("Doorstep, proof")
    await desk.sequencer.step()
    (answer,) = await desk.ask(visit_request(await desk.open_case()))
    assert answer["decision"] == "allow"


async def test_leaves_integrated_but_not_signed_for_are_behind_too(desk: Desk) -> None:
    await grow(desk, 1)
    await desk.sequencer.integrate()
    desk.clock.real += timedelta(minutes=6)
    await beat(desk)
    (answer,) = await desk.ask(visit_request(await desk.open_case()))
    assert refusals(answer) == ["LOG-BEHIND"]
    (dry,) = await may_i(desk, visit_request(await desk.open_case()))
    assert (dry["decision"], refusals(dry)) == ("needs-fact", ["LOG-BEHIND"])


async def test_missing_head_is_never_made_anew(desk: Desk, tmp_path: Path) -> None:
    head = SignedHead(tmp_path / "log-head.note", desk.instruments.log_key)
    await refuse_missing_head(desk.database, head, generation=1)
    await grow(desk, 1)
    await desk.sequencer.step()
    with pytest.raises(HeadMissing, match="restore-head"):
        await refuse_missing_head(desk.database, head, generation=1)
    await grow(desk, 1)
    desk.clock.real += timedelta(seconds=2)
    signer = sequencer(desk, desk.instruments.checkpoint_key, head)
    with pytest.raises(HeadMissing):
        await signer.step()
    assert not head.path.exists()


async def test_head_comes_back_only_as_a_signed_note_of_this_tree(desk: Desk, tmp_path: Path) -> None:
    await grow(desk, 2)
    await desk.sequencer.step()
    key = desk.instruments.log_key
    note = (await desk.get("/v1/log/checkpoint")).text
    head = SignedHead(tmp_path / "log-head.note", key)
    foreign = sign(Checkpoint(key.name, 4, b"\x05" * 32), key, desk.instruments.checkpoint_key.sign_bytes)
    with pytest.raises(NoteError):
        await restore_head(desk.database, head, note.replace("\n4\n", "\n3\n"), keys=[key])
    with pytest.raises(ForkRefused):
        await restore_head(desk.database, head, foreign, keys=[key])
    assert (await restore_head(desk.database, head, note, keys=[key])).size == 4
    assert head.note() == note
    with pytest.raises(HeadPresent):
        await restore_head(desk.database, head, note, keys=[key])


def sequencer(desk: Desk, key: SigningKey, head: SignedHead) -> Sequencer:
    named = NoteKey(desk.instruments.log_key.name, key.public_bytes)
    return Sequencer(desk.database, desk.clock, key=named, signer=key, head=head)


async def rotate(desk: Desk, settings_folder: Path) -> tuple[SigningKey, Sequencer]:
    key = SigningKey.open(settings_folder, "checkpoint")
    key.rotate()
    old, new = (NoteKey(desk.instruments.log_key.name, one.public_bytes) for one in reversed(key.versions))
    assert old == desk.instruments.log_key
    head = SignedHead(desk.sequencer._head.path, new, older_keys=[old])
    return key, sequencer(desk, key, head)


async def test_new_key_is_followed_from_the_old_fingerprint(desk: Desk, tmp_path: Path) -> None:
    await grow(desk, 1)
    await desk.sequencer.step()
    key, signer = await rotate(desk, desk.sequencer._head.path.parent)
    assert await announce_key(desk.database, origin=desk.instruments.log_key.name, versions=key.versions)
    assert not await announce_key(desk.database, origin=desk.instruments.log_key.name, versions=key.versions)
    await grow(desk, 1)
    desk.clock.real += timedelta(seconds=2)
    await signer.step()
    tar, old_key = await export(desk, tmp_path)
    done = await asyncio.to_thread(verify, tar, "--key", old_key, "--all-signatures")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "the key was changed at leaf 2" in done.stdout
    new_key = NoteKey(desk.instruments.log_key.name, key.public_bytes)
    assert (await asyncio.to_thread(verify, tar, "--key", new_key.vkey)).returncode == 1


async def test_process_with_the_old_key_signs_no_more(desk: Desk) -> None:
    await grow(desk, 1)
    await desk.sequencer.step()
    key, _ = await rotate(desk, desk.sequencer._head.path.parent)
    await announce_key(desk.database, origin=desk.instruments.log_key.name, versions=key.versions)
    desk.clock.real += timedelta(seconds=2)
    with pytest.raises(ForkRefused, match="key was changed"):
        await desk.sequencer.step()


async def test_key_that_nobody_announced_signs_nothing(desk: Desk, tmp_path: Path) -> None:
    await grow(desk, 1)
    await desk.sequencer.step()
    stranger = SigningKey.open(tmp_path / "other", "checkpoint")
    with pytest.raises(ForkRefused, match="does not hold the one in use"):
        await announce_key(desk.database, origin=desk.instruments.log_key.name, versions=stranger.versions)
