"""What is owed because of somebody ends with the evidence about them. Its tables are partitioned: they grow with the
portfolio.

Revision ID: 0056
Revises: 0055
"""

from __future__ import annotations

from alembic import op

from services.compliance.migrations.append_only import append_only
from shared.database.schema import Index, allow_call, create_hash_partitions, create_index, grant

revision = "0056"
down_revision = "0055"
branch_labels = None
depends_on = None

# Whose a cause is only its leaf says: the tables hold no person's id.
beforehand = (Index("log_entry_duty", "log_entry", "(party_id) WHERE kind = 'duty'"),)
_CAUSE = """
CREATE TABLE duty_cause (
    tenant        text NOT NULL,
    cause_id      uuid NOT NULL,
    kind          text NOT NULL,
    person_key    bytea,
    places        text[] NOT NULL,
    caused_at     timestamptz NOT NULL,
    reference     text NOT NULL,
    said          jsonb NOT NULL,
    by_whom       text NOT NULL,
    recorded_at   timestamptz NOT NULL,
    recorded_real timestamptz NOT NULL,
    leaf_id       uuid NOT NULL,
    PRIMARY KEY (tenant, cause_id)
) PARTITION BY HASH (cause_id)
"""
_OWED = """
CREATE TABLE duty_owed (
    tenant        text NOT NULL,
    cause_id      uuid NOT NULL,
    rule          text NOT NULL,
    due_at        timestamptz NOT NULL,
    outcome       text CHECK (outcome IN ('done', 'refused', 'not_needed')),
    answered_at   timestamptz,
    reference     text,
    by_whom       text,
    leaf_id       uuid,
    PRIMARY KEY (tenant, cause_id, rule),
    CHECK ((answered_at IS NULL) = (outcome IS NULL) AND (answered_at IS NULL) = (leaf_id IS NULL))
) PARTITION BY HASH (cause_id)
"""
_INDEXES = (
    "CREATE INDEX duty_cause_of_person ON duty_cause (tenant, person_key) WHERE person_key IS NOT NULL",
    "CREATE INDEX duty_cause_of_leaf ON duty_cause (leaf_id)",
    "CREATE INDEX duty_owed_open ON duty_owed (tenant, rule, due_at) WHERE answered_at IS NULL",
)
_FORGET = """
CREATE FUNCTION forget_duty_causes(of_tenant text, parties uuid[], until timestamptz[])
RETURNS TABLE (party_id uuid, forgotten bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
#variable_conflict use_column
BEGIN
    PERFORM set_config('doorstep.forgetting', 'on', true);
    RETURN QUERY
    WITH gone AS (
        DELETE FROM duty_cause c USING unnest(parties, until) AS p(party_id, until), log_entry e
        WHERE c.tenant = of_tenant AND e.party_id = p.party_id AND e.kind = 'duty' AND e.leaf_id = c.leaf_id
          AND c.recorded_at <= p.until
          AND NOT EXISTS (SELECT FROM duty_owed w
                          WHERE w.tenant = c.tenant AND w.cause_id = c.cause_id
                            AND (w.answered_at IS NULL OR w.answered_at > p.until))
        RETURNING e.party_id, c.cause_id),
    answers AS (
        DELETE FROM duty_owed o USING gone WHERE o.tenant = of_tenant AND o.cause_id = gone.cause_id)
    SELECT gone.party_id, count(*) FROM gone GROUP BY 1;
    PERFORM set_config('doorstep.forgetting', 'off', true);
END $$
"""


def upgrade() -> None:
    """Move what is there into partitions. Who writes meanwhile waits for the end of this."""
    for table, statement in (("duty_cause", _CAUSE), ("duty_owed", _OWED)):
        op.execute(f"ALTER TABLE {table} RENAME TO {table}_before")
        op.execute(f"ALTER INDEX {table}_pkey RENAME TO {table}_before_pkey")
        op.execute(statement)
        create_hash_partitions(op, table)
        op.execute(f"INSERT INTO {table} SELECT * FROM {table}_before")  # noqa: S608 - constants
        op.execute(f"DROP TABLE {table}_before")
    for statement in _INDEXES:
        op.execute(statement)
    append_only(op, "duty_cause")
    grant(op, "duty_owed", "SELECT", "INSERT", "UPDATE")
    for index in beforehand:
        create_index(op, index)
    op.execute(_FORGET)
    allow_call(op, "forget_duty_causes(text, uuid[], timestamptz[])")


def downgrade() -> None:
    """Refused: an audit log is not taken back."""
    raise NotImplementedError("an audit log is not taken back")
