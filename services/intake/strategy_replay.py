"""Simulating strategies over what intake remembers: a page of people in memory, whatever the portfolio's size."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

import asyncpg

from services.intake.settings import IntakeSettings
from services.intake.store import choices, strategy_past
from services.intake.store import strategy as store
from services.intake.strategy.history import PastFact
from services.intake.strategy.seen import MadeChoice
from services.intake.strategy.simulation import Past, Tally
from services.intake.strategy_desk import fact_of, hold_of
from shared.database import Database, UnitOfWork

_PAGE: Final = 1_000
_MOST_LABELS: Final = 2_000_000
_KEYS: Final = ("core", "party_ref")
NOTES: Final = (
    "What the bank did is replaced by what the strategy chooses; how people would have answered is not guessed.",
    "From the first choice that was kept on, all is as the live choices saw it; before, a loan ages from its bucket's "
    "first day to its last (an open case's days are exact), and pauses, suspensions and scores are left out.",
    "People who were erased are not in it.",
)


class LabelError(ValueError):
    """A file of labels that cannot be read."""


@dataclass(frozen=True)
class Labels:
    """Labels for evaluation only: read from a file, used here, stored nowhere and input of no strategy."""

    attributes: tuple[str, ...]
    of: Mapping[tuple[str, str], tuple[str, ...]]

    @classmethod
    def read(cls, path: Path) -> Labels:
        """A CSV `core,party_ref,ATTRIBUTE,…`. Raises LabelError."""
        found: dict[tuple[str, str], tuple[str, ...]] = {}
        values: dict[str, str] = {}
        try:
            with path.open(encoding="utf-8", newline="") as file:
                rows = csv.reader(file, strict=True)
                header = tuple(next(rows, ()))
                if header[:2] != _KEYS or len(header) < 3 or len(set(header)) != len(header):
                    raise LabelError("the first line must be core,party_ref and one attribute or more")
                for row in rows:
                    if len(row) != len(header):
                        raise LabelError(f"line {rows.line_num}: {len(row)} fields, not {len(header)}")
                    if len(found) >= _MOST_LABELS:
                        raise LabelError(f"more than {_MOST_LABELS:,} people: give a sample")
                    found[row[0], row[1]] = tuple(values.setdefault(one, one) for one in row[2:])
        except (UnicodeDecodeError, csv.Error) as error:
            raise LabelError(str(error)) from error
        return cls(header[2:], found)


async def simulate(
    database: Database,
    settings: IntakeSettings,
    tallies: Sequence[Tally],
    *,
    labels: Labels | None = None,
    on_page: Callable[[int], None] = lambda _: None,
) -> tuple[date, date]:
    """Add everybody's past to each tally; returns the first day known and the last. `on_page` hears of people done."""
    buckets, zone = settings.policy(), ZoneInfo(settings.time_zone)
    after: UUID | None = None
    first, last = date.max, date.min
    while True:
        async with database.read_only() as uow:
            page = await _page(uow, zone, labels, after=after)
        for past in page:
            first = min([first, *(change.as_of for loan in past.loans for change in loan)])
            last = max([last, past.until, *(one.on for one in past.made)])
            for tally in tallies:
                tally.add(past, buckets)
        on_page(len(page))
        if len(page) < _PAGE:
            return first, last
        after = page[-1].party_id


def document(new: Tally, present: Tally, *, first: date, last: date) -> dict[str, Any]:
    """What is kept beside a strategy, and signed with it."""
    strategy = new.strategy
    return {
        "strategy": f"{strategy.champion.policy.id} v{strategy.champion.policy.version}",
        "strategy_sha256": strategy.champion.sha256,
        "challenger_sha256": None if strategy.challenger is None else strategy.challenger.sha256,
        "compared_with_sha256": present.strategy.champion.sha256,
        "from": None if first > last else first.isoformat(),
        "until": None if first > last else last.isoformat(),
        "cost_currency": strategy.champion.policy.cost.currency,
        "cost_source": strategy.champion.policy.cost.source,
        "new": new.as_document(),
        "in_force": present.as_document(),
        "notes": list(NOTES),
    }


async def _page(uow: UnitOfWork, zone: ZoneInfo, labels: Labels | None, *, after: UUID | None) -> list[Past]:
    people = await strategy_past.people(uow, after=after, limit=_PAGE)
    ids = [one.party_id for one in people]
    changes = await strategy_past.changes(uow, ids)
    made = await choices.all_of(uow, ids)
    others = {other for one in made.values() for choice in one for other in choice.seen.members}
    members = await store.members_of(uow, {*ids, *others})
    history = await store.load_history(uow, {*ids, *others}, members)
    holds = await store.load_holds(uow, ids, members)
    given: dict[UUID, dict[str, str]] = {}
    if labels is not None:
        for reference, party_id in (await strategy_past.references(uow, ids)).items():
            known = labels.of.get(reference) or ("unknown",) * len(labels.attributes)
            given[party_id] = dict(zip(labels.attributes, known, strict=True))
    return [
        Past(
            party_id=one.party_id,
            loans=changes.get(one.party_id, ()),
            facts=tuple(fact_of(row, zone) for row in history.get(one.party_id, ())),
            holds=tuple(hold_of(row, zone) for row in holds.get(one.party_id, ())),
            has_phone=one.has_phone,
            has_home=one.has_home,
            labels=one.labels | given.get(one.party_id, {}),
            until=one.as_of,
            late_since=one.late_since,
            made=tuple(made.get(one.party_id, ())),
            known=tuple(_known(history, one.party_id, choice, zone) for choice in made.get(one.party_id, ())),
        )
        for one in people
    ]


def _known(
    history: Mapping[UUID, Sequence[asyncpg.Record]], party_id: UUID, made: MadeChoice, zone: ZoneInfo
) -> tuple[PastFact, ...]:
    """What a choice knew of the history: of everybody who was this person then, up to the last fact of that moment."""
    return tuple(
        fact_of(row, zone)
        for member in (party_id, *made.seen.members)
        for row in history.get(member, ())
        if row["party_id"] == member and row["fact_id"] <= made.facts_to
    )
