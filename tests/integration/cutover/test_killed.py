"""A cut-over whose process is killed goes on where it was."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import uvicorn

from services.intake.cutover.manifest import read_manifest
from services.intake.cutover.reading import Reader
from services.intake.cutover.running import Run
from services.intake.cutover.services import Services
from services.intake.folding import Folding
from services.intake.settings import IntakeSettings
from services.intake.tapes.loading import Loader
from shared.clock import FixedClock
from shared.database import Database
from shared.embedded.home import free_port
from shared.security.key_management import LocalKeyManagement
from shared.security.party_keys import PartyCipher
from shared.security.sealing import RecordSealer
from shared.settings import ServiceSettings
from shared.web.client import ServiceClient
from tests.integration.cutover.conftest import NOW, Token, World
from tests.unit.intake.tapes.tapes import released


@asynccontextmanager
async def served(http: httpx.AsyncClient) -> AsyncIterator[str]:
    """The service behind that client, on a port of this machine."""
    port = free_port()
    app = http._transport.app  # type: ignore[attr-defined]
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_config=None, lifespan="off"))
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - it has no event to wait for
        await asyncio.sleep(0.01)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    await serving


@dataclass(frozen=True)
class Errand:
    """What a process of its own needs to carry a cut-over out, and after which call it is killed."""

    folder: Path
    urls: dict[str, str]
    tokens: dict[str, str]
    settings: ServiceSettings
    report: dict[str, Any]
    terms: tuple[dict[str, Any], list[dict[str, Any]]]
    tape: Any
    dies_in: str


@dataclass(frozen=True)
class _Given:
    text: str

    async def token(self) -> str:
        return self.text

    def forget(self) -> None:
        return None

    async def close(self) -> None:
        return None


def _run_and_die(errand: Errand) -> None:
    """In a process of its own: `kill -9` when a service has committed and nobody has read its answer."""

    async def run_and_die() -> None:
        of = {name: ServiceClient(service=name, base_url=url, token_source=_Given(errand.tokens[name]))
              for name, url in errand.urls.items()}  # fmt: skip
        services = Services(of["intake"], of["compliance"], of["plans"], _Given(""))  # type: ignore[arg-type]
        call = getattr(services, errand.dies_in)

        async def and_die(*values: Any, **more: Any) -> Any:
            await call(*values, **more)
            os.kill(os.getpid(), signal.SIGKILL)

        object.__setattr__(services, errand.dies_in, and_die)
        clock = FixedClock(NOW, datetime.now(UTC))
        database = await Database.open(errand.settings, clock, service="intake")
        own, keys = IntakeSettings(), LocalKeyManagement.open(errand.settings.key_folder, "intake")
        folding = Folding(own, own.policy(), PartyCipher(keys, tenant=errand.settings.tenant))
        loader = Loader(database, folding, RecordSealer(keys, service="intake"))

        async def load_loans() -> Mapping[str, Any]:
            await loader.load(errand.folder / "loans.csv", errand.tape, released())
            return {}

        named, _ = read_manifest(errand.folder / "cutover.toml")
        reader = Reader(errand.folder, named, services, reserve=True)
        await Run(reader, named, errand.report, services, released().contract, load_loans).run(*errand.terms)

    asyncio.run(run_and_die())


async def test_kill_9_of_the_running_command_between_its_steps_imports_everything_once(world: World) -> None:
    report = await world.dry_run()
    terms = world.terms(report)
    async with AsyncExitStack() as stack:
        urls = {name: await stack.enter_async_context(served(http)) for name, (http, _) in world.behind.items()}
        tokens = {name: await Token(issuer).token() for name, (_, issuer) in world.behind.items()}
        for step in ("take_over", "take_over_plans"):
            errand = Errand(world.folder, urls, tokens, world.intake.settings, report, terms, world.tape, step)
            process = multiprocessing.get_context("spawn").Process(target=_run_and_die, args=(errand,))
            process.start()
            while process.is_alive():
                for clock in (world.intake.clock, world.compliance.clock, world.plans.clock):
                    clock.real = datetime.now(UTC)  # the tokens of another process are of this moment
                await world.carry()
                await asyncio.sleep(0.05)
            assert process.exitcode == -signal.SIGKILL
    run = world.run(report)
    assert run.differences(await run.run(*terms)) == []
    counted = "SELECT (SELECT count(*) FROM tape_file), (SELECT count(*) FROM case_history)"
    assert tuple((await world.intake.fetch(counted))[0]) == (1, 2)
    async with world.compliance.database.read_only() as uow:
        contacts = await uow.sql.fetchval("SELECT count(*) FROM contact_audit")
    assert (contacts, sorted([one["kind"] for one in await world.held()])) == (
        2, ["complaint", "hardship", "plan_active"],
    )  # fmt: skip
