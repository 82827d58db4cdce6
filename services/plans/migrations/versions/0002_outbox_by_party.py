"""The outbox's events can be found by party."""

from __future__ import annotations

from alembic import op

from shared.database import platform_tables

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the index."""
    platform_tables.index_outbox_keys(op)


def downgrade() -> None:
    """Drop the index."""
    op.execute("DROP INDEX outbox_key")
