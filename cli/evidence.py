"""`evidence`: what a regulator, a court or the person concerned is handed, and can verify without us."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from cli.attached import DatabaseUrl, KeyFolder, Prefix, compliance_settings, refusal

if TYPE_CHECKING:
    from services.compliance.evidence.pack import Archive, Pack
    from services.compliance.evidence.scope import Scope
    from shared.settings import ServiceSettings

evidence_app = typer.Typer(invoke_without_command=True, no_args_is_help=True)
console = Console(soft_wrap=True)
LEAF_SECONDS = 10

Reason = Annotated[str, typer.Option(help="Why, such as the order of the court and its number.")]


@evidence_app.callback()
def evidence(
    context: typer.Context,
    case: Annotated[UUID | None, typer.Option(help="One case.")] = None,
    party: Annotated[UUID | None, typer.Option(help="One person, all cases.")] = None,
    month: Annotated[str | None, typer.Option(help="A month of business time, such as 2026-10.")] = None,
    year: Annotated[str | None, typer.Option(help="A year of business time, such as 2026.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the pack; must not exist.")] = None,
    zone: Annotated[str, typer.Option(help="Calendar of the month or year.")] = "UTC",
    court: Annotated[bool, typer.Option("--court", help="With a custody record, itself a leaf of the log.")] = False,
    by: Annotated[str, typer.Option(help="Who exports, for --court.")] = "",
    reason: Reason = "",
    database: DatabaseUrl = None,
    keys: KeyFolder = None,
    prefix: Prefix = None,
) -> None:
    """Export the evidence of a case, a person, a month or a year; tools/verify_log.py verifies it offline.

    Contacts, decisions, permits, findings in all versions, holds, openings, proofs, checkpoints, manifests.
    """
    if context.invoked_subcommand is not None:
        return
    if sum(one is not None for one in (case, party, month, year)) != 1 or out is None:
        raise typer.BadParameter("name one of --case, --party, --month, --year, and --out")
    if court and not (by.strip() and reason.strip()):
        raise typer.BadParameter("a court bundle names who exports it (--by) and why (--reason)")
    settings = compliance_settings(database, keys, prefix)

    async def run(archive: "Archive") -> str:
        from services.compliance.evidence.pack import write_pack

        scope = await _scope(archive, case=case, party=party, month=month, year=year, zone=zone)
        with _progress() as tell:
            pack = await write_pack(archive, scope, out, on_progress=tell)
        said = f"{out}: {pack.tree_size} leaves close it, SHA256SUMS {pack.digest}"
        return f"{said}\n{await _take_into_custody(archive, settings, pack, scope, by, reason)}" if court else said

    console.print(_run(settings, run), markup=False)


@evidence_app.command("hand-over")
def hand_over(
    folder: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="A court bundle.")],
    by: Annotated[str, typer.Option(help="Who hands it over.")],
    to: Annotated[str, typer.Option(help="Who receives it.")],
    reason: Reason,
    keys: Annotated[Path, typer.Option(file_okay=False, help="Folder of the signer's key `custody`; made if missing.")],
    name: Annotated[str, typer.Option(help="Public name of that key.")],
) -> None:
    """Append a signed hand-over to the bundle's custody record; refuses a bundle that was changed."""
    from services.compliance.evidence.custody import CustodyBroken, Handling, add_entry
    from shared.clock import SystemClock
    from shared.security.signing import SigningKey

    handling = Handling(action="handed_over", by=by, to=to, reason=reason)
    key = SigningKey.open(keys, "custody")
    try:
        entry = add_entry(folder, handling, key=key, name=name, at=SystemClock().real_now())
    except CustodyBroken as error:
        raise refusal(f"refused: {error}") from error
    console.print(f"entry {entry['number']}, signed by {entry['key']}", markup=False)


async def _scope(
    archive: "Archive", *, case: UUID | None, party: UUID | None, month: str | None, year: str | None, zone: str
) -> "Scope":
    from services.compliance.evidence.pack import scope_of_case, scope_of_party
    from services.compliance.evidence.scope import Scope

    if case is not None:
        return await scope_of_case(archive, case)
    if party is not None:
        return await scope_of_party(archive, party)
    return Scope.month(month, zone) if month is not None else Scope.year(str(year), zone)


async def _take_into_custody(
    archive: "Archive", settings: "ServiceSettings", pack: "Pack", scope: "Scope", by: str, reason: str
) -> str:
    from services.compliance.evidence.custody import Handling, add_entry, log_export, prove_export
    from shared.clock import SystemClock
    from shared.security.signing import SigningKey

    handling = Handling(action="exported", by=by, reason=reason)
    key = SigningKey.open(settings.key_folder, "custody")
    name = f"{archive.keys[0].name}/custody"
    entry = add_entry(pack.folder, handling, key=key, name=name, at=SystemClock().real_now())
    leaf_id = await log_export(archive, pack, entry, scope_kind=scope.kind)
    proved = await prove_export(archive, pack, leaf_id, wait_seconds=LEAF_SECONDS)
    placed = "proved in custody-leaf.json" if proved else "waits for a checkpoint: its proof is not in the bundle"
    return f"custody key {entry['key']}; the export is leaf {leaf_id}, {placed}"


def _run(settings: "ServiceSettings", work: Callable[["Archive"], Awaitable[str]]) -> str:
    """Do `work` on compliance's archive. What cannot be exported is said, not raised."""
    from services.compliance.evidence.files import PackExists
    from services.compliance.evidence.pack import Archive
    from services.compliance.evidence.scope import ScopeError
    from services.compliance.instruments import open_archive_keys
    from shared.database import Database

    async def run() -> str:
        database = await Database.open(settings, settings.clock(), service="compliance")
        cipher, keys = open_archive_keys(settings)
        try:
            return await work(
                Archive(database=database, cipher=cipher, keys=keys, required=settings.log_witnesses_required)
            )
        finally:
            await database.close()

    try:
        return asyncio.run(run())
    except (ScopeError, PackExists) as error:
        raise refusal(f"refused: {error}") from error


@contextmanager
def _progress() -> Iterator[Callable[[str, int], None]]:
    """A line that says what is written and how much of it, on standard error."""
    columns = (SpinnerColumn(), TextColumn("{task.description} {task.completed:,.0f}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("collecting", total=None)
        yield lambda step, done: progress.update(task, description=step, completed=done)
