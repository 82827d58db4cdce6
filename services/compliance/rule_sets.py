"""The rule set as a leaf: which rules were in force is as provable as what was decided by them."""

from __future__ import annotations

from services.compliance.domain.leaves import NewLeaf
from services.compliance.instruments import Instruments
from services.compliance.store.leaves import append_leaves
from services.compliance.store.log import become_writer, has_entry
from shared.database import Database
from shared.ids import derived_id


async def record_rule_set(database: Database, instruments: Instruments) -> None:
    """Append the leaf of the loaded rule set, once for each state of the rules."""
    leaf_id = derived_id("rule-set", instruments.book.rule_set)
    async with database.unit_of_work() as uow:
        if not await become_writer(uow) or await has_entry(uow, leaf_id):
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
