"""Since when (business time) somebody lives in a home, or was to be reached on a number or at an address.

Revision ID: 0055
Revises: 0054
"""

from __future__ import annotations

from alembic import op

from shared.database.schema import grant

revision = "0055"
down_revision = "0054"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Of uses of before nobody kept it: since ever, so that no law is left out. The table is not rewritten: the default
    is worked out once. Processes of before still write without it.
    """
    op.execute("ALTER TABLE key_use ADD COLUMN since timestamptz NOT NULL DEFAULT '2000-01-01T00:00:00Z'")
    grant(op, "key_use", "SELECT", "INSERT", "UPDATE", "DELETE")


def downgrade() -> None:
    """Refused: an audit log is not taken back."""
    raise NotImplementedError("an audit log is not taken back")
