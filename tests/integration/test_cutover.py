"""A cut-over through the APIs of the three services that take part, each on its own database, without a broker."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import multiprocessing
import os
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi import APIRouter

from cli.approving import Approver
from services.compliance import erasure_desk
from services.compliance.domain.cutovers import CutoverTerms, sign
from services.intake.cutover.dry_run import DryRun, written
from services.intake.cutover.manifest import COLUMNS, KINDS, read_manifest
from services.intake.cutover.reading import Reader
from services.intake.cutover.running import Run
from services.intake.cutover.services import Services
from services.intake.folding import Folding
from services.intake.settings import IntakeSettings
from services.intake.tapes.loading import Loader
from services.plans.api import build_router
from services.plans.consumers import subscriptions
from services.plans.cutover_api import build_cutover_router
from services.plans.cutovers import Cutovers
from services.plans.desk import PlanDesk
from services.plans.domain.protected_minimum import ProtectedMinimumTable
from services.plans.holds import HoldEndings, Holds
from services.plans.store import PlanStore
from shared.clock import FixedClock
from shared.database import Database
from shared.embedded.home import free_port
from shared.events.catalogue import CATALOGUE
from shared.security.issuer import DevelopmentIssuer
from shared.security.key_management import LocalKeyManagement
from shared.security.party_keys import PartyCipher
from shared.security.scopes import Client, scopes_of
from shared.security.sealing import RecordSealer
from shared.settings import ServiceSettings
from shared.web.client import RemoteProblem, ServiceClient
from tests.databases import Shelf
from tests.integration.assignment.harness import Desk as PlansDesk
from tests.integration.assignment.harness import open_desk
from tests.integration.compliance.conftest import Desk, visit_request
from tests.integration.compliance.conftest import desk as compliance  # noqa: F401 - a fixture
from tests.integration.intake.conftest import NOW, Service, intake  # noqa: F401 - a fixture
from tests.unit.intake.facts import person
from tests.unit.intake.tapes.tapes import DAY, manifest, released, row, write

BEFORE = "2025-01-01"
FILES: dict[str, list[dict[str, str]]] = {
    "people": [{"party_ref": f"P-{number}", "history": "complete"} for number in (1, 2, 3)],
    "steps": [
        {"record_ref": "s-1", "party_ref": "P-3", "step": "remind", "done_at": "2026-03-01T02:00:00Z"},
        {"record_ref": "s-2", "party_ref": "P-3", "step": "letter", "done_at": "2026-03-05T02:00:00Z"},
    ],
    "holds": [{"record_ref": "h-1", "party_ref": "P-2", "kind": "hardship", "valid_from": "2026-02-01T00:00:00Z"}],
    "complaints": [
        {"record_ref": "c-1", "party_ref": "P-2", "channel": "web", "received_at": "2026-03-01T00:00:00Z"}
    ],
    "plans": [
        {
            "record_ref": "p-1", "party_ref": "P-1", "basis": "signed_plan", "kind": "instalments", "currency": "CNY",
            "debt": "500.00", "schedule": "2026-03-20=200.00 2026-04-20=300.00", "agreed_at": "2025-11-01T00:00:00Z",
            "review_on": "2026-05-01", "document_ref": "doc-1", "document_sha256": "a" * 64,
        }
    ],
    "contacts": [
        {
            "record_ref": f"k-{number}", "party_ref": "P-3", "channel": "visit", "outcome": "met", "reached": "debtor",
            "started_at": f"2026-03-0{number}T02:00:00Z", "ended_at": f"2026-03-0{number}T02:20:00Z",
        }
        for number in (7, 8)
    ],
    "third_persons": [
        {
            "record_ref": "t-1", "contact_point": "+8613800000001", "asked_on": "2026-02-01", "asked": "1",
            "refused": "yes",
        }
    ],
}  # fmt: skip


class _Token:
    """A client with the scopes that it is granted, as the issuer would."""

    def __init__(self, issuer: DevelopmentIssuer, client_id: Client = "cutover") -> None:
        self._issuer = issuer
        self._client_id = client_id

    async def token(self) -> str:
        scopes = " ".join(sorted(scopes_of(self._client_id)))
        return self._issuer.sign({"sub": self._client_id, "client_id": self._client_id, "scope": scopes})

    def forget(self) -> None:
        return None

    async def close(self) -> None:
        return None


def client(
    service: str, http: httpx.AsyncClient, issuer: DevelopmentIssuer, client_id: Client = "cutover"
) -> ServiceClient:
    return ServiceClient(
        service=service, base_url=f"http://{service}.test", token_source=_Token(issuer, client_id),
        transport=http._transport,
    )  # fmt: skip


@dataclass
class World:
    """Three services and the files of a cut-over."""

    folder: Path
    intake: Service
    compliance: Desk
    plans: PlansDesk
    services: Services
    behind: dict[str, tuple[httpx.AsyncClient, DevelopmentIssuer]]
    people: list[Approver]
    files: dict[str, list[dict[str, str]]] = field(
        default_factory=lambda: {kind: [dict(one) for one in rows] for kind, rows in FILES.items()}
    )
    published: int = 0

    def write(self) -> None:
        """The files and their manifests."""
        loans = [row(number, late=500) for number in (1, 2, 3)]
        tape = write(self.folder, "loans.csv", "csv", loans)
        self.tape = manifest(tape, loans)
        lines = [
            'cutover_id = "old-2026"', 'core = "core-a"', f"business_date = {DAY}", 'places = ["CN"]',
            f"history_from = {BEFORE}", "[loans]", 'feed = "core-a-loans"', 'file = "loans.csv"',
            f'sha256 = "{self.tape.sha256}"', "rows = 3",
        ]  # fmt: skip
        for kind in KINDS:
            text = "\n".join([",".join(COLUMNS[kind]), *(self._line(kind, one) for one in self.files[kind])]) + "\n"
            (self.folder / f"{kind}.csv").write_text(text)
            sha256 = hashlib.sha256(text.encode()).hexdigest()
            lines += ["[[file]]", f'kind = "{kind}"', f'file = "{kind}.csv"', f'sha256 = "{sha256}"']
            lines += [f"rows = {len(self.files[kind])}"]
            lines += ['totals = [{ currency = "CNY", rest = "500.00" }]'] if kind == "plans" else []
        (self.folder / "cutover.toml").write_text("\n".join(lines))

    @staticmethod
    def _line(kind: Any, one: Mapping[str, str]) -> str:
        return ",".join(one.get(name, "") for name in COLUMNS[kind])

    async def dry_run(self) -> dict[str, Any]:
        self.write()
        self.manifest, sha256 = read_manifest(self.folder / "cutover.toml")
        self.rejections = io.StringIO()
        return await DryRun(
            self.folder, self.manifest, sha256, self.services, released(), self.tape, self.rejections
        ).report()

    def run(self, report: dict[str, Any]) -> Run:
        loader = Loader(self.intake.database, self.intake.folding, self.intake.sealer)

        async def load_loans() -> Mapping[str, Any]:
            done = await loader.load(self.folder / "loans.csv", self.tape, released())
            await self.carry()
            totals = [list(one) for one in done.totals]
            return {
                "rows": done.total_rows, "overdue": done.overdue_rows, "refused": done.refused_rows, "totals": totals,
            }  # fmt: skip

        reader = Reader(self.folder, self.manifest, self.services, reserve=True)
        return Run(reader, self.manifest, report, self.services, released().contract, load_loans, cases_wait_seconds=0)

    async def carry(self) -> None:
        """What intake published reaches compliance and plans."""
        told = (await self.intake.told())[self.published :]
        self.published += len(told)
        for name, data in told:
            if name.startswith("case."):
                fact = (name, CATALOGUE[name].model.model_validate(data))
                await self.compliance.deliver("case", fact)
                await self.plans.deliver("case", fact)

    async def held(self) -> list[Any]:
        """All holds at compliance."""
        async with self.compliance.database.read_only() as uow:
            return list(await uow.sql.fetch("SELECT * FROM hold"))

    def signed(self, stage: Any, said: Any) -> list[dict[str, Any]]:
        on = self.compliance.clock.real.date()
        return [
            sign(stage, said, approver=one.person, on=on, key=one.key.vkey, signs=one.signing.sign_bytes).model_dump(
                mode="json"
            )
            for one in self.people
        ]

    def terms(self, report: dict[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        one = self.manifest
        terms = CutoverTerms(
            cutover_id=one.cutover_id, core=one.core, business_date=one.business_date, history_from=one.history_from,
            places=list(one.places), manifest_sha256=report["manifest_sha256"],
            dry_run_sha256=hashlib.sha256(written(report)).hexdigest(), expected=report["expected"],
        ).document()  # fmt: skip
        return terms, self.signed("begin", terms)

    async def accept(self, run: Run, read_back: dict[str, Any]) -> int:
        sha256 = hashlib.sha256(json.dumps(read_back).encode()).hexdigest()
        said = {"cutover_id": "old-2026", "read_back_sha256": sha256}
        return await run.accept(sha256, self.signed("accept", said))

    async def asked(self, party_ref: str) -> str:
        """Whether a permit for a visit would be granted."""
        party_id = (await self.services.ids("core-a", [party_ref], reserve=False)).parties[party_ref]
        case = await self.intake.fetch("SELECT case_id FROM case_file WHERE party_id = $1", party_id)
        body = {"items": [visit_request(_Case(party_id, case[0][0]))]}
        answer = await self.compliance.post("/v1/permits", body)
        item = answer.json()["items"][0]
        facts = {one["lawful_after"] for one in item["reasons"]}
        return "unattested" if "party.history_known_from" in facts else item["decision"]


@dataclass
class _Case:
    party_id: Any
    case_id: Any


@pytest.fixture
async def world(
    service_settings: Any,
    shelf: Shelf,
    tmp_path: Path,
    intake: Service,  # noqa: F811
    compliance: Desk,  # noqa: F811
) -> AsyncIterator[World]:
    compliance.clock.business = NOW
    people = [Approver.open(tmp_path / one, one) for one in ("Ann Ames", "Bob Bell")]
    registered = tuple(one.registration(compliance.clock.real.date()) for one in people)
    object.__setattr__(compliance.instruments, "approver_keys", registered)
    settings = await service_settings("plans", with_kafka=False, oidc_issuer="http://issuer.test")
    store = PlanStore(PartyCipher(LocalKeyManagement.open(settings.key_folder, "plans"), tenant=settings.tenant))
    of_plans = client("compliance", compliance.http, compliance.issuer, "plans")

    def build(_: Any) -> Any:
        router = APIRouter()
        router.include_router(build_router(PlanDesk(store, ProtectedMinimumTable.load(), Holds(of_plans)), store))
        router.include_router(build_cutover_router(Cutovers(store, of_plans)))
        return subscriptions(store), [HoldEndings(Holds(of_plans))], router

    async with open_desk(settings, shelf=shelf, service="plans", now=NOW, build=build) as plans, intake.api() as api:
        behind = {
            "intake": (api, intake.issuer), "compliance": (compliance.http, compliance.issuer),
            "plans": (plans.http, plans.issuer),
        }  # fmt: skip
        clients = (client(name, http, issuer) for name, (http, issuer) in behind.items())
        services = Services(*clients, _Token(intake.issuer))  # type: ignore[arg-type]
        folder = tmp_path / "files"
        folder.mkdir()
        for number in (1, 2, 3):
            await intake.tell(person(1, party=f"P-{number}"))
        yield World(folder, intake, compliance, plans, services, behind, people)


async def test_what_was_announced_is_held_and_then_people_are_attested(world: World) -> None:
    report = await world.dry_run()
    assert (report["objections"], report["ready"]) == ([], True)
    assert report["expected"] == {"hold": 2, "complaint": 1, "contact": 2, "third_person": 1}
    run = world.run(report)
    read_back = await run.run(*world.terms(report))
    assert (run.differences(read_back), run.refused) == ([], [])
    assert read_back["plans"] == {"held": 1, "rests_minor": {"CNY": 50_000}}
    assert read_back["steps"] == {"held": 2, "of_nobody": 0}
    assert {await world.asked(f"P-{number}") for number in (1, 2, 3)} == {"unattested"}
    assert await world.accept(run, read_back) == 3
    assert {await world.asked(f"P-{number}") for number in (1, 2, 3)} & {"unattested"} == set()


async def test_a_killed_run_goes_on_and_imports_nothing_twice(world: World) -> None:
    report = await world.dry_run()
    first = world.run(report)
    calls = 0

    async def killed(*_: Any) -> Any:
        nonlocal calls
        calls += 1
        raise KeyboardInterrupt

    services = world.services
    object.__setattr__(services, "take_over_plans", killed)
    with pytest.raises(KeyboardInterrupt):
        await first.run(*world.terms(report))
    object.__delattr__(services, "take_over_plans")
    run = world.run(report)
    assert run.differences(await run.run(*world.terms(report))) == []
    assert run.differences(await run.run(*world.terms(report))) == []
    rows = await world.intake.fetch("SELECT count(*) FROM tape_file")
    assert (calls, rows[0][0]) == (1, 1)


async def test_a_plan_that_is_refused_for_good_leaves_no_hold_that_keeps_contact_away(world: World) -> None:
    world.files["plans"][0]["party_ref"] = "P-9"
    report = await world.dry_run()
    run = world.run(report)
    read_back = await run.run(*world.terms(report))
    assert [(one.kind, one.row) for one in run.refused] == [("plans", 1)]
    await world.plans.work()
    (held,) = (one for one in await world.held() if one["kind"] == "plan_active")
    assert held["ended_cause"] == "plan_not_imported"
    assert [one.what for one in run.differences(read_back)] == ["plans", "rests of plans, minor units"]
    again = world.run(report)
    await again.run(*world.terms(report))
    assert [one.kind for one in again.refused] == ["plans"], "still, and whatever became of the case"
    assert await world.accept(run, read_back) == 3, "the others need not wait"


async def test_who_is_erased_between_dry_run_and_import_does_not_make_it_begin_anew(world: World) -> None:
    report = await world.dry_run()
    party_id = (await world.services.ids("core-a", ["P-1"], reserve=True)).parties["P-1"]
    async with world.compliance.database.unit_of_work() as uow:
        await uow.lock_parties([party_id])
        await erasure_desk.erase_due(uow, world.compliance.instruments, [party_id])
    run = world.run(report)
    read_back = await run.run(*world.terms(report))
    assert run.differences(read_back) == []
    assert (read_back["erased"], read_back["left_out_plans"]["held"], read_back["plans"]["held"]) == ({"hold": 1}, 1, 0)
    assert await world.accept(run, read_back) == 2


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
        tokens = {name: await _Token(issuer).token() for name, (_, issuer) in world.behind.items()}
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


async def test_rejected_rows_are_named_and_their_people_stay_refused(world: World) -> None:
    world.files["contacts"][0]["ended_at"] = "2026-03-01T00:00:00Z"
    world.files["holds"].append({"record_ref": "h-2", "party_ref": "P-1", "kind": "whim", "valid_from": "yesterday"})
    world.files["people"][2]["party_ref"] = "P-3"
    report = await world.dry_run()
    assert report["ready"], report["objections"]
    rejected = [line.split(",")[:2] for line in world.rejections.getvalue().splitlines()[1:]]
    assert rejected == [["holds", "2"], ["contacts", "1"]]
    assert report["history_incomplete"] == ["P-3"]
    run = world.run(report)
    read_back = await run.run(*world.terms(report))
    assert await world.accept(run, read_back) == 2
    assert await world.asked("P-3") == "unattested"


@pytest.mark.parametrize(
    ("kind", "change", "objection"),
    [
        ("contacts", {"party_ref": ""}, "names nobody"),
        ("plans", {"schedule": "2026-03-20=200.00"}, "the manifest says 500.00"),
        ("contacts", {"record_ref": "k-8"}, "repeat a reference"),
    ],
)
async def test_what_is_not_whole_cannot_be_signed(world: World, kind: str, change: Any, objection: str) -> None:
    world.files[kind][0] |= change
    report = await world.dry_run()
    assert not report["ready"]
    assert objection in " ".join(report["objections"])


async def test_nothing_begins_without_two_signatures(world: World) -> None:
    report = await world.dry_run()
    terms, signatures = world.terms(report)
    run = world.run(report)
    with pytest.raises(RemoteProblem, match="cutover-not-signed"):
        await run.run(terms, signatures[:1])
    assert await world.intake.fetch("SELECT 1 FROM tape_file") == []
