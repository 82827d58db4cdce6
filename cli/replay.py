"""`rules replay`: the history judged again, by the rules it names or by a pack that is not released yet."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from cli.attached import DatabaseUrl, KeyFolder, Prefix, Since, Until, compliance_settings, refusal

if TYPE_CHECKING:
    from services.compliance.domain.replay import Rehearsal
    from services.compliance.replay_desk import Opened
    from shared.database import Database
    from shared.security.party_keys import PartyCipher
    from shared.settings import ServiceSettings

_FIRST, _LAST = date(1970, 1, 1), date(9999, 1, 1)
_COLUMNS = {
    "decisions": "decisions", "people": "people", "refused": "would be refused", "allowed": "would be allowed",
    "reason": "other refusal", "before_this_pack": "changed by rules since",
}  # fmt: skip
# Outcomes that are no fault: of other code it is said, and of what cannot be judged again.
_SOUND = {"identical", "identical_by_other_code", "erased", "not_replayable"}


def replay(
    pack: Annotated[
        list[Path] | None,
        typer.Option(exists=True, dir_okay=False, help="New version of a pack (TOML); several can be given."),
    ] = None,
    since: Since = None,
    until: Until = None,
    on: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"], help="Judge by the pack as it is on that date; once all of it is in effect."
        ),
    ] = None,
    by: Annotated[
        str, typer.Option(help="Group by any of jurisdiction, zone, product, collector, place, purpose.")
    ] = "jurisdiction",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    database: DatabaseUrl = None,
    keys: KeyFolder = None,
    prefix: Prefix = None,
) -> None:
    """Judge past decisions again, on the facts they were judged on.

    Without --pack: by the rules that each names; every record must come out the same to the byte (exit code 1
    otherwise). With --pack: as if the new version had always been in force; prints, before it is released, which
    contacts it would have refused or allowed, by channel and group. Decisions about erased people, and those recorded
    before facts were kept, are counted apart.
    """
    settings = compliance_settings(database, keys, prefix)
    span = _midnight(since.date() if since else _FIRST), _midnight(until.date() if until else _LAST)
    if pack:
        groups = [one.strip() for one in by.split(",") if one.strip()]
        rehearsal = _rehearsal(settings, pack, None if on is None else on.date(), groups)
        missing = asyncio.run(_rehearse(settings, rehearsal, *span))
        document = _rehearsed(rehearsal, missing, groups)
        typer.echo(json.dumps(document, indent=2)) if as_json else _print_rehearsed(document, groups)
        return
    document = asyncio.run(_replay(settings, *span))
    typer.echo(json.dumps(document, indent=2)) if as_json else _print_replayed(document)
    if document["decisions"].keys() - _SOUND:
        raise typer.Exit(1)


def _rehearsal(settings: "ServiceSettings", files: list[Path], on: date | None, groups: list[str]) -> "Rehearsal":
    from services.compliance.domain.packs import PackError
    from services.compliance.domain.replay import GroupName, Rehearsal, as_if_in_force
    from services.compliance.rule_book import pack_id, packs_of, read_packs, with_versions

    known: dict[str, GroupName] = {name: name for name in get_args(GroupName)}
    unknown = [name for name in groups if name not in known]
    if unknown:
        raise refusal(f"no group {', '.join(unknown)}; there are {', '.join(known)}")
    packs = packs_of(settings.pack_folder)
    content = {str(file): file.read_bytes() for file in files}
    try:
        present, new = read_packs(packs), read_packs(with_versions(packs, content))
    except PackError as error:
        raise refusal(str(error)) from error
    ids = [str(pack_id(one)) for one in content.values()]
    return Rehearsal(as_if_in_force(new, ids, on=on), present, [known[name] for name in groups])


async def _rehearse(
    settings: "ServiceSettings", rehearsal: "Rehearsal", since: datetime, until: datetime
) -> Counter[str]:
    from services.compliance.replay_desk import rehearse

    missing: Counter[str] = Counter()
    async with _opened(settings) as (database, cipher):
        async for one in _each(database, cipher, since, until):
            why = rehearse(rehearsal, one)
            if why is not None:
                missing[why] += 1
    return missing


async def _replay(settings: "ServiceSettings", since: datetime, until: datetime) -> dict[str, Any]:
    from services.compliance.replay_desk import Replayer

    async with _opened(settings) as (database, cipher):
        replayer = Replayer(database)
        async for one in _each(database, cipher, since, until):
            await replayer.judge(one)
    examples = [{"decision_id": str(decision_id), "detail": detail} for decision_id, detail in replayer.found.examples]
    return {"decisions": dict(replayer.found.counts), "examples": examples}


@asynccontextmanager
async def _opened(settings: "ServiceSettings") -> "AsyncIterator[tuple[Database, PartyCipher]]":
    from services.compliance.instruments import open_archive_keys
    from shared.database import Database

    cipher, _ = open_archive_keys(settings)
    database = await Database.open(settings, settings.clock(), service="compliance")
    try:
        yield database, cipher
    finally:
        await database.close()


async def _each(
    database: "Database", cipher: "PartyCipher", since: datetime, until: datetime
) -> "AsyncIterator[Opened]":
    """The decisions one by one, with a bar."""
    from services.compliance.replay_desk import past_decisions
    from services.compliance.store.replay import count_decisions

    async with database.read_only() as uow:
        total = await count_decisions(uow, since=since, until=until)
    columns = (TextColumn("judging"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("judging", total=total)
        async for page in past_decisions(database, cipher, since=since, until=until):
            for one in page:
                yield one
            progress.advance(task, len(page))


def _rehearsed(rehearsal: "Rehearsal", missing: Counter[str], groups: list[str]) -> dict[str, Any]:
    return {
        "cells": [
            dict(zip(("channel", *groups), place, strict=True)) | {name: getattr(cell, name) for name in _COLUMNS}
            for place, cell in sorted(rehearsal.cells.items())
        ],
        "rules_that_would_refuse": dict(rehearsal.refusing.most_common()),
        "rules_that_refused_what_would_be_allowed": dict(rehearsal.freeing.most_common()),
        "not_judged": dict(missing),
    }


def _print_rehearsed(document: dict[str, Any], groups: list[str]) -> None:
    table = Table("channel", *groups, *_COLUMNS.values())
    for cell in document["cells"]:
        table.add_row(*(str(cell[name]) for name in ("channel", *groups, *_COLUMNS)))
    console = Console(soft_wrap=True)
    console.print(table)
    totals = {name: sum(cell[name] for cell in document["cells"]) for name in _COLUMNS}
    console.print(
        f"{totals['decisions']} decisions judged again: {totals['refused']} would have been refused that were allowed, "
        f"{totals['allowed']} allowed that were refused.",
        markup=False,
    )
    for title in ("rules_that_would_refuse", "rules_that_refused_what_would_be_allowed", "not_judged"):
        for name, count in document[title].items():
            console.print(f"{title.replace('_', ' ')}: {name} {count}", markup=False)


def _print_replayed(document: dict[str, Any]) -> None:
    console = Console(soft_wrap=True)
    table = Table("outcome", "decisions")
    for name, count in sorted(document["decisions"].items()):
        table.add_row(name.replace("_", " "), str(count))
    console.print(table)
    for one in document["examples"]:
        console.print(f"{one['decision_id']}: {one['detail']}", markup=False)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(0), tzinfo=UTC)
