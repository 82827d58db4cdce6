"""Which debts have moved to another person's case: who had them is contacted about them no more.

Revision ID: 0058
Revises: 0057
"""

from __future__ import annotations

from alembic import op

revision = "0058"
down_revision = "0057"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Of debts of before nobody kept it: they count as not moved."""
    op.execute("ALTER TABLE debt ADD COLUMN has_moved boolean NOT NULL DEFAULT false")


def downgrade() -> None:
    """Refused: an audit log is not taken back."""
    raise NotImplementedError("an audit log is not taken back")
