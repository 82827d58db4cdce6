"""The sequencer.

The one writer that gives waiting leaves their index, stores the nodes, and signs heads of the tree.
"""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final, Protocol

from services.compliance.domain.leaves import build
from services.compliance.log.head import ForkRefused, HeadMissing, SignedHead, refuse_fork
from services.compliance.log.manifest import due_manifest
from services.compliance.log.note import Checkpoint, NoteKey, sign
from services.compliance.log.tree import append
from services.compliance.store import log as store
from services.compliance.store.audits import Audited, load_audited
from services.compliance.store.leaves import insert_entries
from shared.clock import Clock
from shared.database import Database, UnitOfWork
from shared.events import NewEvent
from shared.events.compliance import CheckpointPublished, ContactAudited
from shared.ids import derived_id
from shared.telemetry.metrics import set_gauge

log = logging.getLogger(__name__)

# Bounds the party locks of one transaction (the server's lock table is shared by everybody).
BATCH_LEAVES: Final = 1_000
POLL_SECONDS: Final = 0.2
CHECKPOINT_EVERY: Final = timedelta(seconds=1)
REPUBLISH_EVERY: Final = timedelta(minutes=1)
_CHECKPOINT_PARTITION: Final = 0


Prepare = Callable[[], Awaitable[None]]


class Signer(Protocol):
    """Makes Ed25519 signatures with the log's private key."""

    def sign_bytes(self, content: bytes) -> bytes:
        """The bare 64-byte signature."""
        ...


class Sequencer:
    """Runs beside the workers; any number of processes may start one, the writer lock lets one of them write.

    `prepare` runs once, before the first step that succeeds.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        *,
        key: NoteKey,
        signer: Signer,
        head: SignedHead,
        generation: int = 1,
        prepare: Prepare | None = None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._key = key
        self._signer = signer
        self._head = head
        self._generation = generation
        self._prepare = prepare
        self._published_at: datetime | None = None
        self._told_at: datetime | None = None

    async def run(self) -> None:
        """Integrate and sign until cancelled. Errors of the database are waited out.

        A fork stops signing and alarms.
        """
        while True:
            try:
                if self._prepare is not None:
                    await self._prepare()
                    self._prepare = None
                await self.step()
                set_gauge("doorstep.log.forked", 0)
            except asyncio.CancelledError:
                raise
            except ForkRefused:
                set_gauge("doorstep.log.forked", 1)
                log.exception("the log signs nothing until a person decides: docs/runbooks/log-fork-refused.md")
                await asyncio.sleep(1)
            except Exception:  # the one edge of this task: it must outlive a database that is away
                log.exception("the log's sequencer failed; it tries again")
                await asyncio.sleep(1)
            await asyncio.sleep(POLL_SECONDS)

    async def tell_lag(self) -> None:
        """Up to when every leaf is under a signed head, whoever is the writer; at most once a second."""
        now = self._clock.real_now()
        if self._told_at is not None and now - self._told_at < CHECKPOINT_EVERY:
            return
        self._told_at = now
        async with self._database.read_only() as uow:
            covered = await store.uncovered_since(uow) or uow.real_now
        set_gauge("doorstep.log.covered.until", covered.timestamp())

    async def step(self) -> None:
        """Integrate everything that waits, add the manifest when one is due, then sign a head when one is due."""
        while await self.integrate() == BATCH_LEAVES:
            pass
        await self.add_manifest()
        try:
            await self.publish_checkpoint()
        finally:
            await self.tell_lag()

    async def integrate(self) -> int:
        """Move one batch from the queue into the tree; returns how many.

        The contacts among them are announced as audited.
        """
        async with self._database.unit_of_work() as uow:
            if not await store.become_writer(uow):
                return 0
            pending = await store.load_pending(uow, limit=BATCH_LEAVES)
            if not pending:
                return 0
            size = await store.tree_size(uow)
            nodes = append(size, await store.load_frontier(uow, size), [leaf.leaf_hash for leaf in pending])
            await store.add_leaves(uow, [leaf.leaf_id for leaf in pending], size=size, nodes=nodes)
            await store.dequeue(uow, pending)
            audited = await load_audited(uow, [leaf.leaf_id for leaf in pending])
            await uow.lock_parties(one.party_id for one in audited)
            indexes = {leaf.leaf_id: size + position for position, leaf in enumerate(pending)}
            for one in sorted(audited, key=lambda found: indexes[found.leaf_id]):
                uow.emit(_contact_audited(one, indexes[one.leaf_id], uow.now))
            return len(pending)

    async def add_manifest(self) -> int:
        """Give the manifest that is due its place in the tree; returns how many leaves it took.

        It does not wait in the queue: between the leaves it covers and itself no other leaf may come.
        """
        async with self._database.unit_of_work() as uow:
            if not await store.become_writer(uow):
                return 0
            due = await due_manifest(uow)
            if due is None:
                return 0
            leaf, entries = due
            built = build(leaf, None, secrets.token_bytes)
            await insert_entries(uow, [(leaf, built)])
            await store.keep_manifest(uow, leaf.leaf_id, entries.packed())
            size = await store.tree_size(uow)
            nodes = append(size, await store.load_frontier(uow, size), [built.hash])
            await store.add_leaves(uow, [leaf.leaf_id], size=size, nodes=nodes)
            return 1

    async def publish_checkpoint(self) -> str | None:
        """Sign and publish the head when the tree grew (at most each second), and repeat it each minute of silence.

        1. The tree is durable: integration committed before. 2. It must extend the remembered head. 3. The new head is
        remembered outside the database. 4. Only then it is stored and published. A crash in between loses nothing.
        Returns the note, or None. Raises ForkRefused.
        """
        async with self._database.unit_of_work() as uow:
            if not await store.become_writer(uow):
                return None
            size = await store.tree_size(uow)
            last = await store.last_checkpoint(uow)
            grown = last is None or last.size != size
            waited = None if last is None else uow.real_now - last.published_at
            if size == 0 or (waited is not None and waited < CHECKPOINT_EVERY):
                return None
            if last is not None and not grown:
                return await self._repeat(uow, last) if self._silent_since(uow.real_now) >= REPUBLISH_EVERY else None
            checkpoint = await self._signed(uow, size)
            await store.add_checkpoint(uow, checkpoint)
            return self._publish(uow, checkpoint)

    def _silent_since(self, real_now: datetime) -> timedelta:
        """How long this process has published no head; it starts silent."""
        return REPUBLISH_EVERY if self._published_at is None else real_now - self._published_at

    async def _repeat(self, uow: UnitOfWork, last: store.StoredCheckpoint) -> str:
        """The same head again, now with the cosignatures that came since."""
        lines = (await store.cosignatures(uow, size=last.size)).values()
        return self._publish(uow, replace(last, note=last.note + "".join(lines)))

    def _publish(self, uow: UnitOfWork, checkpoint: store.StoredCheckpoint) -> str:
        uow.emit(self._published(checkpoint, uow))
        self._published_at = uow.real_now
        return checkpoint.note

    async def _signed(self, uow: UnitOfWork, size: int) -> store.StoredCheckpoint:
        if await store.generation(uow) != self._generation:
            raise ForkRefused("the log goes on under another origin; this process was started for an older one")
        rotated = await store.last_rotation(uow, origin=self._key.name)
        if rotated is not None and json.loads(rotated)["new_key"] != self._key.vkey:
            raise ForkRefused("the log's key was changed; this process was started with another one")
        remembered = self._head.load()
        if remembered is None and (last := await store.last_checkpoint(uow)) is not None:
            raise HeadMissing(self._head.path, last.size)
        fits = remembered is not None and remembered.size <= size
        root_then = await store.root_at(uow, remembered.size) if fits and remembered is not None else None
        refuse_fork(remembered, size=size, root_at_remembered=root_then)
        checkpoint = Checkpoint(self._key.name, size, await store.root_at(uow, size))
        note = sign(checkpoint, self._key, self._signer.sign_bytes)
        self._head.remember(note)
        return store.StoredCheckpoint(size, checkpoint.root, note, uow.real_now)

    def _published(self, checkpoint: store.StoredCheckpoint, uow: UnitOfWork) -> NewEvent[CheckpointPublished]:
        data = CheckpointPublished(
            origin=self._key.name,
            tree_size=checkpoint.size,
            root_hash=base64.b64encode(checkpoint.root).decode(),
            note=checkpoint.note,
            published_at=uow.real_now,
        )
        return NewEvent(
            type="compliance.checkpoint_published",
            party_id=None,
            aggregate_id=derived_id("log", self._key.name),
            data=data,
            time=uow.now,
            partition=_CHECKPOINT_PARTITION,
        )


def _contact_audited(one: Audited, leaf_index: int, now: datetime) -> NewEvent[ContactAudited]:
    data = ContactAudited(
        contact_id=one.contact_id,
        party_id=one.party_id,
        leaf_index=leaf_index,
        verdict=one.verdict,
        findings=one.findings,
    )
    return NewEvent(
        type="compliance.contact_audited", party_id=one.party_id, aggregate_id=one.party_id, data=data, time=now
    )
