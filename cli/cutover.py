"""`cutover`: from another system into the services: check, dry run, two signatures, run, read back, two signatures."""

import asyncio
import hashlib
import json
import os
import tomllib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import typer
from rich.console import Console
from rich.table import Table

from cli.approving import Approver, Day, Keys, PersonName, approval_day, toml_table
from cli.attached import Prefix, attached_settings, refusal
from cli.progress import StepProgress
from cli.tapes import MANIFEST, Contracts, contract_of, manifest_of

if TYPE_CHECKING:
    from services.intake.cutover.manifest import CutoverManifest
    from services.intake.cutover.running import Run
    from services.intake.cutover.services import Services
    from services.intake.tapes.approvals import Released
    from services.intake.tapes.contract import Contract
    from services.intake.tapes.manifest import Manifest
    from services.intake.tapes.survey import Tell

cutover_app = typer.Typer(no_args_is_help=True, help="Cut-over: take over what another system kept, once, by two.")
console = Console(soft_wrap=True)
T = TypeVar("T")
CLIENT = "cutover"
SECRET = "DOORSTEP_CUTOVER_CLIENT_SECRET"  # noqa: S105 - the name of a variable
DRY_RUN, REJECTIONS, READ_BACK, SIGNATURES = "dry-run.json", "rejections.csv", "read-back.json", "signatures.toml"

ManifestPath = Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The manifest (TOML).")]
Stage = Annotated[
    Literal["begin", "accept"], typer.Option(help="begin: what is to be imported; accept: what was read back.")
]


@dataclass(frozen=True)
class _Files:
    """What lies beside the manifest."""

    path: Path
    manifest: "CutoverManifest"
    sha256: str

    @classmethod
    def open(cls, path: Path) -> "_Files":
        from services.intake.cutover.manifest import CutoverError, read_manifest

        try:
            return cls(path, *read_manifest(path))
        except CutoverError as error:
            raise refusal(f"refused: {error}") from error

    @property
    def folder(self) -> Path:
        return self.path.parent

    def tape(self, contracts: Path) -> tuple["Manifest", "Released", "Contract"]:
        from services.intake.tapes.contract import Contract

        loans = self.manifest.loans
        released = contract_of(contracts, loans.feed, self.manifest.business_date)
        if not isinstance(released.contract, Contract):
            raise refusal(f"refused: feed {loans.feed} is no feed of loans")
        return manifest_of(self.folder / (loans.file + MANIFEST)), released, released.contract

    def document(self, name: str, *, by: str) -> tuple[dict[str, Any], str]:
        """A report that a command wrote here, with its SHA-256."""
        path = self.folder / name
        if not path.is_file():
            raise refusal(f"refused: {path} is not there; `cutover {by}` writes it")
        content = path.read_bytes()
        document: dict[str, Any] = json.loads(content)
        return document, hashlib.sha256(content).hexdigest()

    def report(self) -> tuple[dict[str, Any], str]:
        report, sha256 = self.document(DRY_RUN, by="dry-run")
        if report["manifest_sha256"] != self.sha256:
            raise refusal(f"refused: {DRY_RUN} is of another manifest; run `cutover dry-run` again")
        if not report["ready"]:
            raise refusal("\n".join(["refused: the dry run has objections", *report["objections"]]))
        return report, sha256

    def terms(self) -> dict[str, Any]:
        """What is signed before anything is imported."""
        report, sha256 = self.report()
        one = self.manifest
        named = {} if one.system is None else {"system": one.system}
        return named | {
            "cutover_id": one.cutover_id, "core": one.core, "business_date": one.business_date.isoformat(),
            "history_from": one.history_from.isoformat(), "places": list(one.places), "manifest_sha256": self.sha256,
            "dry_run_sha256": sha256, "expected": report["expected"],
        }  # fmt: skip

    def said(self, stage: str) -> dict[str, Any]:
        """What two people sign at that stage."""
        if stage == "begin":
            return self.terms()
        return {"cutover_id": self.manifest.cutover_id, "read_back_sha256": self.document(READ_BACK, by="run")[1]}

    def signatures(self, stage: str) -> list[dict[str, Any]]:
        path = self.folder / SIGNATURES
        tables = tomllib.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        return [one | {"signed_on": str(one["signed_on"])} for one in tables.get(stage, [])]


@cutover_app.command()
def check(manifest: ManifestPath, contracts: Contracts) -> None:
    """Read the manifest, its files' hashes and header lines, and the tape's contract; no service is asked."""
    from services.intake.cutover.manifest import CutoverError
    from services.intake.cutover.rows import read_rows
    from services.intake.tapes.survey import content_hash

    files = _Files.open(manifest)
    tape, released, _ = files.tape(contracts)
    faults = [] if released.is_released else ["two people must approve the tape's contract"]
    if tape.sha256 != files.manifest.loans.sha256:
        faults.append(f"{files.manifest.loans.file}: its own manifest names another content")
    named = [(files.manifest.loans.file, files.manifest.loans.sha256)]
    for name, sha256 in [*named, *((one.file, one.sha256) for one in files.manifest.file)]:
        path = files.folder / name
        if not path.is_file() or content_hash(path) != sha256:
            faults.append(f"{name}: is not the file that the manifest names")
    for one in files.manifest.file:
        try:
            next(read_rows(files.folder, one), None)
        except (CutoverError, OSError) as error:
            faults.append(str(error))
    for fault in faults:
        console.print(fault, markup=False)
    if faults:
        raise typer.Exit(1)
    console.print(
        f"{files.manifest.cutover_id}: {len(files.manifest.file)} files and the tape are as named", markup=False
    )


@cutover_app.command("dry-run")
def dry_run(manifest: ManifestPath, contracts: Contracts, prefix: Prefix = None) -> None:
    """Read and check every row as if it were imported; nothing is written but the report and the rejected rows.

    Exit code 1, with every objection, when it is not ready to be signed. Rejected rows can be mended in the files; the
    manifest then names the mended files.
    """
    from services.intake.cutover.dry_run import DryRun, written

    files = _Files.open(manifest)
    tape, released, _ = files.tape(contracts)

    async def run(services: "Services", tell: "Tell") -> dict[str, Any]:
        with (files.folder / REJECTIONS).open("w", newline="", encoding="utf-8") as rejections:
            dry = DryRun(files.folder, files.manifest, files.sha256, services, released, tape, rejections, tell)
            return await dry.report()

    report = _with_services(prefix, run)
    (files.folder / DRY_RUN).write_bytes(written(report))
    table = Table("file", "rows", "good", "rejected")
    for kind, one in report["files"].items():
        table.add_row(kind, f"{one['rows']:,}", f"{one['good']:,}", f"{one['rows'] - one['good']:,}")
    loans = report["loans"]
    table.add_row("loans", f"{loans['rows']:,}", f"{loans['rows'] - loans['refused']:,}", f"{loans['refused']:,}")
    console.print(table)
    console.print(f"{len(report['history_incomplete']):,} people stay refused: not all of their contacts are known")
    console.print(f"{len(report['one_person']):,} references are somebody else's by the core's word")
    for objection in report["objections"]:
        console.print(objection, markup=False)
    if not report["ready"]:
        raise typer.Exit(1)
    console.print(f"ready to be signed by two people: {files.folder / DRY_RUN}", markup=False)


@cutover_app.command()
def sign(manifest: ManifestPath, person: PersonName, keys: Keys, stage: Stage = "begin", on: Day = None) -> None:
    """Sign offline; prints the lines for signatures.toml beside the manifest. The key: `rules approver-key`."""
    from services.compliance.domain.cutovers import CutoverTerms
    from services.compliance.domain.cutovers import sign as signed

    files = _Files.open(manifest)
    said = files.said(stage)
    if stage == "begin":
        said = CutoverTerms.model_validate(said).document()
    approver = Approver.open(keys, person)
    one = signed(
        stage, said, approver=person, on=approval_day(on), key=approver.key.vkey, signs=approver.signing.sign_bytes
    )
    print(toml_table(stage, one.model_dump()), end="")


@cutover_app.command()
def run(manifest: ManifestPath, contracts: Contracts, prefix: Prefix = None) -> None:
    """Import under two signatures, or go on where a killed run stopped; then read back what the services hold.

    Exit code 1 when something differs from the dry run. Nobody who takes part can be contacted until `accept`.
    """
    files = _Files.open(manifest)
    terms, signatures = files.terms(), files.signatures("begin")

    async def importing(run: "Run") -> dict[str, Any]:
        return await run.run(terms, signatures)

    _read_back(files, contracts, prefix, importing)


@cutover_app.command()
def verify(manifest: ManifestPath, contracts: Contracts, prefix: Prefix = None) -> None:
    """Read back what the services hold, and compare it with the dry run. Exit code 1 when something differs."""

    async def reading(run: "Run") -> dict[str, Any]:
        return await run.read_back()

    _read_back(_Files.open(manifest), contracts, prefix, reading)


@cutover_app.command()
def accept(manifest: ManifestPath, contracts: Contracts, prefix: Prefix = None) -> None:
    """Accept what was read back under two signatures, attest the people's histories, and close the cut-over."""
    files = _Files.open(manifest)
    sha256 = files.document(READ_BACK, by="run")[1]
    signatures = files.signatures("accept")

    async def accepting(run: "Run") -> int:
        return await run.accept(sha256, signatures)

    attested = _with_run(files, contracts, prefix, accepting)[0]
    console.print(f"{files.manifest.cutover_id} is closed: {attested:,} people are attested", markup=False)
    console.print("the others stay refused: GET /v1/cutovers/{id}/unattested of compliance lists them", markup=False)


@cutover_app.command()
def status(manifest: ManifestPath, prefix: Prefix = None) -> None:
    """Show how far the cut-over is, beside what the dry run found good."""
    files = _Files.open(manifest)
    report, _ = files.report()

    async def read(services: "Services", _tell: "Tell") -> None:
        from shared.web.client import RemoteProblem

        try:
            compliance = await services.at_compliance(files.manifest.cutover_id)
            plans = await services.at_plans(files.manifest.cutover_id)
        except RemoteProblem as error:
            raise refusal(f"{files.manifest.cutover_id} has not begun") from error
        table = Table("what", "held", "good in the dry run", title=f"{files.manifest.cutover_id}: {compliance.state}")
        for kind, count in report["expected"].items():
            table.add_row(kind, f"{compliance.held.get(kind, 0):,}", f"{count:,}")
        table.add_row("of people erased meanwhile", f"{sum(compliance.erased.values()):,}", "")
        table.add_row("plans", f"{plans.held + plans.left_out:,}", f"{report['files']['plans']['good']:,}")
        table.add_row("people", f"{compliance.parties:,}", "")
        table.add_row("attested", f"{compliance.attested:,}", "")
        console.print(table)

    _with_services(prefix, read)


def _read_back(
    files: _Files, contracts: Path, prefix: str | None, step: "Callable[[Run], Awaitable[dict[str, Any]]]"
) -> None:
    from services.intake.cutover.dry_run import written

    read_back, run = _with_run(files, contracts, prefix, step)
    for one in run.refused:
        console.print(f"{one.kind} row {one.row}: {one.field or 'refused'}: {one.reason}", markup=False)
    differing = run.differences(read_back)
    document = {**read_back, "differences": [list(one) for one in differing]}
    (files.folder / READ_BACK).write_bytes(written(document))
    for missed in differing:
        console.print(f"{missed.what}: announced {missed.announced}, held {missed.held}", markup=False)
    if differing:
        raise typer.Exit(1)
    console.print(f"everything is held as announced: {files.folder / READ_BACK} is to be signed by two", markup=False)


def _with_run(
    files: _Files, contracts: Path, prefix: str | None, step: "Callable[[Run], Awaitable[T]]"
) -> "tuple[T, Run]":
    from services.intake.cutover.manifest import CutoverError
    from services.intake.cutover.reading import Reader
    from services.intake.cutover.running import Run
    from services.intake.tapes.opening import open_loader

    report, _ = files.report()
    tape, released, contract = files.tape(contracts)
    settings = attached_settings("intake", prefix)

    async def go(services: "Services", tell: "Tell") -> "tuple[T, Run]":
        async with open_loader(settings) as loader:

            async def load_loans() -> Mapping[str, Any]:
                done = await loader.load(files.folder / files.manifest.loans.file, tape, released, tell)
                if done.state != "loaded":
                    raise CutoverError("\n".join(["the tape is refused", *done.reasons]))
                totals = [list(one) for one in done.totals]
                return {"rows": done.total_rows, "overdue": done.overdue_rows, "refused": done.refused_rows,
                        "totals": totals}  # fmt: skip

            reader = Reader(files.folder, files.manifest, services, reserve=True)
            run = Run(reader, files.manifest, report, services, contract, load_loans, tell)
            return await step(run), run

    return _with_services(prefix, go)


def _with_services(prefix: str | None, action: "Callable[[Services, Tell], Awaitable[T]]") -> T:
    from services.intake.cutover.manifest import CutoverError
    from services.intake.cutover.services import Services
    from services.intake.store.tape_files import ProgressLostError
    from services.intake.tapes.lines import UnreadableTapeError
    from services.intake.tapes.loading import ContractChangedError, FeedBusyError
    from shared.security.token_source import TokenUnavailableError
    from shared.web.client import RemoteProblem, RemoteUnavailable

    settings = attached_settings("intake", prefix)
    secret = os.environ.get(SECRET) or _development_secret(settings.prefix)

    async def go() -> T:
        services = Services.open(settings, client_id=CLIENT, client_secret=secret)
        try:
            with StepProgress() as bars:
                return await action(services, bars)
        finally:
            await services.close()

    try:
        return asyncio.run(go())
    except RemoteProblem as error:
        said = [str(error.document.get(name)) for name in ("title", "detail", "faults") if error.document.get(name)]
        raise refusal(": ".join(["refused", *said])) from error
    except (CutoverError, UnreadableTapeError, FeedBusyError, ContractChangedError, ProgressLostError) as error:
        raise refusal(f"refused: {error}") from error
    except (RemoteUnavailable, TokenUnavailableError) as error:
        raise refusal(f"{error}: nothing is lost; run the command again") from error


def _development_secret(prefix: str) -> str:
    from cli.platform import Platform

    platform = Platform(prefix=prefix)
    platform.attach()
    if CLIENT not in platform.clients:
        raise refusal(f"set {SECRET}: the run's issuer knows no client {CLIENT}")
    return platform.clients[CLIENT].client_secret
