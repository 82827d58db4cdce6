"""A bank's own history of transitions as a file: what its models are trained and judged on. Nobody is named in it."""

from __future__ import annotations

import csv
from collections.abc import AsyncIterator
from dataclasses import astuple
from pathlib import Path
from typing import Final, NamedTuple

from services.intake.scoring.scorecard import TARGETS
from services.intake.scoring.transitions import COLUMNS, DatedFact, Transition, days_of, transitions
from services.intake.settings import IntakeSettings
from services.intake.store import cases, days, groups, loan_facts, score_features
from shared.database import Database
from shared.events.catalogue import CATALOGUE

_PAGE: Final = 500


class Written(NamedTuple):
    """How far an export has come: cases looked at, of them without all their facts, rows written."""

    cases: int
    left_out: int
    rows: int


async def export(database: Database, own: IntakeSettings, path: Path) -> AsyncIterator[Written]:
    """Write the transitions of every case to a CSV, page by page; the file is there when it is whole.

    Accounts are numbered as they come. Raises OSError.
    """
    policy, unfinished = own.policy(), path.with_suffix(path.suffix + ".part")
    seen, left_out, rows, after = 0, 0, 0, None
    async with database.read_only() as uow:
        closed = await days.closed_dates(uow)
        heard = {core: await score_features.heard_since(uow, core, time_zone=own.time_zone) for core in closed}
    dates = {
        core: days_of(since, closed[core]) if (since := heard[core]) is not None else [] for core in closed
    }  # fmt: skip
    with unfinished.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        while True:
            async with database.read_only() as uow:
                page = await cases.parties_page(uow, after=after, limit=_PAGE)
                members = await groups.people(uow, list(page))
                facts = await loan_facts.of_parties(uow, [one for ones in members.values() for one in ones])
            for party_id, ids in members.items():
                seen, core = seen + 1, page[party_id]
                if not all(one in facts for one in ids):
                    left_out += 1
                    continue
                told = [
                    DatedFact(day, CATALOGUE[name].model.model_validate_json(content))
                    for one in ids
                    for day, name, content in facts[one]
                ]
                for one in transitions(party_id, core, told, dates.get(core, []), policy):
                    writer.writerow(_row(seen, one))
                    rows += 1
            yield Written(seen, left_out, rows)
            if len(page) < _PAGE:
                break
            after = list(page)[-1]
    unfinished.replace(path)


def _row(account: int, one: Transition) -> list[object]:
    outcomes = (one.outcomes[target] for target in TARGETS)
    values = (*astuple(one.features), *(None if outcome is None else int(outcome) for outcome in outcomes))
    return [account, one.month, *("" if value is None else value for value in values)]
