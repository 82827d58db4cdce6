"""Rule sets and releases as leaves: which rules were in force, and who approved them, is as provable as decisions."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from services.compliance import finding_desk
from services.compliance.domain.leaves import NewLeaf
from services.compliance.domain.packs import PackError
from services.compliance.instruments import Instruments
from services.compliance.store.leaves import append_leaves
from services.compliance.store.log import are_integrated, has_entry, has_kind, known_entries, load_leaves_of
from services.compliance.store.rule_sources import keep_parts
from shared.database import Database, UnitOfWork
from shared.ids import derived_id
from shared.security.note_keys import person_key_name

log = logging.getLogger(__name__)
_POLL_SECONDS: Final = 0.5
_SAY_EVERY_SECONDS: Final = 30.0


async def record_rule_set(database: Database, instruments: Instruments) -> None:
    """Append the leaves of approvers' keys, of the releases and of the loaded rule set, once for each state of them.

    The sources of the rules are kept.

    A release whose pack is in effect already is a finding, but for the packs that a new log begins with: nothing was
    decided before them.
    """
    leaf_id = derived_id("rule-set", instruments.book.rule_set)
    async with database.unit_of_work() as uow:
        # One lock for all rule sets: of two that start together one is the first.
        await uow.lock_parties([derived_id("rule-sets", uow.tenant)])
        await _record_approvers(uow, instruments)
        await _record_releases(uow, instruments)
        await keep_parts(uow, instruments.book.rule_set, instruments.rule_parts)
        if await has_entry(uow, leaf_id):
            return
        leaf = NewLeaf(
            kind="rule_set",
            leaf_id=leaf_id,
            party_id=None,
            occurred_at=uow.now,
            recorded_at=uow.real_now,
            public={"rule_set": instruments.book.rule_set, "packs": dict(instruments.book.hashes)},
        )
        await append_leaves(uow, instruments.cipher, [leaf])


async def await_releases(database: Database, instruments: Instruments) -> None:
    """Wait until the release of every loaded pack has its place in the tree.

    Nothing is decided by a pack before; processes with the rules of before go on meanwhile. Some worker with these
    packs must run: it appends the leaves.
    """
    wanted = [one.leaf_id for one in instruments.releases]
    waited = 0.0
    while True:
        async with database.read_only() as uow:
            if await are_integrated(uow, wanted):
                return
        if waited % _SAY_EVERY_SECONDS == 0:
            log.warning("releases of packs are not in the log's tree yet; nothing is decided by them before")
        await asyncio.sleep(_POLL_SECONDS)
        waited += _POLL_SECONDS


async def _record_approvers(uow: UnitOfWork, instruments: Instruments) -> None:
    """Raises PackError for another first key of a person: what follows a lost one is vouched for by others."""
    logged: dict[str, set[str]] = {}
    for said in await load_leaves_of(uow, "approver_key"):
        logged.setdefault(person_key_name(said["approver"]), set()).add(said["key"])
    for one in instruments.approver_keys:
        if one.previous is None and one.key not in logged.get(person_key_name(one.person), {one.key}):
            raise PackError(f"approvers: {one.person} had another key, and nobody signed or vouched for this one")
    known = await known_entries(uow, [one.leaf_id for one in instruments.approver_keys])
    leaves = [
        NewLeaf(
            kind="approver_key",
            leaf_id=one.leaf_id,
            party_id=None,
            occurred_at=uow.now,
            recorded_at=uow.real_now,
            public=one.document(),
        )
        for one in instruments.approver_keys
        if one.leaf_id not in known
    ]
    await append_leaves(uow, instruments.cipher, leaves)


async def _record_releases(uow: UnitOfWork, instruments: Instruments) -> None:
    known = await known_entries(uow, [one.leaf_id for one in instruments.releases])
    fresh = [one for one in instruments.releases if one.leaf_id not in known]
    begins = not await has_kind(uow, "rule_set")
    leaves = [
        NewLeaf(
            kind="pack_release",
            leaf_id=one.leaf_id,
            party_id=None,
            occurred_at=uow.now,
            recorded_at=uow.real_now,
            public=one.document(),
        )
        for one in fresh
    ]
    await append_leaves(uow, instruments.cipher, leaves)
    late = [found for one in fresh if (found := one.found_late(uow.now)) is not None]
    await finding_desk.record(uow, instruments, [] if begins else late)
