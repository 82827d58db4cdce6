"""`reconcile`: all books compared with the core's, while the service does the asking."""

import asyncio
from datetime import date, datetime
from time import monotonic
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from cli.attached import Prefix, attached_settings, refusal

if TYPE_CHECKING:
    from shared.database import Database

_POLL_SECONDS = 0.3
_SHOWN = 20
_PATIENCE_SECONDS = 60.0
_STALLED = (
    "refused: not one loan was compared for a minute. Does the core answer, and does intake run with the role worker? "
    "The run goes on by itself when they do; GET /v1/reconciliations of intake shows it."
)


def reconcile(
    core: Annotated[str | None, typer.Option(help="Name of the core; the only one known when left out.")] = None,
    on: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Business date; the last closed one when left out.")
    ] = None,
    prefix: Prefix = None,
) -> None:
    """Compare every loan with the core, and show what differs. Ends with 1 when something does.

    What still differs a few seconds later suspends action on its case; what agrees again releases it.
    """
    raise typer.Exit(asyncio.run(_reconcile(prefix, core, None if on is None else on.date())))


async def _reconcile(prefix: str | None, core: str | None, on: date | None) -> int:
    from shared.database import Database

    settings = attached_settings("intake", prefix)
    database = await Database.open(settings, settings.clock(), service="intake")
    try:
        run_id, parties = await _start(database, core, on)
        run = await _watched(database, run_id, parties)
        await _show(database, run)
        return 0 if run["state"] == "agrees" else 1
    finally:
        await database.close()


async def _start(database: "Database", core: str | None, on: date | None) -> tuple[UUID, int]:
    from services.intake.reconciling import start
    from services.intake.store import days

    async with database.unit_of_work() as uow:
        closed = await days.closed_dates(uow)
        if core is None and len(closed) == 1:
            (core,) = closed
        if core is None or (on is None and core not in closed):
            raise refusal(f"refused: name a core and a date; closed days are known of {sorted(closed) or 'no core'}")
        loans = await uow.sql.fetchval("SELECT count(*) FROM loan WHERE tenant = $1 AND terms IS NOT NULL", uow.tenant)
        return await start(uow, core=core, business_date=on or closed[core]), int(loans)


async def _watched(database: "Database", run_id: UUID, loans: int) -> Any:
    from services.intake.store import findings

    columns = (TextColumn("comparing"), BarColumn(), MofNCompleteColumn(), TextColumn("loans"))
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("loans", total=loans)
        compared, patience_ends = None, monotonic() + _PATIENCE_SECONDS
        while True:
            async with database.read_only() as uow:
                run = await findings.run(uow, run_id)
            if run is not None:
                progress.update(task, completed=run["compared"])
                if run["state"] != "running":
                    return run
            if run is not None and run["compared"] != compared:
                compared, patience_ends = run["compared"], monotonic() + _PATIENCE_SECONDS
            elif monotonic() > patience_ends:
                raise refusal(_STALLED)
            await asyncio.sleep(_POLL_SECONDS)


async def _show(database: "Database", run: Any) -> None:
    from services.intake.store import findings

    console = Console(soft_wrap=True)
    console.print(
        f"{run['core']} on {run['business_date']}: {run['state']}, {run['compared']} loans compared, "
        f"{run['differing']} differ",
        markup=False,
    )
    async with database.read_only() as uow:
        rows = await findings.open_page(uow, after=None, limit=_SHOWN)
    if rows:
        table = Table("loan", "field", "ours", "core's", "since", title=f"Open differences (the first {_SHOWN})")
        for row in rows:
            table.add_row(*(str(row[name]) for name in ("loan_ref", "field", "ours", "cores", "opened_at")))
        console.print(table)
