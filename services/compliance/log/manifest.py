"""The manifest: leaves that say, about each hour, where the chain of every party that changed had come to.

Party chains show that nothing is missing in the middle; a manifest shows that nothing is missing at the end. A manifest
covers exactly the leaves between the manifest before it and itself, so that anybody who has the leaves recomputes it.
"""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta
from typing import Final

from services.compliance.domain.leaves import NewLeaf
from services.compliance.store import log as store
from shared.database import UnitOfWork
from shared.ids import event_id

MANIFEST_AFTER: Final = timedelta(hours=1)
# A leaf of a thousand commitments is some 80 KB.
PARTIES_PER_LEAF: Final = 1_000


async def due_manifest(uow: UnitOfWork) -> list[NewLeaf]:
    """The leaves of the manifest that is due, in order; empty while no uncovered leaf is an hour old.

    The caller is the log's only writer and gives them the next places, before any other leaf.
    """
    last = await store.last_manifest(uow)
    uncovered = 0 if last is None else last[0] + 1
    oldest = await store.recorded_at(uow, uncovered)
    if oldest is None or uow.real_now - oldest < MANIFEST_AFTER:
        return []
    parties = await store.changed_parties(uow, start=uncovered)
    if not parties:
        return []
    number, previous = (1, None) if last is None else _following(last[1])
    named = list(parties.items())
    parts = [dict(named[start : start + PARTIES_PER_LEAF]) for start in range(0, len(named), PARTIES_PER_LEAF)]
    return [
        NewLeaf(
            kind="manifest",
            leaf_id=event_id(),
            party_id=None,
            occurred_at=uow.now,
            recorded_at=uow.real_now,
            public={
                "number": number,
                "part": place,
                "parts": len(parts),
                "previous_manifest": previous,
                "parties": part,
            },
        )
        for place, part in enumerate(parts, start=1)
    ]


def _following(last: bytes) -> tuple[int, str]:
    """The next manifest's number, and the leaf hash of the last part before it."""
    return json.loads(last)["number"] + 1, hashlib.sha256(b"\x00" + last).hexdigest()
