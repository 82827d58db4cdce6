"""Openings: salt and value of each committed field in scope, so that a reader recomputes the commitment."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from services.compliance.evidence.endings import Ending, load_endings
from services.compliance.evidence.scope import Scope
from services.compliance.store import evidence as store
from services.compliance.store.frames import frame_named
from services.compliance.store.leaves import load_chain_salt, load_openings
from shared.database import UnitOfWork
from shared.security.party_keys import PartyCipher

Document = dict[str, Any]


async def openings(
    uow: UnitOfWork, cipher: PartyCipher, scope: Scope, leaves: Sequence[tuple[store.EvidenceLeaf, Document]], *,
    size: int, ended_by: set[int], frames: set[str],
) -> list[Document]:  # fmt: skip
    """One line for each committed field in scope of these leaves (with their parsed documents), in their order.

    `state` says `open`; `deleted` or `erased` by a leaf of the first `size`, which is added to `ended_by`; `not_kept`
    when the leaf is older than keeping values. The `frames` that opened records name are added to them. Raises
    NotYetSealed.
    """
    wanted = [
        (leaf, document)
        for leaf, document in leaves
        if leaf.party_id is not None and scope.holds(datetime.fromisoformat(document["occurred_at"]))
    ]
    parties = {leaf.party_id for leaf, _ in wanted if leaf.party_id is not None}
    leaf_ids = [leaf.leaf_id for leaf, _ in wanted]
    kept = await load_openings(uow, cipher, parties, leaf_ids)
    records = await store.decision_records(uow, cipher, parties, leaf_ids)
    frames |= {name for record in records.values() if (name := frame_named(record)) is not None}
    endings = await load_endings(uow, parties, size=size)
    lines: list[Document] = []
    for leaf, document in wanted:
        for name in sorted(document["committed"]):
            if not scope.opens(document["kind"], name):
                continue
            line: Document = {"index": leaf.index, "name": name}
            one = kept.get(leaf.leaf_id, {}).get(name)
            if one is None:
                ending = endings.of_leaf(document["kind"], leaf)
                lines.append(line | _ended(ending))
                ended_by |= set() if ending is None else {ending.leaf.index}
                continue
            value = records.get(leaf.leaf_id) if one.value is None and name == "record" else one.value
            if value is None:
                lines.append(line | {"state": "not_kept"})
            else:
                lines.append(line | {"state": "open", "salt": _base64(one.salt), "value": _base64(value)})
    return lines


def _ended(ending: Ending | None) -> Document:
    """Without a leaf that says so nobody has to believe it."""
    if ending is None:
        return {"state": "erased", "by_leaf": None}
    return {"state": "erased" if ending.sorts is None else "deleted", "by_leaf": ending.leaf.index}


async def subject_opening(uow: UnitOfWork, cipher: PartyCipher, party_id: UUID) -> Document:
    """What shows that a chain is this person's: the salt of the commitment that all its leaves carry."""
    salt = await load_chain_salt(uow, cipher, party_id)
    return {"party_id": str(party_id), "salt": None if salt is None else _base64(salt)}


def outside_case(
    document: Mapping[str, Any], opened: Mapping[str, Document], *, case_id: UUID, other_permits: set[UUID]
) -> bool:
    """Whether a leaf of the person's chain is about another case: its contents are withheld, its place is not."""
    if document["kind"] == "contact":
        return document.get("permit_id") is not None and UUID(document["permit_id"]) in other_permits
    record = opened.get("record", {})
    if document["kind"] != "decision" or record.get("state") != "open":
        return False
    asked = json.loads(base64.b64decode(record["value"])).get("request", {}).get("case_id")
    return asked is not None and asked != str(case_id)


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()
