"""When a feed last closed a day: without totals nobody sees its gaps, so one that is overdue closes its channels.

Revision ID: 0030
Revises: 0029
"""

from __future__ import annotations

from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """The time to close a day begins for known feeds with their last word."""
    op.execute("ALTER TABLE feed ADD COLUMN closed_real timestamptz")
    op.execute("UPDATE feed SET closed_real = heard_real")
    op.execute("ALTER TABLE feed ALTER COLUMN closed_real SET NOT NULL")


def downgrade() -> None:
    """Refused: an audit log is not taken back."""
    raise NotImplementedError("an audit log is not taken back")
