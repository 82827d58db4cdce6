"""Carries signed heads out of our reach: to the witnesses, and once a minute with their cosignatures to a folder.

Runs beside the sequencer. No transaction is open while a witness is called.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import httpx

from services.compliance.log.head import ForkRefused, write_durably
from services.compliance.log.tree import consistency_spans
from services.compliance.log.witnesses import Cosignature, Witness, WitnessKnows, WitnessRefused, add_checkpoint
from services.compliance.store import log as store
from shared.clock import Clock
from shared.database import Database
from shared.security.authorities import trusted_authorities

log = logging.getLogger(__name__)

ARCHIVE_EVERY: Final = timedelta(minutes=1)
_PAUSE_SECONDS: Final = 1.0
_TIMEOUT_SECONDS: Final = 5.0


class Cosigner:
    """Asks every witness about every newest head; keeps a copy a minute in `archive` when a folder is given."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        *,
        witnesses: Sequence[Witness],
        archive: Path | None,
        http: httpx.AsyncClient | None = None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._witnesses = witnesses
        self._archive = archive
        self._http = http or httpx.AsyncClient(timeout=_TIMEOUT_SECONDS, verify=trusted_authorities())
        self._archived_at: datetime | None = None

    async def run(self) -> None:
        """Until cancelled. A witness that refuses or is away is asked again; the log goes on meanwhile."""
        async with self._http:
            while True:
                try:
                    await self.step()
                except asyncio.CancelledError:
                    raise
                except Exception:  # the one edge of this task: it must outlive a database or folder that is away
                    log.exception("the newest checkpoint was not carried out; it is tried again")
                await asyncio.sleep(_PAUSE_SECONDS)

    async def step(self) -> int:
        """Bring the newest head to the witnesses that have not signed it; returns how many did now.

        Raises ForkRefused when a witness knows a larger tree than ours: leaves were lost.
        """
        async with self._database.read_only() as uow:
            head = await store.last_checkpoint(uow)
            if head is None:
                return 0
            known = await store.cosignatures(uow, size=head.size)
        missing = [witness for witness in self._witnesses if witness.key.vkey not in known]
        answers = await asyncio.gather(*(self._ask(witness, head) for witness in missing))
        signed = [(witness, one) for witness, one in zip(missing, answers, strict=True) if one is not None]
        if signed:
            async with self._database.unit_of_work() as uow:
                for witness, one in signed:
                    await store.add_cosignature(
                        uow, size=head.size, witness=witness.key.vkey, line=one.line, cosigned_at=one.cosigned_at
                    )
        await self._keep_copy(head, [*known.values(), *(one.line for _, one in signed)])
        return len(signed)

    async def _ask(self, witness: Witness, head: store.StoredCheckpoint) -> Cosignature | None:
        async with self._database.read_only() as uow:
            old_size = await store.cosigned_size(uow, witness.key.vkey)
        try:
            try:
                return await self._submit(witness, head, old_size)
            except WitnessKnows as conflict:
                return await self._submit(witness, head, conflict.size)
        except (WitnessRefused, WitnessKnows) as error:
            log.warning("no cosignature: %s", error)
            return None

    async def _submit(self, witness: Witness, head: store.StoredCheckpoint, old_size: int) -> Cosignature:
        if old_size > head.size:
            raise ForkRefused(f"{witness.key.name} signed a tree of {old_size} leaves, ours has {head.size}")
        path: list[bytes] = []
        if old_size:
            async with self._database.read_only() as uow:
                path = await store.load_proof(uow, consistency_spans(old_size, head.size))
        return await add_checkpoint(self._http, witness, old_size=old_size, path=path, note=head.note)

    async def _keep_copy(self, head: store.StoredCheckpoint, lines: Sequence[str]) -> None:
        """One file a minute, named by tree size, written whole or not at all."""
        now = self._clock.real_now()
        if self._archive is None or (self._archived_at is not None and now - self._archived_at < ARCHIVE_EVERY):
            return
        write_durably(self._archive / f"{head.size:020}.note", head.note + "".join(lines))
        self._archived_at = now
