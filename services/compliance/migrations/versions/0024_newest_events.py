"""Each stream names its newest event.

Revision ID: 0024
Revises: 0023
"""

from __future__ import annotations

from alembic import op

from shared.database import platform_tables

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column."""
    platform_tables.remember_newest_events(op)


def downgrade() -> None:
    """Drop the column."""
    op.execute("ALTER TABLE sequence_issued DROP COLUMN newest")
