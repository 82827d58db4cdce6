"""The SQL of subject access: everything kept about one person, list by list, oldest first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

import asyncpg

from shared.database import UnitOfWork

_LISTS: Final = {
    "place": "SELECT case_id, case_open, jurisdiction, zones FROM party_fact WHERE tenant = $1 AND party_id = $2",
    "places": """
SELECT since, jurisdiction, zones FROM party_place WHERE tenant = $1 AND party_id = $2 ORDER BY since, recorded_real
""",
    # Others who are bound by the same debt are left out.
    "debts": """
SELECT d.loan_id, d.is_overdue, d.originated_on, d.roles[array_position(d.obligors, $2)] AS role,
       d.liabilities[array_position(d.obligors, $2)] AS liability
FROM liable_party l JOIN debt d USING (tenant, debt_id, case_party_id)
WHERE l.tenant = $1 AND l.party_id = $2 ORDER BY d.originated_on, d.loan_id
""",
    "told": """
SELECT party_id, name, as_of, owner, value, reference, sealed_word, ARRAY[told_by] AS staff FROM dossier_entry
WHERE tenant = $1 AND party_id = $2 ORDER BY as_of, recorded_real, name
""",
    "history": """
SELECT known_from, cutover_id FROM attested_history WHERE tenant = $1 AND party_id = $2
""",
    "contacts": """
SELECT party_id, contact_id, started_at, ended_at, channel, purpose, verdict, record, sealed_record FROM contact_audit
WHERE tenant = $1 AND party_id = $2 ORDER BY started_at, contact_id
""",
    "decisions": """
SELECT party_id, decision_id, decided_at, answer, channel, purpose, record, sealed_record FROM decision
WHERE tenant = $1 AND party_id = $2 ORDER BY decided_at, decision_id
""",
    "permits": """
SELECT party_id, permit_id, channel, purpose, window_start, window_end, state, revoke_cause, crew, place_cell, token,
       sealed_terms
FROM permit WHERE tenant = $1 AND party_id = $2 ORDER BY window_start, permit_id
""",
    "holds": """
SELECT party_id, hold_id, kind, scope, valid_from, valid_to, ended_at, need, sealed_reason,
       ARRAY[end_asked_by, ended_by] AS staff FROM hold
WHERE tenant = $1 AND party_id = $2 ORDER BY recorded_real, hold_id
""",
    "complaints": """
SELECT party_id, complaint_id, version, recorded_at, step, state, answer_by, sealed_words,
       about || ARRAY[owner, by_whom] AS staff FROM complaint_version
WHERE tenant = $1 AND party_id = $2 ORDER BY recorded_real, complaint_id, version
""",
    "findings": """
SELECT party_id, finding_id, version, recorded_at, rule, citation, severity, detail, step, state, sealed_reason,
       ARRAY[by_whom] AS staff
FROM finding_version WHERE tenant = $1 AND party_id = $2 ORDER BY recorded_real, finding_id, version
""",
    "traces": """
SELECT seen_at, kind, channel, source, record_id FROM contact_trace
WHERE tenant = $1 AND party_id = $2 ORDER BY seen_at, record_id
""",
    "refused_check_ins": """
SELECT refused_at, array_to_string(reasons, ', ') AS reasons FROM refused_check_in
WHERE tenant = $1 AND party_id = $2 ORDER BY refused_at, event_id
""",
    "card_readings": """
SELECT read_at, purpose, what, array_to_string(fields, ', ') AS fields, client, ARRAY[reader] AS staff FROM card_reading
WHERE tenant = $1 AND party_id = $2 ORDER BY read_at, reading_id
""",
    "tasks": """
SELECT fact, rule, owner, opened_at, due_at, closed_at FROM fact_task
WHERE tenant = $1 AND party_id = $2 ORDER BY opened_at, task_id
""",
    "samples": """
SELECT s.party_id, s.day, s.kind, s.subject_id, j.verdict, j.judged_at, j.sealed_reason, ARRAY[j.by_whom] AS staff
FROM sample s LEFT JOIN sample_judgement j USING (tenant, sample_id)
WHERE s.tenant = $1 AND s.party_id = $2 ORDER BY s.day, s.sample_id
""",
    "overrides": """
SELECT party_id, override_id, rule, by_role, valid_from, valid_to, evidence, ended_at, sealed_reason,
       ARRAY[by_whom, ended_by] AS staff FROM given_override
WHERE tenant = $1 AND party_id = $2 ORDER BY recorded_real, override_id
""",
    "erasures": """
SELECT erasure_id, received_at, answer_by, state, refused_by FROM erasure
WHERE tenant = $1 AND party_id = $2 ORDER BY received_at, erasure_id
""",
    "requests": """
SELECT c.kind, c.said ->> 'right' AS right, c.said ->> 'relation' AS relation, c.caused_at, c.reference, o.rule,
       o.due_at, o.outcome, o.answered_at, ARRAY[c.by_whom, o.by_whom] AS staff
FROM duty_cause c JOIN duty_owed o USING (tenant, cause_id)
WHERE c.tenant = $1 AND c.person_key = $2 ORDER BY c.caused_at, c.cause_id, o.rule
""",
}
LISTS: Final = tuple(_LISTS)


async def load_list(uow: UnitOfWork, name: str, party_id: UUID, person_key: bytes) -> Sequence[asyncpg.Record]:
    """The rows of one list, whole: they are one person's. `person_key`: what stands for the person elsewhere."""
    subject = person_key if name == "requests" else party_id
    rows: Sequence[Any] = await uow.sql.fetch(_LISTS[name], uow.tenant, subject)
    return rows
