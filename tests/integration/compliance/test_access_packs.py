"""What a person is given of all five services: one document, one leaf that commits to all of it, or nothing."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
import typer
from typer.testing import CliRunner

from cli import access
from cli.app import app
from services.compliance.domain.leaves import commitment
from services.compliance.evidence.pack import scope_of_party, write_pack
from services.compliance.store.leaves import load_openings
from shared.access.schemas import AccessListsView, examples_of
from shared.canonical import canonical
from shared.ids import draw_shard, entity_id
from shared.security.scopes import SERVICES
from shared.web.client import ServiceClient
from tests.integration.compliance.conftest import NOW, Desk
from tests.integration.compliance.test_evidence import archive_of
from tests.integration.compliance.test_rights import visited
from tools import verify_log

OTHERS = tuple(service for service in SERVICES if service != "compliance")


class _Token:
    """The rights desk's token."""

    def __init__(self, desk: Desk) -> None:
        self._header = desk._headers(client="rights-desk")["Authorization"]

    async def token(self) -> str:
        return self._header.removeprefix("Bearer ")

    def forget(self) -> None:
        return None


def _answers(service: str) -> httpx.MockTransport:
    return httpx.MockTransport(lambda _: httpx.Response(200, json=examples_of(service)[AccessListsView]))


def clients(desk: Desk, **instead: httpx.AsyncBaseTransport) -> Mapping[str, ServiceClient]:
    """Compliance as it is; the other services answer with their examples."""
    transports = {service: _answers(service) for service in OTHERS} | {"compliance": desk.http._transport} | instead
    return {
        service: ServiceClient(
            service=service, base_url=f"http://{service}.test", token_source=_Token(desk), transport=transport,
            max_attempts=1,
        )
        for service, transport in transports.items()
    }  # fmt: skip


async def given(desk: Desk, party: UUID, **instead: httpx.AsyncBaseTransport) -> dict[str, Any]:
    return await access.collect(clients(desk, **instead), party, received_at=NOW, by="anna", reason=None)


async def leaf_of(desk: Desk, document: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, bytes]]:
    """The leaf, and the values that it commits to, each against its commitment."""
    leaf_id, party = UUID(document["leaf_id"]), UUID(document["party_id"])
    async with desk.database.read_only() as uow:
        content = await uow.sql.fetchval("SELECT leaf FROM log_entry WHERE leaf_id = $1", leaf_id)
        opened = (await load_openings(uow, desk.instruments.cipher, [party], [leaf_id]))[leaf_id]
    leaf = json.loads(content)
    for name, one in opened.items():
        assert leaf["committed"][name] == commitment(one.salt, name, one.value or b"")
    return leaf, {name: one.value or b"" for name, one in opened.items()}


async def leaves(desk: Desk) -> int:
    async with desk.database.read_only() as uow:
        found: int = await uow.sql.fetchval("SELECT count(*) FROM log_entry WHERE kind = 'access'")
    return found


async def test_leaf_commits_to_all_that_was_given(desk: Desk) -> None:
    case, _ = await visited(desk)
    document = await given(desk, case.party_id)
    leaf, values = await leaf_of(desk, document)

    digests = {name: hashlib.sha256(canonical(part)).hexdigest() for name, part in document["parts"].items()}
    assert list(digests) == [*OTHERS, "compliance"]
    assert values["pack"].hex() == digests.pop("compliance")
    assert json.loads(values["others"]) == digests
    assert leaf["others"] == sorted(OTHERS)
    assert values["by_whom"] == b"test for anna"


@pytest.mark.parametrize("service", OTHERS)
async def test_service_that_does_not_answer_makes_no_pack(
    desk: Desk, service: str, capsys: pytest.CaptureFixture[str]
) -> None:
    case, _ = await visited(desk)
    away = httpx.MockTransport(lambda _: httpx.Response(503))
    with pytest.raises(typer.Exit):
        await given(desk, case.party_id, **{service: away})
    assert f"refused: {service} does not answer" in capsys.readouterr().err
    assert await leaves(desk) == 0


async def test_part_of_the_services_is_refused(desk: Desk) -> None:
    case, _ = await visited(desk)
    one = {"received_at": NOW.isoformat(), "others": [f"intake:{'0' * 64}"]}
    answer = await desk.get(f"/v1/parties/{case.party_id}/access-pack", **one)
    assert (answer.status_code, answer.json()["errors"][0]["kind"]) == (422, "not_all_services")
    assert await leaves(desk) == 0


async def test_who_is_not_known_or_erased_gets_no_pack(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit):
        await given(desk, entity_id(draw_shard()))
    assert "refused: compliance: not-found" in capsys.readouterr().err
    erased = httpx.Response(410, json={"type": "https://doorstep.example/problems/party-erased", "title": "Erased"})
    with pytest.raises(typer.Exit):
        await given(desk, uuid4(), plans=httpx.MockTransport(lambda _: erased))
    assert "refused: plans: party-erased" in capsys.readouterr().err


async def test_command_writes_the_pack_in_both_languages(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case, _ = await visited(desk)

    @asynccontextmanager
    async def here(_: Any) -> AsyncIterator[Mapping[str, ServiceClient]]:
        yield clients(desk, compliance=httpx.MockTransport(lambda _: answer))

    answer = await desk.get(f"/v1/parties/{case.party_id}/access-pack", received_at=NOW.isoformat())
    monkeypatch.setattr(access, "clients_of", here)
    monkeypatch.setattr(access, "rights_desk_settings", lambda _: None)
    arguments = ["--party", str(case.party_id), "--by", "rights-1", "--out", str(tmp_path / "pack.html")]
    done = await asyncio.to_thread(CliRunner().invoke, app, ["access", *arguments])
    assert done.exit_code == 0, done.output
    page = (tmp_path / "pack.html").read_text()
    for text in (
        "What we keep about you",
        "我们保存的关于您的信息",
        "What was told of your loans",
        "Contacts with you",
    ):
        assert text in page
    document = json.loads((tmp_path / "pack.json").read_text())
    assert document["party_id"] == str(case.party_id)
    assert set(document["parts"]) == set(SERVICES)
    again = await asyncio.to_thread(CliRunner().invoke, app, ["access", *arguments])
    assert (again.exit_code, "exists" in again.output) == (1, True)


async def test_outsider_checks_what_was_given(
    desk: Desk, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.compliance.log.manifest.MANIFEST_AFTER", timedelta(minutes=1))
    case, _ = await visited(desk)
    document = await given(desk, case.party_id)
    await desk.sequencer.step()
    desk.clock.real += timedelta(minutes=2)
    await desk.sequencer.add_manifest()
    await desk.sequencer.publish_checkpoint()
    archive = archive_of(desk)
    pack = await write_pack(archive, await scope_of_party(archive, case.party_id), tmp_path / "pack")
    file = tmp_path / "given.json"
    arguments = [str(pack.folder), "--key", desk.instruments.log_key.vkey, "--given", str(file)]
    file.write_text(json.dumps(document, ensure_ascii=False, indent=1))
    assert verify_log.main(arguments) == 0
    assert f"leaf {document['leaf_id']} commits to" in capsys.readouterr().out
    document["parts"]["plans"]["lists"][0]["rows"].clear()
    del document["parts"]["visits"]
    file.write_text(json.dumps(document))
    assert verify_log.main(arguments) == 1
    told = capsys.readouterr().out
    assert "FAULT given: what plans gave is not what leaf" in told
    assert "FAULT given: what visits gave is left out" in told
