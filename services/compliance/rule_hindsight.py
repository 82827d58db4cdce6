"""Contacts judged again under rules that came late: a release that takes effect in the past reaches what was audited.

When a turn of the rules begins with packs that say something else from a past date on, every contact since that date is
judged again at once, page by page. Each page is an intent: judged and followed by the next one in one transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Final
from uuid import UUID

from services.compliance import hindsight
from services.compliance.domain.local_time import EARLIEST_DATE
from services.compliance.domain.packs import PackError
from services.compliance.domain.rule_changes import first_difference
from services.compliance.instruments import Instruments
from services.compliance.rule_archive import read_archived
from services.compliance.rule_pages import PagesOfRules
from services.compliance.store.audits import load_contacted_since
from services.compliance.store.rule_sources import load_parts
from shared.database import UnitOfWork
from shared.messaging import Answer, Intent
from shared.messaging.intents import NewIntent

PAGE: Final = "compliance.rules_hindsight"
PARTIES_PER_PAGE: Final = 100
_FIRST: Final = UUID(int=0)


async def follow(uow: UnitOfWork, instruments: Instruments, *, before: str, turn: int, today: date) -> date | None:
    """Intend to judge the contacts again that were made since the rules differ from the rule set `before`.

    Returns since which date; None: no rule of the past has changed, or nobody kept what the rules were.
    """
    parts = await load_parts(uow, before)
    if not parts:
        return None
    try:
        known = read_archived(before, parts).book
    except PackError:  # of a release whose packs cannot be read any more
        return None
    since = first_difference(known, instruments.book, today=today)
    if since is not None:
        uow.intend(_page(instruments.book.rule_set, turn, since, after=_FIRST, due_at=uow.real_now))
    return since


@dataclass(frozen=True)
class HindsightPages(PagesOfRules):
    """Judges the contacts of one page of people again, then intends the next page."""

    kind: str = PAGE

    async def commit(self, uow: UnitOfWork, answered: Sequence[tuple[Intent, Answer]]) -> None:
        """Judge and go on: all or nothing."""
        for intent, _ in answered:
            page = intent.payload
            since, after = date.fromisoformat(page["since"]), UUID(page["after"])
            moment = datetime.combine(since, time(), tzinfo=UTC) - EARLIEST_DATE
            people = await load_contacted_since(uow, moment, after=after, limit=PARTIES_PER_PAGE)
            if not people:
                continue
            await uow.lock_parties(people)
            await hindsight.judge_since(uow, self.instruments, [(one, hindsight.Since(moment)) for one in people])
            uow.intend(_page(page["rule_set"], page["turn"], since, after=people[-1], due_at=uow.real_now))


def _page(rule_set: str, turn: int, since: date, *, after: UUID, due_at: datetime) -> NewIntent:
    return NewIntent(
        kind=PAGE,
        key=f"{turn}/{after}",
        due_at=due_at,
        payload={"rule_set": rule_set, "turn": turn, "since": since.isoformat(), "after": str(after)},
    )
