"""`rules lookback`: everyone contacted under a defective rule, and whether it was put right."""

import asyncio
import csv
from collections import Counter
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from cli.attached import DatabaseUrl, KeyFolder, Prefix, Since, Until, compliance_settings, refusal

if TYPE_CHECKING:
    from shared.settings import ServiceSettings

COLUMNS = ("party_id", "contact_id", "channel", "started_at", "decision_id", "answer", "finding")
_FIRST, _LAST = date(1970, 1, 1), date(9999, 1, 1)


def lookback(
    rule: Annotated[str, typer.Option(help="Id of the rule that was wrong.")],
    since: Since = None,
    until: Until = None,
    file: Annotated[Path | None, typer.Option("--csv", help="Write every contact there, ids only.")] = None,
    database: DatabaseUrl = None,
    keys: KeyFolder = None,
    prefix: Prefix = None,
) -> None:
    """List everyone contacted under a rule, by channel, with what stands of the findings on it. No names are shown.

    A contact counts when the decision behind its permit asked the rule, or when the audit found the rule broken.
    """
    settings = compliance_settings(database, keys, prefix)
    first = _midnight(since.date() if since else _FIRST)
    last = _midnight(until.date() if until else _LAST)
    if file is not None and file.exists():
        raise refusal(f"{file} exists; name another file")
    found = asyncio.run(_report(settings, rule, first, last, file))
    if not found and not _is_loaded(settings, rule):
        raise refusal(f"no rule {rule} is loaded, and no contact was made under one: `rules list` shows the ids")


def _is_loaded(settings: "ServiceSettings", rule: str) -> bool:
    from services.compliance.rule_book import packs_of, read_packs

    return read_packs(packs_of(settings.pack_folder)).rule(rule) is not None


async def _report(settings: "ServiceSettings", rule: str, since: datetime, until: datetime, file: Path | None) -> int:
    """Prints the table; returns how many contacts there are."""
    from services.compliance.instruments import open_archive_keys
    from services.compliance.store.lookback import contacts_under
    from shared.database import Database

    groups: Counter[tuple[str, str]] = Counter()
    people: dict[tuple[str, str], set[UUID]] = {}
    everybody: set[UUID] = set()
    rows = None if file is None else file.open("x", newline="", encoding="utf-8")
    cipher, _ = open_archive_keys(settings)
    columns = (SpinnerColumn(), TextColumn("{task.completed:,.0f} contacts"), TimeElapsedColumn())
    database = await Database.open(settings, settings.clock(), service="compliance")
    try:
        writer = None if rows is None else csv.writer(rows)
        if writer is not None:
            writer.writerow(COLUMNS)
        with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
            task = progress.add_task("reading", total=None)
            async with database.read_only() as uow:
                async for one in contacts_under(uow, cipher, rule, since=since, until=until):
                    group = (one.channel, one.finding)
                    groups[group] += 1
                    people.setdefault(group, set()).add(one.party_id)
                    everybody.add(one.party_id)
                    if writer is not None:
                        writer.writerow([getattr(one, name) for name in COLUMNS])
                    progress.advance(task)
    finally:
        await database.close()
        if rows is not None:
            rows.close()
    table = Table("channel", "finding", "contacts", "people")
    for channel, finding in sorted(groups):
        table.add_row(channel, finding, str(groups[channel, finding]), str(len(people[channel, finding])))
    console = Console(soft_wrap=True)
    console.print(table)
    console.print(f"{rule}: {groups.total()} contacts with {len(everybody)} people", markup=False)
    return groups.total()


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(0), tzinfo=UTC)
