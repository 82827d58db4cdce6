"""The SQL of look-backs: who was contacted under a rule that turned out to be wrong, and what became of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.database import UnitOfWork

# Contacts on a permit whose decision asked the rule, and contacts on which the audit found it broken.
_UNDER_RULE = """
SELECT * FROM (
    SELECT c.party_id, c.contact_id, c.channel, c.started_at, d.decision_id,
           coalesce((SELECT asked.value ->> 'answer'
                     FROM jsonb_array_elements(convert_from(d.record, 'UTF8')::jsonb -> 'rules') AS asked(value)
                     WHERE asked.value ->> 'rule' = $2), 'not asked') AS answer,
           coalesce((SELECT f.state FROM finding f
                     WHERE f.tenant = $1 AND f.contact_id = c.contact_id AND f.rule = $2
                     ORDER BY f.opened_real DESC LIMIT 1), 'none') AS finding
    FROM contact_audit c
    LEFT JOIN permit p ON p.tenant = c.tenant AND p.party_id = c.party_id AND p.permit_id = c.permit_id
    LEFT JOIN decision d ON d.tenant = c.tenant AND d.party_id = c.party_id AND d.decision_id = p.decision_id
    WHERE c.tenant = $1 AND c.started_at >= $3 AND c.started_at < $4
) AS contacted
WHERE answer <> 'not asked' OR finding <> 'none' ORDER BY started_at
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactUnderRule:
    """A contact to which the rule was applied. `answer`: what it said before; `finding`: what stands of it now."""

    party_id: UUID
    contact_id: UUID
    channel: str
    started_at: datetime
    decision_id: UUID | None
    answer: str
    finding: str


async def contacts_under(
    uow: UnitOfWork, rule: str, *, since: datetime, until: datetime
) -> AsyncIterator[ContactUnderRule]:
    """Every contact in [since, until) (business time) to which the rule was applied, as a stream, oldest first."""
    async for row in uow.sql.cursor(_UNDER_RULE, uow.tenant, rule, since, until):
        yield ContactUnderRule(
            party_id=row["party_id"],
            contact_id=row["contact_id"],
            channel=row["channel"],
            started_at=row["started_at"],
            decision_id=row["decision_id"],
            answer=row["answer"],
            finding=row["finding"],
        )
