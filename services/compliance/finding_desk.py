"""The desk of findings: each version is a row, a leaf and, where it says what was broken, an event; in one transaction.

The leaf of a contact names what it broke when it was judged; every later version has a leaf of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from services.compliance import announcements
from services.compliance.domain.canonical import Json
from services.compliance.domain.findings import FindingVersion
from services.compliance.domain.leaves import NewLeaf
from services.compliance.instruments import Instruments
from services.compliance.store.findings import append_versions
from services.compliance.store.leaves import append_leaves
from shared.database import UnitOfWork
from shared.ids import event_id
from shared.security.party_keys import Plain
from shared.telemetry.metrics import count

REASON = "finding_version.sealed_reason"


async def record(
    uow: UnitOfWork, instruments: Instruments, versions: Sequence[FindingVersion], *, proved: bool = False
) -> list[FindingVersion]:
    """Append one version per finding; returns those that are new. The parties are locked.

    `proved`: the caller's own leaf says it already (the leaf of the contact).
    """
    sealed = await _sealed_reasons(uow, instruments, versions)
    new = await append_versions(uow, versions, sealed_reasons=sealed)
    kept = [one for one in versions if one.finding_id in new]
    if not proved:
        await append_leaves(uow, instruments.cipher, [_leaf(one, uow) for one in kept])
    for one in kept:
        if one.step in ("found", "judged_again"):
            count("doorstep.findings.recorded", rule=one.finding.rule)
            if one.party_id is not None:
                uow.emit(announcements.violation(one, party_id=one.party_id, now=uow.now))
    return kept


async def _sealed_reasons(
    uow: UnitOfWork, instruments: Instruments, versions: Sequence[FindingVersion]
) -> dict[UUID, bytes]:
    told = [
        (one.finding_id, Plain(one.party_id, REASON, one.reason))
        for one in versions
        if one.party_id is not None and one.reason is not None
    ]
    sealed = await instruments.cipher.seal_many(uow, [plain for _, plain in told]) if told else []
    return {finding_id: value for (finding_id, _), value in zip(told, sealed, strict=True)}


def _leaf(one: FindingVersion, uow: UnitOfWork) -> NewLeaf:
    """Words and names are only committed to, and only for a person's findings: commitments need a party's salts."""
    public: dict[str, Json] = {
        "finding_id": str(one.finding_id),
        "version": one.version,
        "state": one.state,
        "step": one.step,
        "rule": one.finding.rule,
        "severity": one.finding.severity,
        "conduct": one.finding.conduct,
        "harm": one.finding.harm,
        "contact_id": None if one.contact_id is None else str(one.contact_id),
        "subject": one.subject,
        "reference": one.reference,
    }
    words = {"by_whom": one.by_whom, "reason": one.reason, "detail": one.finding.detail}
    committed = {name: text.encode() for name, text in words.items() if text is not None}
    return NewLeaf(
        kind="finding",
        leaf_id=event_id(),
        party_id=one.party_id,
        occurred_at=uow.now,
        recorded_at=uow.real_now,
        public=public,
        committed={} if one.party_id is None else committed,
    )
