"""Decisions that somebody only asked for, and the tasks to find out what decisions lacked.

Revision ID: 0006
Revises: 0005
"""

from __future__ import annotations

from alembic import op

from shared.database.schema import create_hash_partitions, grant

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_FACT_TASK = """
CREATE TABLE fact_task (
    tenant    text NOT NULL,
    party_id  uuid NOT NULL,
    task_id   uuid NOT NULL,
    fact      text NOT NULL,
    rule      text NOT NULL,
    owner     text NOT NULL,
    opened_at timestamptz NOT NULL,
    due_at    timestamptz NOT NULL CHECK (due_at >= opened_at),
    closed_at timestamptz,
    PRIMARY KEY (tenant, party_id, task_id)
) PARTITION BY HASH (party_id)
"""


def upgrade() -> None:
    """Mark dry runs; create the tasks."""
    op.execute("ALTER TABLE decision ADD COLUMN dry_run boolean NOT NULL DEFAULT false")
    op.execute(_FACT_TASK)
    create_hash_partitions(op, "fact_task")
    op.execute("CREATE UNIQUE INDEX fact_task_open ON fact_task (tenant, party_id, fact) WHERE closed_at IS NULL")
    op.execute("CREATE INDEX fact_task_due ON fact_task (tenant, due_at, task_id) WHERE closed_at IS NULL")
    grant(op, "fact_task", "SELECT", "INSERT", "UPDATE")


def downgrade() -> None:
    """Refused: an audit log is not taken back."""
    raise NotImplementedError("an audit log is not taken back")
