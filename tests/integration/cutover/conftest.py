"""The world of a cut-over: the APIs of three services, each on its own database, without a broker."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import APIRouter

from cli.approving import Approver
from services.compliance.domain.cutovers import CutoverTerms, sign
from services.intake.cutover.dry_run import DryRun, written
from services.intake.cutover.manifest import COLUMNS, KINDS, read_manifest
from services.intake.cutover.reading import Reader
from services.intake.cutover.running import Run
from services.intake.cutover.services import Services
from services.intake.tapes.loading import Loader
from services.plans.api.cutovers import build_cutover_router
from services.plans.api.plans import build_router
from services.plans.consumers import subscriptions
from services.plans.cutover_desk import Cutovers
from services.plans.domain.protected_minimum import ProtectedMinimumTable
from services.plans.holds import HoldEndings, Holds
from services.plans.plan_desk import PlanDesk
from services.plans.store.plans import PlanStore
from shared.events.catalogue import CATALOGUE
from shared.security.issuer import DevelopmentIssuer
from shared.security.key_management import LocalKeyManagement
from shared.security.party_keys import PartyCipher
from shared.security.scopes import Client, scopes_of
from shared.web.client import ServiceClient
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


class Token:
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
        service=service, base_url=f"http://{service}.test", token_source=Token(issuer, client_id),
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
        services = Services(*clients, Token(intake.issuer))  # type: ignore[arg-type]
        folder = tmp_path / "files"
        folder.mkdir()
        for number in (1, 2, 3):
            await intake.tell(person(1, party=f"P-{number}"))
        yield World(folder, intake, compliance, plans, services, behind, people)
