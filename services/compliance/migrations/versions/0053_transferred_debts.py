"""Which debts are another's now: nobody is contacted about them, nor served about a plan for them.

Revision ID: 0053
Revises: 0052
"""

from __future__ import annotations

from alembic import op

revision = "0053"
down_revision = "0052"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Of debts of before nobody kept why they are no longer collected: they count as not transferred."""
    op.execute("ALTER TABLE debt ADD COLUMN is_transferred boolean NOT NULL DEFAULT false")


def downgrade() -> None:
    """Refused: an audit log is not taken back."""
    raise NotImplementedError("an audit log is not taken back")
