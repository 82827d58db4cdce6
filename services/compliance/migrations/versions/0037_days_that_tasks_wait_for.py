"""A task that waits for a calendar knows for which day: it ends when a calendar arrives that covers it.

Older tasks do not say; they wait for the day on which they were opened.

Revision ID: 0037
Revises: 0036
"""

from __future__ import annotations

from alembic import op

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column."""
    op.execute("ALTER TABLE fact_task ADD COLUMN needed_day date")


def downgrade() -> None:
    """Refused: an audit log is not taken back."""
    raise NotImplementedError("an audit log is not taken back")
