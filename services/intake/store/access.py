"""The SQL of subject access in intake: everything kept about one person, list by list, oldest first."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from shared.access.store import rows_of
from shared.database import UnitOfWork

_LISTS: Final = {
    "references": """
SELECT core, party_ref, reserved_at FROM party_alias WHERE tenant = $1 AND party_id = $2 ORDER BY reserved_at, core
""",
    # Whoever turned out to be somebody else is not shown.
    "identities": """
SELECT CASE WHEN is_merged THEN CASE WHEN party_id = $2 THEN into_id ELSE party_id END END AS other, is_merged,
       business_date FROM party_identity
WHERE tenant = $1 AND $2 IN (party_id, into_id) ORDER BY business_date, core_sequence
""",
    "person": """
SELECT profile, deceased_on, parked_by, pauses FROM person WHERE tenant = $1 AND party_id = $2
""",
    "loans": """
SELECT party_id, core, loan_ref, loan_id, terms, statement, standing, place FROM loan
WHERE tenant = $1 AND party_id = $2 ORDER BY core, loan_ref
""",
    "payments": """
SELECT core, loan_ref, transaction_ref, receipt, reversal, posted, reversal_posted FROM movement
WHERE tenant = $1 AND party_id = $2 ORDER BY core, loan_ref, transaction_ref
""",
    "facts": """
SELECT type, holds_from, happened_at, recorded_at, outcome, content FROM loan_fact
WHERE tenant = $1 AND party_id = $2 ORDER BY fact_id
""",
    "differences": """
SELECT loan_ref, field, ours, cores, opened_at, confirmed_at, closed_at FROM reconciliation_finding
WHERE tenant = $1 AND party_id = $2 ORDER BY opened_at, loan_ref, field
""",
    "cases": """
SELECT case_id, status = 'open' AS is_open, opened_at, as_of, bucket, days_contractual, days_effective, overdue_minor,
       suspended, held FROM case_file
WHERE tenant = $1 AND party_id = $2
""",
    "buckets": """
SELECT as_of, loan_id, before, state, currency, overdue_minor FROM bucket_change
WHERE tenant = $1 AND party_id = $2 ORDER BY as_of, change_id
""",
    "timeline": """
SELECT happened_at, type, detail AS sentence FROM case_entry
WHERE tenant = $1 AND party_id = $2 ORDER BY happened_at, event_id
""",
    "steps": """
SELECT kind, happened_at, codes, origin FROM case_history
WHERE tenant = $1 AND party_id = $2 ORDER BY happened_at, kind, reference
""",
    "holds": """
SELECT kind, channels, valid_from, valid_to FROM party_hold
WHERE tenant = $1 AND party_id = $2 ORDER BY valid_from, hold_id
""",
    "permits": """
SELECT channel, starts_at, ends_at, is_void FROM known_permit
WHERE tenant = $1 AND party_id = $2 ORDER BY starts_at, permit_id
""",
    "next_action": """
SELECT action, reasons, rule, next_on, strategy, strategy_version, arm, chosen_at FROM next_action
WHERE tenant = $1 AND party_id = $2
""",
    # Places of services/intake/strategy/seen.py. Who else the person is (`members`) is told by `identities`.
    "choices": """
SELECT chosen_at, action, reasons, rule, arm, (seen::json ->> 5)::integer AS days, seen::json ->> 6 AS bucket,
       ARRAY(SELECT json_array_elements_text(seen::json -> 2)) AS suspended,
       round((seen::json ->> 10)::numeric / 10)::integer AS cure_percent
FROM choice_made WHERE tenant = $1 AND party_id = $2 ORDER BY choice_id
""",
    "second_model": """
SELECT as_of, round(cure * 100)::integer AS cure_percent, round(roll * 100)::integer AS roll_percent,
       round(payment * 100)::integer AS payment_percent, scored_at FROM challenger_score
WHERE tenant = $1 AND party_id = $2
""",
    "card_readings": """
SELECT read_at, purpose, what, fields, refused_for, substring(caller FROM '[^@]*$') AS client FROM contact_reading
WHERE tenant = $1 AND party_id = $2 ORDER BY read_at, reading_id
""",
    "write_backs": """
SELECT noted_at, core, kind, event, state, reason, answered_at FROM write_back
WHERE tenant = $1 AND party_id = $2 ORDER BY noted_at, write_back_id
""",
    "tape_rows": """
SELECT t.feed, t.loan_ref, t.currency, t.balance_minor, t.stated_on FROM loan l
JOIN tape_loan t ON t.tenant = $1 AND t.loan_ref = l.loan_ref
WHERE l.tenant = $1 AND l.party_id = $2
  AND t.feed IN (SELECT f.feed FROM tape_file f WHERE f.tenant = $1 AND f.core = l.core)
ORDER BY t.feed, t.loan_ref
""",
    "tape_rejections": """
SELECT r.recorded_at, r.feed, r.row_number, r.loan_ref, r.field, r.reason, r.repaired_by IS NOT NULL AS repaired
FROM party_alias a JOIN tape_file f ON f.tenant = $1 AND f.core = a.core
JOIN tape_rejection r ON r.tenant = $1 AND r.feed = f.feed AND r.file_id = f.file_id AND r.party_ref = a.party_ref
WHERE a.tenant = $1 AND a.party_id = $2 ORDER BY r.recorded_at, r.feed, r.row_number
""",
}
_CASE_OF: Final = "SELECT case_id FROM case_file WHERE tenant = $1 AND party_id = $2"
# Told by other rows: the card by its desk, which keeps the reading; the score by its own store.
TOLD_ELSEWHERE: Final = {
    "score": "the list `scores`",
}
NOT_TOLD: Final = {
    "fineract_loan": "only says which core a loan of the list `loans` came from",
    "told_consent": "a digest that tells whether compliance, which lists the consents, was told of them",
    "minor_person": "only says that the birthday of the card is less than a majority ago",
    "tape_person": "a digest that tells whether the bank's file says something new of the person",
    "fineract_person": "a digest that tells whether the card has changed",
}
"""Tables about people that no list tells, and why."""


async def load_lists(uow: UnitOfWork, party_id: UUID) -> dict[str, list[dict[str, Any]]]:
    """The rows of every list, by name: they are one person's, so they are read whole."""
    return {name: await rows_of(uow, text, party_id) for name, text in _LISTS.items()}


async def case_of(uow: UnitOfWork, party_id: UUID) -> UUID | None:
    """The person's case."""
    case_id: UUID | None = await uow.sql.fetchval(_CASE_OF, uow.tenant, party_id)
    return case_id


def statements() -> str:
    """Every statement: which tables are told is read from them."""
    return " ".join(_LISTS.values())
