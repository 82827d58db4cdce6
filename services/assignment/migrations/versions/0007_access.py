"""Who read everything about a person to give it to them, and who was erased (ADR 0130)."""

from __future__ import annotations

from alembic import op

from shared.database import platform_tables

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    platform_tables.remember_access(op)


def downgrade() -> None:
    """Drop them (development only)."""
    platform_tables.forget_access(op)
