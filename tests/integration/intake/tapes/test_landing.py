"""Landing places: a folder, a real SFTP server, an object store; the same files, the same effect."""

import json
from contextlib import asynccontextmanager

import asyncssh
import obstore
import pytest
from obstore.store import LocalStore, MemoryStore

from services.intake.tapes.collecting import Collector
from services.intake.tapes.landing import LandingError, LocalFolder, ObjectFolder, open_landing
from services.intake.tapes.loading import Loader
from tests.unit.intake.tapes.tapes import manifest_document, released, row, write


@asynccontextmanager
async def sftp_server(folder, keys):
    """A real server over `folder`; yields the address, the client's key and the file of known hosts."""
    host, client = asyncssh.generate_private_key("ssh-ed25519"), asyncssh.generate_private_key("ssh-ed25519")
    key_file, known_hosts, authorised = keys / "key", keys / "known_hosts", keys / "authorised"
    key_file.write_bytes(client.export_private_key())
    authorised.write_bytes(client.export_public_key())
    server = await asyncssh.listen(
        "127.0.0.1", 0, server_host_keys=[host], authorized_client_keys=str(authorised),
        sftp_factory=lambda channel: asyncssh.SFTPServer(channel, chroot=str(folder).encode()),
    )  # fmt: skip
    port = server.get_port()
    public = host.export_public_key().decode().strip()
    known_hosts.write_text(f"[127.0.0.1]:{port} {public}\n")
    async with server:
        yield f"sftp://bank@127.0.0.1:{port}/in", key_file, known_hosts


@asynccontextmanager
async def landing_at(kind, folder, keys):
    """The files of `folder / "in"` behind one kind of place."""
    if kind == "folder":
        async with open_landing(f"file://{folder}/in") as landing:
            yield landing
    elif kind == "sftp":
        async with (
            sftp_server(folder, keys) as (address, key_file, known_hosts),
            open_landing(address, key_file=key_file, known_hosts=known_hosts) as landing,
        ):
            yield landing
    elif kind == "local store":
        yield ObjectFolder(LocalStore(folder), "in")
    else:
        store = MemoryStore()
        for path in (folder / "in").iterdir():
            await obstore.put_async(store, f"in/{path.name}", path.read_bytes())
        yield ObjectFolder(store, "in")


@pytest.fixture
def bank(tmp_path):
    """Leaves files."""
    folder = tmp_path / "bank" / "in"
    folder.mkdir(parents=True)

    def leave(number, content, **given):
        path = write(folder, f"night-{number}.csv", "csv", content)
        told = manifest_document(path, content, **{"sequence": number, "core_sequence": 100 * number, **given})
        (folder / f"night-{number}.csv.manifest.json").write_text(json.dumps(told))

    return leave


@pytest.fixture
def keys(tmp_path):
    folder = tmp_path / "ssh"
    folder.mkdir()
    return folder


def _collector(intake, landing, tmp_path):
    loader = Loader(intake.database, intake.folding, intake.sealer)
    return Collector(loader, landing, lambda _: released(), tmp_path / "spool")


@pytest.mark.parametrize("kind", ["folder", "sftp", "local store", "memory store"])
async def test_files_are_loaded_in_order_and_once(intake, bank, tmp_path, keys, kind):
    bank(2, [row(1, late=5), row(2, late=7), row(3, late=1)])
    bank(1, [row(1, late=5), row(2, late=6)])
    bank(9, [row(9, late=9)], feed="another")
    (tmp_path / "bank" / "in" / "readme.txt").write_text("not a tape")
    (tmp_path / "bank" / "in" / "x.manifest.json").write_text("{")
    async with landing_at(kind, tmp_path / "bank", keys) as landing:
        collector = _collector(intake, landing, tmp_path)
        found = await collector.collect("core-a-loans")
        assert [(one.manifest, one.file and (one.file.state, one.file.facts)) for one in found] == [
            ("x.manifest.json", None),
            ("night-1.csv.manifest.json", ("loaded", 2)),
            ("night-2.csv.manifest.json", ("loaded", 2)),
        ]
        assert [one.manifest for one in await collector.collect("core-a-loans")] == ["x.manifest.json"]
    assert list((tmp_path / "spool").iterdir()) == []


async def test_one_file_that_fails_leaves_a_gap_that_stops_the_next(intake, bank, tmp_path):
    bank(1, [row(1, late=5)])
    bank(2, [row(1, late=5)], rows=7)
    bank(3, [row(1, late=5)])
    found = await _collector(intake, LocalFolder(tmp_path / "bank" / "in"), tmp_path).collect("core-a-loans")
    assert [one.file.state for one in found] == ["loaded", "refused", "refused"]
    assert found[2].file.reasons == ("gap: file 3 came after 1; 2 is next",)


async def test_a_manifest_without_its_file(intake, bank, tmp_path):
    bank(1, [row(1, late=5)])
    (tmp_path / "bank" / "in" / "night-1.csv").unlink()
    (found,) = await _collector(intake, LocalFolder(tmp_path / "bank" / "in"), tmp_path).collect("core-a-loans")
    assert (found.file, found.problem) == (None, f"night-1.csv is no file of {tmp_path / 'bank' / 'in'}")


async def test_copies_of_killed_loaders_are_deleted(intake, bank, tmp_path):
    bank(1, [row(1, late=5)])
    left = tmp_path / "spool" / "core-a-loans.999999999"
    left.mkdir(parents=True)
    (left / "tape").write_text("P-1")
    await _collector(intake, LocalFolder(tmp_path / "bank" / "in"), tmp_path).collect("core-a-loans")
    assert not left.exists()


async def test_sftp_talks_to_no_unknown_host(tmp_path, keys):
    (tmp_path / "in").mkdir()
    async with sftp_server(tmp_path, keys) as (address, key_file, known_hosts):
        known_hosts.write_text("")
        with pytest.raises(LandingError, match="not trusted"):
            async with open_landing(address, key_file=key_file, known_hosts=known_hosts):
                pass
        with pytest.raises(LandingError, match="known hosts"):
            async with open_landing(address):
                pass


@pytest.mark.parametrize("name", ["../secret", "a/b", "..", ""])
async def test_names_stay_in_their_folder(tmp_path, name):
    with pytest.raises(LandingError):
        await LocalFolder(tmp_path).fetch(name, tmp_path / "t")
    with pytest.raises(LandingError):
        await ObjectFolder(MemoryStore()).read(name)


async def test_links_are_not_followed(tmp_path):
    (tmp_path / "secret").write_text("s")
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "tape.csv").symlink_to(tmp_path / "secret")
    assert await LocalFolder(folder).names() == []
    with pytest.raises(LandingError):
        await LocalFolder(folder).read("tape.csv")


async def test_an_unknown_kind_of_place():
    with pytest.raises(LandingError, match="ftp:// is no landing place"):
        async with open_landing("ftp://bank/in"):
            pass
