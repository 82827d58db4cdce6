"""The desk of missing facts: a needs-fact opens a task, the arrival of the fact closes it.

Where nothing arrives that bears its name, the first decision that knows the fact closes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from uuid import UUID

from services.compliance.domain.decisions import Decision
from services.compliance.domain.fact_tasks import DUE_AFTER, FactTask, is_answered, missing_facts, needed_day, owner_of
from services.compliance.domain.packs import RuleBook
from services.compliance.store import fact_tasks as store
from shared.database import UnitOfWork
from shared.ids import entity_id, shard_of
from shared.telemetry.metrics import set_gauge


async def follow(
    uow: UnitOfWork, decisions: Sequence[tuple[UUID, Decision]], standing: dict[UUID, dict[str, FactTask]]
) -> None:
    """Open and close tasks after these decisions, in their order. `standing`: the open ones. The parties are locked."""
    opened: dict[UUID, FactTask] = {}
    closed: set[UUID] = set()
    for party_id, decision in decisions:
        known = standing.setdefault(party_id, {})
        for task in [task for task in known.values() if is_answered(task, decision)]:
            del known[task.fact]
            if opened.pop(task.task_id, None) is None:
                closed.add(task.task_id)
        for fact, rule in missing_facts(decision).items():
            if fact not in known:
                known[fact] = task = _task(uow, party_id, fact, rule, needed_day(decision, rule))
                opened[task.task_id] = task
    await store.close(uow, closed)
    await store.insert(uow, list(opened.values()))


async def hear(uow: UnitOfWork, told: Sequence[tuple[UUID, str]]) -> None:
    """Close the tasks whose (party, fact) has just arrived."""
    await store.close_answered(uow, told)


async def hear_completed(uow: UnitOfWork, party_ids: Iterable[UUID]) -> None:
    """Close the tasks that waited for records of these parties to be repaired, where none waits any more."""
    await store.close_completed(uow, party_ids)


async def hear_packs(uow: UnitOfWork, book: RuleBook) -> None:
    """Close the tasks that waited for the rules of a place, or for days of a calendar, where they are loaded now."""
    places = await store.load_places_without_pack(uow)
    await store.close_without_pack(uow, [place for place in places if book.knows(place)])
    await store.close_without_calendar(uow, book.calendars)


def _task(uow: UnitOfWork, party_id: UUID, fact: str, rule: str, day: date | None) -> FactTask:
    return FactTask(
        task_id=entity_id(shard_of(party_id)),
        party_id=party_id,
        fact=fact,
        rule=rule,
        owner=owner_of(fact),
        opened_at=uow.now,
        due_at=uow.now + DUE_AFTER,
        needed_day=day,
    )


async def count_overdue(uow: UnitOfWork) -> None:
    """Say how many tasks are overdue, by owner."""
    for owner, overdue in (await store.count_overdue(uow)).items():
        set_gauge("doorstep.fact_tasks.overdue", overdue, owner=owner)
