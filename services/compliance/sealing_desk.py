"""The desk that seals what was kept in the clear before version 0019, page by page, until nothing is left.

It needs the people's keys, which a migration does not have. Rows are read in both forms meanwhile. It goes on looking:
a process of before that still runs in a rolling upgrade writes in the clear.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from services.compliance.instruments import Instruments
from services.compliance.store import sealing as store
from services.compliance.store.leaves import load_erased
from services.compliance.store.sealed import CONTACT, DECISION
from services.compliance.watch import WATCH_EVERY, Timer, next_look
from shared.database import UnitOfWork
from shared.messaging import Intent
from shared.telemetry.metrics import count

WATCH: Final = "compliance.sealing_watch"
_SOON: Final = timedelta(seconds=2)
_PARTIES: Final = 100
_ROWS: Final = 500


def timer(instruments: Instruments) -> Timer:
    """Looks again soon while there is something to seal."""

    async def look(uow: UnitOfWork, _: Sequence[Intent]) -> None:
        sealed = await seal_page(uow, instruments)
        uow.intend(next_look(WATCH, uow.real_now, every=_SOON if sealed else WATCH_EVERY))

    return Timer(WATCH, look)


async def seal_page(uow: UnitOfWork, instruments: Instruments) -> int:
    """Seal a page; returns how many rows it was. What is left of erased people is not sealed but dropped."""
    parties = await store.clear_parties(uow, limit=_PARTIES)
    if not parties:
        return 0
    await uow.lock_parties(parties)
    erased = await load_erased(uow, instruments.cipher, parties)
    cipher = instruments.cipher
    sealed = 0
    for field in (DECISION, CONTACT):
        sealed += await store.seal_records(uow, cipher, parties, field, erased=erased, limit=_ROWS)
    sealed += await store.seal_terms(uow, cipher, parties, erased=erased, limit=_ROWS)
    sealed += await store.seal_words(uow, cipher, parties, erased=erased, limit=_ROWS)
    count("doorstep.records.sealed", amount=sealed)
    return sealed
