"""Tapes that a feed's contract promises: one that is not there by its hour suspends its core, until it is loaded.

Looked at each minute. A contract that cannot be read, or that nobody has released, promises nothing and is told.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import ClassVar, Final
from zoneinfo import ZoneInfo

from services.intake import feed_recalls
from services.intake.settings import IntakeSettings
from services.intake.store import feed_suspensions, tape_files
from services.intake.tapes.agreement import Agreement, ContractError
from services.intake.tapes.approvals import FeedError, contract_for, feeds_in
from shared.database import UnitOfWork
from shared.messaging import Answer, Intent, NewIntent
from shared.telemetry import metrics

log = logging.getLogger(__name__)

TAPE_WATCH: Final = "tape_watch"
_EVERY: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Promises(Answer):
    """The released contracts that promise tapes."""

    contracts: tuple[Agreement, ...] = field(default=())


def next_watch(uow: UnitOfWork) -> NewIntent:
    """The look at the end of the present minute, however many processes intend it."""
    slot = int(uow.real_now.timestamp() // _EVERY.total_seconds()) + 1
    due = datetime.fromtimestamp(slot * _EVERY.total_seconds(), UTC)
    return NewIntent(kind=TAPE_WATCH, key=due.isoformat(), due_at=due)


@dataclass(frozen=True)
class TapeWatch:
    """Intent handler: looks whether promised tapes are loaded."""

    settings: IntakeSettings
    folder: Path
    kind: ClassVar[str] = TAPE_WATCH
    batch_size: ClassVar[int] = 1

    async def call(self, intents: Sequence[Intent]) -> Sequence[Answer | None]:
        """The contracts are read outside any transaction."""
        promises = Promises(contracts=tuple(await asyncio.to_thread(_promising, self.folder)))
        return [promises for _ in intents]

    async def commit(self, uow: UnitOfWork, answered: Sequence[tuple[Intent, Answer]]) -> None:
        """Suspend the cores whose tape is missing, release those whose tapes are there, and look again."""
        for _, answer in answered:
            if isinstance(answer, Promises):
                await self._look(uow, answer.contracts)
        uow.intend(next_watch(uow))

    async def _look(self, uow: UnitOfWork, contracts: Sequence[Agreement]) -> None:
        local_now = uow.now.astimezone(ZoneInfo(self.settings.time_zone))
        missing: dict[str, list[str]] = {contract.core: [] for contract in contracts}
        for contract in contracts:
            assert contract.promised is not None  # `_promising` leaves the others out
            due = contract.promised.due_date(local_now)
            last = await tape_files.last_loaded(uow, contract.feed)
            if due >= contract.effective_from and (last is None or last.business_date < due):
                missing[contract.core].append(f"{contract.feed} of {due}")
        for core, tapes in sorted(missing.items()):
            if tapes:
                detail = f"promised and not loaded: {', '.join(tapes)}"
                log.error("tapes of %s are missing", core, extra={"reason": detail})
                metrics.count("doorstep.tapes.missing")
                await feed_recalls.suspend(uow, core, "tape_missing", detail=detail)
            else:
                await feed_suspensions.release(uow, core, "tape_missing", by="tape", reason="the tapes are loaded")


def _promising(folder: Path) -> list[Agreement]:
    try:
        released = [contract_for(folder, feed, None) for feed in feeds_in(folder)]
    except (FeedError, ContractError, OSError) as error:
        log.warning("contracts of feeds cannot be read", extra={"reason": str(error)})
        return []
    return [one.contract for one in released if one.is_released and one.contract.promised is not None]
