"""Whether the holds of before are known: until they are, no plan is followed up.

Revision ID: 0010
Revises: 0009
"""

from __future__ import annotations

from alembic import op

from shared.database.schema import grant

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing is learned yet."""
    op.execute("CREATE TABLE holds_learned (tenant text PRIMARY KEY, learned_at timestamptz NOT NULL)")
    grant(op, "holds_learned", "SELECT", "INSERT")


def downgrade() -> None:
    """Drop it (development only)."""
    op.execute("DROP TABLE holds_learned")
