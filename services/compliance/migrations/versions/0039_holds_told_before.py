"""Holds of which others were told by their own source, before that stayed here: they hear of the end by it, too.

Revision ID: 0039
Revises: 0038
"""

from __future__ import annotations

from alembic import op

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """True of the holds of before, false of new ones; no row is written."""
    op.execute("ALTER TABLE hold ADD COLUMN told_plainly boolean NOT NULL DEFAULT true")
    op.execute("ALTER TABLE hold ALTER COLUMN told_plainly SET DEFAULT false")


def downgrade() -> None:
    """Refused: an audit log is not taken back."""
    raise NotImplementedError("an audit log is not taken back")
