"""Since when it is known that somebody was reached on a number, an address or a home.

Revision ID: 0049
Revises: 0048
"""

from __future__ import annotations

from alembic import op

revision = "0049"
down_revision = "0048"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Of uses of before nobody kept it: they count as known from now on, so that nobody is blamed for a contact of
    before. The table is not rewritten: the default is worked out once. Processes of before still write without it.
    """
    op.execute("ALTER TABLE key_use ADD COLUMN known_real timestamptz NOT NULL DEFAULT now()")


def downgrade() -> None:
    """Refused: an audit log is not taken back."""
    raise NotImplementedError("an audit log is not taken back")
