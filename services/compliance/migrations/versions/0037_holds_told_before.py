"""Holds of which others were told by their own source, before that stayed here: they hear of the end by it, too.

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
    """True of the holds of before, false of new ones; no row is written."""
    op.execute("ALTER TABLE hold ADD COLUMN told_plainly boolean NOT NULL DEFAULT true")
    op.execute("ALTER TABLE hold ALTER COLUMN told_plainly SET DEFAULT false")


def downgrade() -> None:
    """Refused: an audit log is not taken back."""
    raise NotImplementedError("an audit log is not taken back")
