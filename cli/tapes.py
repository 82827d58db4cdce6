"""`tape`: what a core says of loans and people in files: preview, load, status, rejections, approvals."""

import asyncio
import csv
import io
import os
from collections.abc import Awaitable, Callable, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer
from rich.console import Console
from rich.table import Table

from cli.approving import Day, Keys, PersonName, print_approval
from cli.attached import Prefix, attached_settings, printable, refusal
from cli.progress import StepProgress
from shared.clock import SystemClock
from shared.embedded.home import Home

if TYPE_CHECKING:
    from services.intake.store.tape_files import TapeFile
    from services.intake.tapes.approvals import Released
    from services.intake.tapes.loading import Loader
    from services.intake.tapes.manifest import Manifest

tape_app = typer.Typer(no_args_is_help=True, help="Tapes: files of a core's loans or people, full or only changes.")
console = Console(soft_wrap=True)
T = TypeVar("T")
MANIFEST = ".manifest.json"
_STATUS_FILES = 20

TapePath = Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The data file.")]
Feed = Annotated[str, typer.Option(help="Name of the feed.")]
ManifestPath = Annotated[
    Path | None, typer.Option(exists=True, dir_okay=False, help="FILE.manifest.json when left out.")
]
Contracts = Annotated[
    Path,
    typer.Option(
        exists=True, file_okay=False, envvar="DOORSTEP_INTAKE_FEED_FOLDER",
        help="Folder of contracts, approvers.toml, approvals.toml.",
    ),
]  # fmt: skip


@tape_app.command()
def preview(
    file: TapePath,
    feed: Feed,
    contracts: Contracts,
    rows: Annotated[int, typer.Option(min=1, max=1_000, help="How many rows.")] = 5,
    day: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Business date; today when left out.")
    ] = None,
) -> None:
    """Show the first rows as they would be understood. Nothing is written, and no database is asked."""
    from services.intake.tapes.lines import UnreadableTapeError
    from services.intake.tapes.preview import preview as first_rows

    business_date = SystemClock().real_now().date() if day is None else day.date()
    released = contract_of(contracts, feed, business_date)
    try:
        found = list(first_rows(file, released.contract, business_date, limit=rows))
    except UnreadableTapeError as error:
        raise refusal(f"refused: {error}") from error
    about_loans = released.contract.subject == "loan_ref"
    for row in found:
        said = ("overdue" if row.overdue else "not overdue") if about_loans else "can be taken"
        if row.refusal is not None:
            said = f"refused: {row.refusal.field}: {row.refusal.reason}"
        console.print(f"row {row.number}: {said}", markup=False)
        for name, value in row.values.items():
            console.print(f"  {name}: {value}", markup=False)
    people = ", ".join(released.approvers) or "nobody"
    console.print(f"contract {feed} version {released.contract.version}, approved by {people}", markup=False)


@tape_app.command()
def load(
    file: TapePath, feed: Feed, contracts: Contracts, manifest: ManifestPath = None, prefix: Prefix = None
) -> None:
    """Load a file, or go on where a killed load stopped. Exit code 1, with every reason, when it is refused."""
    told = manifest_of(manifest or file.with_name(file.name + MANIFEST))
    released = contract_of(contracts, feed, told.business_date)
    with StepProgress() as bars:

        async def run(loader: "Loader") -> "TapeFile":
            return await loader.load(file, told, released, bars)

        done = _run(prefix, run)
    if done.state == "refused":
        raise refusal(_in_words(done))
    console.print(_in_words(done), markup=False)


@tape_app.command()
def collect(
    address: Annotated[
        str, typer.Argument(help="A folder, sftp://user@host/folder, or an object store such as s3://bucket/prefix.")
    ],
    feed: Feed,
    contracts: Contracts,
    key_file: Annotated[Path | None, typer.Option(exists=True, dir_okay=False, help="SFTP: the private key.")] = None,
    known_hosts: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="SFTP: the hosts that are talked to.")
    ] = None,
    spool: Annotated[Path | None, typer.Option(file_okay=False, help="Private folder for copies.")] = None,
    prefix: Prefix = None,
) -> None:
    """Load every file of a feed that lies there with its manifest and is not loaded yet, in order.

    Exit code 1 when one was refused or could not be tried.
    """
    from services.intake.tapes.approvals import contract_for
    from services.intake.tapes.collecting import Collected, Collector
    from services.intake.tapes.landing import LandingError, open_landing

    with StepProgress() as bars:

        async def run(loader: "Loader") -> list[Collected]:
            async with open_landing(address, key_file=key_file, known_hosts=known_hosts) as landing:
                collector = Collector(
                    loader,
                    landing,
                    lambda manifest: contract_for(contracts, feed, manifest.business_date),
                    spool or Home().folder / "tapes",
                )
                return await collector.collect(feed, bars)

        try:
            found = _run(prefix, run)
        except LandingError as error:
            raise refusal(f"refused: {error}") from error
    for one in found:
        console.print(f"{one.manifest}: {_in_words(one.file) if one.file else one.problem}", markup=False)
    if any(one.file is None or one.file.state == "refused" for one in found):
        raise typer.Exit(1)
    if not found:
        console.print(f"nothing new of feed {feed} at {address}", markup=False)


@tape_app.command()
def status(feed: Feed, prefix: Prefix = None) -> None:
    """Show the newest files of a feed: state, rows, facts, refused rows, and why a file was refused."""

    async def run(loader: "Loader") -> "list[TapeFile]":
        from services.intake.store import tape_files

        async with loader.database.read_only() as uow:
            return await tape_files.newest(uow, feed, limit=_STATUS_FILES)

    files = _run(prefix, run)
    if not files:
        raise refusal(f"no file of a feed {feed!r} was ever taken")
    table = Table("business date", "number", "state", "rows", "done", "facts", "vanished", "refused", "SHA-256")
    for one in files:
        kind = f"{one.sequence}{' repair' if one.repairs else ''}"
        counts = (one.total_rows, one.rows_done, one.facts, one.vanished, one.refused_rows)
        table.add_row(str(one.business_date), kind, one.state, *(f"{count:,}" for count in counts), one.sha256[:12])
    console.print(table)
    for one in files:
        for reason in one.reasons:
            console.print(f"{one.business_date} {one.sequence}: {reason}", markup=False)


@tape_app.command()
def rejections(
    file: TapePath,
    feed: Feed,
    manifest: ManifestPath = None,
    out: Annotated[Path | None, typer.Option(help="CSV file; must not exist. Standard output when left out.")] = None,
    by: Annotated[str, typer.Option(help="Who reads the original lines in clear; kept. Masked when left out.")] = "",
    prefix: Prefix = None,
) -> None:
    """Report the refused rows of a file: row, field, reason, original line, whether it was repaired."""
    told = manifest_of(manifest or file.with_name(file.name + MANIFEST))
    from shared.cells import safe_cell

    lines: list[Sequence[str]] = [("row", "field", "reason", "original", "repaired")]

    async def run(loader: "Loader") -> None:
        from services.intake.store import tape_files
        from services.intake.tapes.rejected import rejected_rows

        async with loader.database.read_only() as uow:
            known = await tape_files.load(uow, feed, told.file_id)
        if known is None:
            raise refusal(f"{file} was never loaded under feed {feed}")
        async for row in rejected_rows(loader.database, loader.sealer, known, in_clear_for=by.strip() or None):
            cells = (row.number, row.field, row.reason, row.original or "", "yes" if row.repaired else "no")
            lines.append([safe_cell(str(cell)) for cell in cells])

    if out is not None and out.exists():
        raise refusal(f"refused: {out} exists")
    _run(prefix, run)
    target = os.fdopen(os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", newline="") if out else None
    if target is None:
        shown = io.StringIO()
        csv.writer(shown, lineterminator="\n").writerows([printable(cell) for cell in line] for line in lines)
        console.print(shown.getvalue(), markup=False, highlight=False, end="")
        return
    with target:
        csv.writer(target).writerows(lines)
    console.print(f"{out}: {len(lines) - 1} refused rows", markup=False)


@tape_app.command()
def approve(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A contract (TOML).")],
    person: PersonName,
    keys: Keys,
    on: Day = None,
) -> None:
    """Sign a contract offline; prints the lines for approvals.toml. The key is that of `rules approver-key`."""
    from services.intake.tapes.agreement import ContractError
    from services.intake.tapes.approvals import approve as signed

    print_approval(signed, file.read_bytes(), person=person, keys=keys, on=on, refused=ContractError)


def contract_of(contracts: Path, feed: str, business_date: date) -> "Released":
    """The feed's contract of that date; ends the command with the reason where none can be read."""
    from services.intake.tapes.agreement import ContractError
    from services.intake.tapes.approvals import FeedError, contract_for

    try:
        return contract_for(contracts, feed, business_date)
    except (FeedError, ContractError) as error:
        raise refusal(f"refused: {error}") from error


def manifest_of(path: Path) -> "Manifest":
    """The manifest; ends the command with the reason where it cannot be read."""
    from services.intake.tapes.manifest import ManifestError, read_manifest

    try:
        return read_manifest(path.read_bytes())
    except (OSError, ManifestError) as error:
        raise refusal(f"refused: {path}: {error}") from error


def _run(prefix: str | None, action: "Callable[[Loader], Awaitable[T]]") -> T:
    from services.intake.store.tape_files import ProgressLostError
    from services.intake.tapes.lines import UnreadableTapeError
    from services.intake.tapes.loading import ContractChangedError, FeedBusyError
    from services.intake.tapes.opening import open_loader

    settings = attached_settings("intake", prefix)

    async def run() -> T:
        async with open_loader(settings) as loader:
            return await action(loader)

    try:
        return asyncio.run(run())
    except (UnreadableTapeError, FeedBusyError, ContractChangedError, ProgressLostError) as error:
        raise refusal(f"refused: {error}") from error


def _in_words(file: "TapeFile") -> str:
    name = f"feed {file.feed}, {file.business_date}, number {file.sequence}"
    if file.state == "refused":
        return "\n".join([f"{name}: refused, nothing of it has any effect", *file.reasons])
    return (
        f"{name}: {file.total_rows:,} rows, {file.facts:,} facts, {file.vanished:,} loans gone, "
        f"{file.refused_rows:,} rows refused"
    )
