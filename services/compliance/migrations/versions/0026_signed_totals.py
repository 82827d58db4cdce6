"""Daily totals of feeds, signed by the source's own key.

Revision ID: 0026
Revises: 0025
"""

from __future__ import annotations

from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Of days closed before only the client's word is known."""
    op.execute("ALTER TABLE feed ADD COLUMN total_key text")
    op.execute("ALTER TABLE feed_day ADD COLUMN signature text")


def downgrade() -> None:
    """Refused: an audit log is not taken back."""
    raise NotImplementedError("an audit log is not taken back")
