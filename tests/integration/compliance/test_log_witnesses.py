"""The log and its witnesses: real database, real witness, real HTTP forms; only the network is short."""

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.compliance.log.cosigner import Cosigner
from services.compliance.log.head import ForkRefused
from services.compliance.log.note import Checkpoint, NoteError, NoteKey, cosigned_at, opened, sign
from services.compliance.log.witnesses import Witness
from tools import witness as standalone

from .conftest import Desk
from .test_log import export, grow, verify


class Watch:
    """A stand-alone witness behind an in-memory transport; `away` takes it off the network."""

    def __init__(self, folder: Path, desk: Desk, number: int) -> None:
        key = Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32)
        log_key = desk.instruments.log_key
        self.real = standalone.Witness(
            folder / f"{number}.db", name=f"witness.test/w{number}", key=key, logs={log_key.name: [log_key.public_key]}
        )
        self.address = Witness(NoteKey.parse(self.real.vkey), f"http://w{number}.test")
        self.away = False

    def answer(self, request: httpx.Request) -> httpx.Response:
        if self.away:
            raise httpx.ConnectError("away", request=request)
        try:
            return httpx.Response(200, text=self.real.add_checkpoint(request.content))
        except standalone.Refused as refused:
            return httpx.Response(
                refused.status, content=refused.detail.encode(), headers={"Content-Type": refused.content_type}
            )


def carrier(desk: Desk, *watches: Watch, archive: Path | None = None) -> Cosigner:
    by_host: dict[str, Callable[[httpx.Request], httpx.Response]] = {
        httpx.URL(watch.address.url).host: watch.answer for watch in watches
    }
    transport = httpx.MockTransport(lambda request: by_host[request.url.host](request))
    return Cosigner(
        desk.database, desk.clock, witnesses=[watch.address for watch in watches], archive=archive,
        http=httpx.AsyncClient(transport=transport),
    )  # fmt: skip


async def sign_more(desk: Desk, parties: int = 1) -> None:
    desk.clock.real += timedelta(seconds=2)
    await desk.hear()
    await grow(desk, parties)
    await desk.sequencer.step()


@pytest.fixture
async def watches(desk: Desk, tmp_path: Path) -> list[Watch]:
    return [Watch(tmp_path, desk, number) for number in (1, 2, 3)]


async def test_every_witness_signs_every_head(desk: Desk, watches: list[Watch]) -> None:
    cosigner = carrier(desk, *watches)
    assert await cosigner.step() == 0
    for _ in range(3):
        await sign_more(desk)
        assert await cosigner.step() == 3
        assert await cosigner.step() == 0
        note = (await desk.get("/v1/log/checkpoint")).text
        assert opened(note, desk.instruments.log_key).size > 0
        for watch in watches:
            assert abs(cosigned_at(note, watch.address.key) - datetime.now(UTC)) < timedelta(minutes=1)


async def test_witness_that_was_away_catches_up(desk: Desk, watches: list[Watch]) -> None:
    cosigner = carrier(desk, *watches)
    await sign_more(desk)
    watches[1].away = True
    assert await cosigner.step() == 2
    await sign_more(desk, 3)
    assert await cosigner.step() == 2
    watches[1].away = False
    assert await cosigner.step() == 1


async def test_lost_answers_are_made_up_by_the_witness_s_own_size(desk: Desk, watches: list[Watch]) -> None:
    """The witness signed, we never heard: it tells its size and the proof starts there."""
    await sign_more(desk)
    await carrier(desk, watches[0]).step()
    await sign_more(desk)
    note = (await desk.get("/v1/log/checkpoint")).text
    old = await desk.get("/v1/log/consistency", first=2)
    body = "old 2\n" + "".join(f"{line}\n" for line in old.json()["path"]) + "\n" + note
    watches[0].real.add_checkpoint(body.encode())
    await sign_more(desk)
    assert await carrier(desk, watches[0]).step() == 1


async def test_answer_of_another_key_is_no_cosignature(desk: Desk, watches: list[Watch]) -> None:
    await sign_more(desk)
    watches[0].real, watches[1].real = watches[1].real, watches[0].real
    assert await carrier(desk, watches[0]).step() == 0


async def test_lost_leaves_are_noticed_by_the_witness(desk: Desk, watches: list[Watch], tmp_path: Path) -> None:
    """A larger tree of ours was cosigned than the one we have: this is a database that lost leaves."""
    await sign_more(desk)
    instruments = desk.instruments
    larger = sign(
        Checkpoint(instruments.log_key.name, 9, hashlib.sha256(b"lost").digest()),
        instruments.log_key,
        instruments.checkpoint_key.sign_bytes,
    )
    watches[0].real.add_checkpoint(f"old 0\n\n{larger}".encode())
    with pytest.raises(ForkRefused, match="signed a tree of 9 leaves, ours has 2"):
        await carrier(desk, watches[0]).step()


async def test_copy_of_a_minute_carries_its_cosignatures(desk: Desk, watches: list[Watch], tmp_path: Path) -> None:
    archive = tmp_path / "outside"
    cosigner = carrier(desk, *watches, archive=archive)
    await sign_more(desk)
    await cosigner.step()
    await sign_more(desk)
    await cosigner.step()
    (copy,) = archive.iterdir()
    assert copy.name == f"{2:020}.note"
    for watch in watches:
        cosigned_at(copy.read_text(), watch.address.key)
    desk.clock.real += timedelta(minutes=1)
    await cosigner.step()
    assert sorted(path.name for path in archive.iterdir()) == [f"{2:020}.note", f"{4:020}.note"]


async def test_export_verifies_with_witnesses_and_manifest(
    desk: Desk, watches: list[Watch], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The contact of `grow` began before its permit was signed for: it is never witnessed-before."""
    cosigner = carrier(desk, *watches[:2])
    await sign_more(desk, 2)
    await cosigner.step()
    monkeypatch.setattr("services.compliance.log.manifest.MANIFEST_AFTER", timedelta(seconds=1))
    desk.clock.real += timedelta(seconds=2)
    await desk.sequencer.step()
    assert await cosigner.step() == 2
    path, key = await export(desk, tmp_path)
    named = [text for watch in watches for text in ("--witness", watch.real.vkey)]
    done = verify(path, "--key", key, "--all-signatures", *named, "--witnesses-required", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 of 3 witnesses required, 4 cosignatures checked" in done.stdout
    assert "1 manifests, 0 leaves of parties behind the last one" in done.stdout
    assert "contacts: 0 witnessed-before" in done.stdout
    done = verify(path, "--key", key, *named)
    assert done.returncode == 1
    assert "2 of 3 cosignatures that are required" in done.stdout


@pytest.mark.parametrize("text", ["", "key http://x", "log.test/audit+00000000+AAAA http://x"])
def test_setting_names_key_and_address(text: str) -> None:
    with pytest.raises(NoteError):
        Witness.parse(text)
