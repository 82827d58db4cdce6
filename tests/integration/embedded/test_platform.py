"""The platform's own processes: servers, issuer, and what is left after it stopped."""

import httpx
import pytest

from cli.platform import ISSUER, Platform
from shared.embedded.home import ProcessIdentity, write_private


@pytest.fixture
async def platform(tmp_path, prefix):
    (tmp_path / "home").mkdir()
    async with Platform(folder=tmp_path / "home", prefix=prefix) as platform:
        yield platform


async def test_issuer_gives_tokens_and_ends_with_the_platform(platform):
    await platform.start_issuer()
    client = platform.clients["visits"]
    async with httpx.AsyncClient(trust_env=False) as http:
        answer = await http.post(
            f"{platform.url(ISSUER)}/token",
            data={"grant_type": "client_credentials"},
            auth=(client.client_id, client.client_secret),
        )
    assert answer.status_code == 200
    process = ProcessIdentity.of(platform.processes[ISSUER].pid)
    await platform.stop()
    assert not process.is_alive()


async def test_killed_process_is_restarted_at_its_address(platform):
    await platform.start_issuer()
    address = platform.url(ISSUER)
    platform.kill_service(ISSUER)
    await platform.restart_service(ISSUER)
    async with httpx.AsyncClient(trust_env=False) as http:
        assert (await http.get(f"{address}/jwks")).status_code == 200


def test_servers_are_required_first(tmp_path):
    with pytest.raises(RuntimeError, match="not started"):
        _ = Platform(folder=tmp_path / "home").admin_url


async def test_external_servers_are_used(platform, servers, postgres, kafka, monkeypatch):
    # The same secret, thus the same passwords: other tests use these principals now.
    write_private(platform.servers.home.folder / "secret", (servers.home.folder / "secret").read_text())
    monkeypatch.setenv("DOORSTEP_DATABASE_URL", postgres)
    monkeypatch.setenv("DOORSTEP_KAFKA_BOOTSTRAP", kafka.bootstrap)
    monkeypatch.setenv("DOORSTEP_KAFKA_PASSWORD", kafka.passwords["admin"])
    await platform.start_servers()
    assert platform.admin_url == postgres
    assert platform.kafka.bootstrap == kafka.bootstrap
    assert not platform.servers.postgres.is_running()
    assert not platform.servers.kafka.is_running()
