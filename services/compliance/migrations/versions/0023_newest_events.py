"""Each stream names its newest event.

Revision ID: 0023
Revises: 0022
"""

from __future__ import annotations

from alembic import op

from shared.database import platform_tables

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column."""
    platform_tables.remember_newest_events(op)


def downgrade() -> None:
    """Drop the column."""
    op.execute("ALTER TABLE sequence_issued DROP COLUMN newest")
