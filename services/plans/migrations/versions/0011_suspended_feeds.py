"""Which cores are not believed at the moment, as intake's heartbeats say it, and whose core each case is of.

Revision ID: 0011
Revises: 0010
"""

from __future__ import annotations

from alembic import op

from shared.database import platform_tables

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """The core of cases heard before is unknown until they are told anew: any suspension counts for them."""
    op.execute("ALTER TABLE case_known ADD COLUMN core text")
    platform_tables.hear_suspensions(op)


def downgrade() -> None:
    """Drop them (development only)."""
    platform_tables.forget_suspensions(op)
    op.execute("ALTER TABLE case_known DROP COLUMN core")
