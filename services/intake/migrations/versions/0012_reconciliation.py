"""Reconciliation: its runs, and the differences they found."""

from __future__ import annotations

from alembic import op

from shared.database.schema import create_hash_partitions, grant

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_TABLES = """
CREATE TABLE reconciliation_run (
    tenant        text NOT NULL,
    run_id        uuid NOT NULL,
    core          text NOT NULL,
    business_date date NOT NULL,
    state         text NOT NULL CHECK (state IN ('running', 'agrees', 'differs', 'incident', 'core_moved')),
    compared      bigint NOT NULL,
    differing     bigint NOT NULL,
    started_at    timestamptz NOT NULL,
    ended_at      timestamptz,
    PRIMARY KEY (tenant, run_id)
);
CREATE INDEX reconciliation_run_started ON reconciliation_run (tenant, started_at DESC, run_id DESC);

-- Open until both sides agree; confirmed when it was seen twice, and only then it suspends.
CREATE TABLE reconciliation_finding (
    tenant        text NOT NULL,
    party_id      uuid NOT NULL,
    loan_ref      text NOT NULL,
    field         text NOT NULL,
    opened_at     timestamptz NOT NULL,
    run_id        uuid NOT NULL,
    business_date date NOT NULL,
    ours          text,
    cores         text,
    confirmed_at  timestamptz,
    closed_at     timestamptz
) PARTITION BY HASH (party_id);
CREATE UNIQUE INDEX reconciliation_finding_open ON reconciliation_finding (tenant, party_id, loan_ref, field)
WHERE closed_at IS NULL
"""


def upgrade() -> None:
    """Create the tables."""
    for statement in _TABLES.split(";\n"):
        op.execute(statement)
    create_hash_partitions(op, "reconciliation_finding")
    grant(op, "reconciliation_run", "SELECT", "INSERT", "UPDATE")
    grant(op, "reconciliation_finding", "SELECT", "INSERT", "UPDATE", "DELETE")


def downgrade() -> None:
    """Drop them (development only)."""
    for table in ("reconciliation_finding", "reconciliation_run"):
        op.execute(f"DROP TABLE {table}")
