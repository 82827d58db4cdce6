"""Rounds of retention: when the last look at everybody began and ended, so that one that stands still is seen.

Revision ID: 0021
Revises: 0020
"""

from __future__ import annotations

from alembic import op

from shared.database.schema import grant

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

_ROUNDS = """
CREATE TABLE retention_round (
    tenant     text NOT NULL,
    begun_real timestamptz NOT NULL,
    ended_real timestamptz,
    PRIMARY KEY (tenant, begun_real)
)
"""


def upgrade() -> None:
    """Create the table."""
    op.execute(_ROUNDS)
    grant(op, "retention_round", "SELECT", "INSERT", "UPDATE")


def downgrade() -> None:
    """Refused: an audit log is not taken back."""
    raise NotImplementedError("an audit log is not taken back")
