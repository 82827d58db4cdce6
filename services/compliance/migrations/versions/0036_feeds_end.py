"""Feeds are closed and opened again by named persons.

Revision ID: 0036
Revises: 0035
"""

from __future__ import annotations

from alembic import op

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Feeds known already are open; one without a key closes no day until it is declared with one."""
    op.execute("ALTER TABLE feed ADD COLUMN ended_real timestamptz")


def downgrade() -> None:
    """Refused: an audit log is not taken back."""
    raise NotImplementedError("an audit log is not taken back")
