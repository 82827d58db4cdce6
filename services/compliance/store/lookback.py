"""The SQL of look-backs: who was contacted under a rule that turned out to be wrong, and what became of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from services.compliance.store.frames import load_told
from services.compliance.store.sealed import DECISION, open_records
from shared.database import UnitOfWork
from shared.security.party_keys import PartyCipher

# Contacts on a permit whose decision asked the rule, and contacts on which the audit found it broken.
_UNDER_RULE = """
SELECT c.party_id, c.contact_id, c.channel, c.started_at, d.decision_id, d.record, d.sealed_record,
       coalesce((SELECT f.state FROM finding f
                 WHERE f.tenant = $1 AND f.contact_id = c.contact_id AND f.rule = $2
                 ORDER BY f.opened_real DESC, f.finding_id LIMIT 1), 'none') AS finding
FROM contact_audit c
LEFT JOIN permit p ON p.tenant = c.tenant AND p.party_id = c.party_id AND p.permit_id = c.permit_id
LEFT JOIN decision d ON d.tenant = c.tenant AND d.party_id = c.party_id AND d.decision_id = p.decision_id
WHERE c.tenant = $1 AND c.started_at >= $3 AND c.started_at < $4 ORDER BY c.started_at, c.contact_id
"""
_PAGE = 500
_NOT_ASKED = "not asked"


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactUnderRule:
    """A contact to which the rule was applied. `answer`: what it said before; `finding`: what stands of it now.

    `answer` is `erased` where the decision cannot be read any more: whether it asked the rule, nobody can say.
    """

    party_id: UUID
    contact_id: UUID
    channel: str
    started_at: datetime
    decision_id: UUID | None
    answer: str
    finding: str


async def contacts_under(
    uow: UnitOfWork, cipher: PartyCipher, rule: str, *, since: datetime, until: datetime
) -> AsyncIterator[ContactUnderRule]:
    """Every contact in [since, until) (business time) to which the rule was applied, as a stream, oldest first."""
    cursor = await uow.sql.cursor(_UNDER_RULE, uow.tenant, rule, since, until)
    while page := await cursor.fetch(_PAGE):
        records = await load_told(uow, await open_records(uow, cipher, page, DECISION))
        for row, record in zip(page, records, strict=True):
            answer = _answer(rule, row["decision_id"], record)
            if answer != _NOT_ASKED or row["finding"] != "none":
                yield ContactUnderRule(
                    party_id=row["party_id"],
                    contact_id=row["contact_id"],
                    channel=row["channel"],
                    started_at=row["started_at"],
                    decision_id=row["decision_id"],
                    answer=answer,
                    finding=row["finding"],
                )


def _answer(rule: str, decision_id: UUID | None, record: Mapping[str, Any] | None) -> str:
    if decision_id is None:
        return _NOT_ASKED
    if record is None:
        return "erased"
    return next((one["answer"] for one in record["rules"] if one["rule"] == rule), _NOT_ASKED)
