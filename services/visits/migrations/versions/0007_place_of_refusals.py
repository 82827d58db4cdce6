"""Where a check-in was refused: the cell of about 500 m in which the device was.

Revision ID: 0007
Revises: 0006
"""

from __future__ import annotations

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Of refusals before, nobody kept the place."""
    op.execute("ALTER TABLE check_in_refusal ADD COLUMN cell text")


def downgrade() -> None:
    """Drop the column."""
    op.execute("ALTER TABLE check_in_refusal DROP COLUMN cell")
