"""Duties that recur: since when the register looks at one, and when a person said that it was done.

Revision ID: 0047
Revises: 0046
"""

from __future__ import annotations

from alembic import op

from services.compliance.migrations.append_only import append_only

revision = "0047"
down_revision = "0046"
branch_labels = None
depends_on = None

_TABLE = """
CREATE TABLE duty_step (
    tenant        text NOT NULL,
    rule          text NOT NULL,
    subject       text NOT NULL,
    step          text NOT NULL CHECK (step IN ('watched', 'done')),
    day           date NOT NULL,
    by_whom       text,
    reference     text,
    recorded_at   timestamptz NOT NULL,
    recorded_real timestamptz NOT NULL,
    leaf_id       uuid,
    PRIMARY KEY (tenant, rule, subject, step, day),
    CHECK (step = 'watched' OR (by_whom IS NOT NULL AND reference IS NOT NULL AND leaf_id IS NOT NULL))
)
"""


def upgrade() -> None:
    """Create the table: a few rows for each duty and subject, of no person, never changed."""
    op.execute(_TABLE)
    append_only(op, "duty_step", partitions=0)


def downgrade() -> None:
    """Refused: an audit log is not taken back."""
    raise NotImplementedError("an audit log is not taken back")
