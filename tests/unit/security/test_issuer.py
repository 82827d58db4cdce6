"""The development issuer and the clients that use it."""

import asyncio
from pathlib import Path

import httpx
import pytest

from shared.security.clients import create_clients
from shared.security.issuer import DevelopmentIssuerRefusedError, IssuerSettings, issuer_app_of
from shared.security.scopes import CLIENTS, scopes_of
from shared.security.token_source import ClientCredentials, TokenUnavailableError
from shared.security.tokens import TokenVerifier
from tests.unit.security.conftest import Counting, Monotonic


def source(
    line: Counting, monotonic: Monotonic, *, secret: str = "v" * 24, client_id: str = "visits", **more: object
) -> ClientCredentials:
    return ClientCredentials(
        issuer="http://issuer.test",
        client_id=client_id,
        client_secret=secret,
        audience="doorstep",
        transport=line,
        monotonic=monotonic,
        **more,  # type: ignore[arg-type]
    )


async def test_token_is_cached_until_near_its_end(
    line: Counting, monotonic: Monotonic, verifier: TokenVerifier
) -> None:
    tokens = source(line, monotonic)
    first = (await asyncio.gather(*(tokens.token() for _ in range(10))))[0]
    assert (await verifier.verify(first)).scopes == {"compliance.read-windows", "intake.snapshot"}
    monotonic.seconds += 719
    assert await tokens.token() == first
    monotonic.seconds += 2
    assert await tokens.token() != first
    assert line.paths.count("/token") == 2


async def test_forgotten_token_is_fetched_again(line: Counting, monotonic: Monotonic) -> None:
    tokens = source(line, monotonic)
    first = await tokens.token()
    tokens.forget()
    assert await tokens.token() != first


async def test_fewer_scopes(line: Counting, monotonic: Monotonic, verifier: TokenVerifier) -> None:
    tokens = source(line, monotonic, scopes=frozenset({"intake.snapshot"}))
    assert (await verifier.verify(await tokens.token())).scopes == {"intake.snapshot"}


async def test_foreign_scope_is_not_granted(line: Counting, monotonic: Monotonic) -> None:
    with pytest.raises(TokenUnavailableError, match="400"):
        await source(line, monotonic, scopes=frozenset({"compliance.set-hold"})).token()


@pytest.mark.parametrize(("client_id", "secret"), [("visits", "wrong"), ("nobody", "v" * 24), ("", "")])
async def test_wrong_secret(line: Counting, monotonic: Monotonic, client_id: str, secret: str) -> None:
    with pytest.raises(TokenUnavailableError, match="401"):
        await source(line, monotonic, client_id=client_id, secret=secret).token()


async def test_issuer_away(line: Counting, monotonic: Monotonic) -> None:
    line.cut = True
    with pytest.raises(TokenUnavailableError):
        await source(line, monotonic).token()


async def test_driver_speaks_for_a_collector(line: Counting, monotonic: Monotonic, verifier: TokenVerifier) -> None:
    parameters = {"subject": "collector-7", "attributes": '{"collector_id": "7"}'}
    tokens = source(line, monotonic, client_id="demo-driver", secret="d" * 24, parameters=parameters)
    caller = await verifier.verify(await tokens.token())
    assert (caller.subject, caller.client_id, caller.attribute("collector_id")) == ("collector-7", "demo-driver", "7")


async def test_others_speak_for_themselves_only(line: Counting, monotonic: Monotonic) -> None:
    with pytest.raises(TokenUnavailableError, match="400"):
        await source(line, monotonic, parameters={"subject": "somebody"}).token()


async def test_rotation_over_http(line: Counting) -> None:
    async with httpx.AsyncClient(transport=line, base_url="http://issuer.test") as http:
        before = (await http.get("/jwks")).json()["keys"]
        assert (await http.post("/rotate", auth=("visits", "v" * 24))).status_code == 403
        assert (await http.post("/rotate", auth=("demo-driver", "d" * 24))).status_code == 200
        after = (await http.get("/jwks")).json()["keys"]
    assert [key["kid"] for key in after[1:]] == [key["kid"] for key in before]
    assert not any("d" in key for key in after)


async def test_large_form_is_refused(line: Counting) -> None:
    async with httpx.AsyncClient(transport=line, base_url="http://issuer.test") as http:
        assert (await http.post("/token", content=b"a" * 20_000)).status_code == 413


@pytest.mark.parametrize("environment", ["production", None])
def test_issuer_refuses_production(tmp_path: Path, environment: str | None) -> None:
    create_clients(tmp_path / "clients.json")
    chosen = {"environment": environment} if environment else {}
    settings = IssuerSettings(issuer_clients=tmp_path / "clients.json", **chosen)  # type: ignore[arg-type]
    with pytest.raises(DevelopmentIssuerRefusedError):
        issuer_app_of(settings)


def test_clients_follow_the_catalogue(tmp_path: Path) -> None:
    clients = create_clients(tmp_path / "keys" / "clients.json")
    assert clients.keys() == CLIENTS
    assert all(client.scopes == scopes_of(name) for name, client in clients.items())
    assert len({client.client_secret for client in clients.values()}) == len(clients)
    assert create_clients(tmp_path / "keys" / "clients.json") == clients
    assert (tmp_path / "keys" / "clients.json").stat().st_mode & 0o777 == 0o600


def test_readable_client_file_is_refused(tmp_path: Path) -> None:
    create_clients(tmp_path / "clients.json")
    (tmp_path / "clients.json").chmod(0o644)
    with pytest.raises(PermissionError):
        create_clients(tmp_path / "clients.json")
