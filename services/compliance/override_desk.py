"""The desk of permissions to pass one rule: the person's recorded consent, or a supervisor's decision.

Neither acts before it was recorded: a permission obtained afterwards is none.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import time
from uuid import UUID

from services.compliance import reconsideration
from services.compliance.domain.canonical import canonical, format_time
from services.compliance.domain.dossier import GivenOverride
from services.compliance.domain.facts import Override
from services.compliance.domain.leaves import LeafKind, NewLeaf
from services.compliance.domain.local_time import Span
from services.compliance.domain.overrides import OVERRIDES_PER_DAY, QUOTA_SPAN, OverrideQuotaSpent, passable
from services.compliance.domain.rule_records import Overriding
from services.compliance.instruments import Instruments
from services.compliance.store import dossiers as store
from services.compliance.store.leaves import append_leaves
from shared.database import UnitOfWork
from shared.ids import entity_id, event_id, shard_of

REASON = "given_override.sealed_reason"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewOverride:
    """A permission to be recorded. `evidence`: what proves it (the consent's record, a supervisor's document)."""

    party_id: UUID
    rule: str
    by: Overriding
    valid: Span
    evidence: str
    by_whom: str
    opens: time | None = None
    closes: time | None = None
    reason: str | None = None


async def give(uow: UnitOfWork, instruments: Instruments, new: NewOverride) -> store.KeptOverride:
    """Record the permission and its leaf. The party is locked.

    Raises NotOverridable, OverrideBackdated, OverrideTooLong, OverrideQuotaSpent.
    """
    valid = passable(
        instruments.book, rule_id=new.rule, by=new.by, valid=new.valid, hours=new.opens is not None, now=uow.now
    )
    if new.by == "supervisor":
        given = await store.count_given_by(uow, new.by_whom, within=QUOTA_SPAN)
        if given >= OVERRIDES_PER_DAY:
            raise OverrideQuotaSpent(f"{given} of {OVERRIDES_PER_DAY} in 24 hours are given")
    override_id = entity_id(shard_of(new.party_id))
    kept = store.KeptOverride(
        given=GivenOverride(
            override_id=override_id,
            party_id=new.party_id,
            rule=new.rule,
            override=Override(by=new.by, evidence=override_id, valid=valid, opens=new.opens, closes=new.closes),
            recorded_real=uow.real_now,
        ),
        evidence=new.evidence,
        by_whom=new.by_whom,
        sealed_reason=None
        if new.reason is None
        else await instruments.cipher.seal(uow, new.party_id, REASON, new.reason),
        recorded_at=uow.now,
        leaf_id=event_id(),
    )
    await store.insert_override(uow, kept)
    await append_leaves(uow, instruments.cipher, [_given_leaf(uow, kept, reason=new.reason)])
    return kept


async def withdraw(
    uow: UnitOfWork, instruments: Instruments, kept: store.KeptOverride, *, by_whom: str
) -> store.KeptOverride:
    """End it from now on; permits that rested on it are recalled. Withdrawn again, nothing happens.

    The party is locked.
    """
    if kept.given.ended_at is not None:
        return kept
    after = replace(kept, given=replace(kept.given, ended_at=uow.now))
    await store.end_override(uow, after.given, by_whom=by_whom)
    public = {"override_id": str(after.given.override_id), "rule": after.given.rule}
    leaf = _leaf(uow, after, "override_end", event_id(), public=public, said={"by_whom": by_whom})
    await append_leaves(uow, instruments.cipher, [leaf])
    await reconsideration.reconsider(uow, instruments, [after.given.party_id])
    return after


def _given_leaf(uow: UnitOfWork, kept: store.KeptOverride, *, reason: str | None) -> NewLeaf:
    given = kept.given
    valid = given.override.valid
    public = {
        "override_id": str(given.override_id),
        "rule": given.rule,
        "by": given.override.by,
        "valid_from": format_time(valid.start),
        "valid_to": format_time(valid.end),
    }
    hours = canonical(
        {
            "opens": None if given.override.opens is None else given.override.opens.isoformat(),
            "closes": None if given.override.closes is None else given.override.closes.isoformat(),
        }
    ).decode()
    said = {"by_whom": kept.by_whom, "evidence": kept.evidence, "hours": hours, "reason": reason}
    return _leaf(uow, kept, "override", kept.leaf_id, public=public, said=said)


def _leaf(
    uow: UnitOfWork, kept: store.KeptOverride, kind: LeafKind, leaf_id: UUID, *, public: dict[str, str],
    said: dict[str, str | None] | dict[str, str],
) -> NewLeaf:  # fmt: skip
    return NewLeaf(
        kind=kind,
        leaf_id=leaf_id,
        party_id=kept.given.party_id,
        occurred_at=uow.now,
        recorded_at=uow.real_now,
        public=public,
        committed={name: text.encode() for name, text in said.items() if text is not None},
    )
