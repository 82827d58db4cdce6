"""Addresses of which only intake's commitment is known are keys of their own (`home.…`).

Revision ID: 0050
Revises: 0049
"""

from __future__ import annotations

from alembic import op

revision = "0050"
down_revision = "0049"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing that is kept changes: the rows of before are commitments, which the new check allows, so they are not
    read again.
    """
    op.execute("ALTER TABLE key_use DROP CONSTRAINT key_use_key_check")
    op.execute(
        r"ALTER TABLE key_use ADD CONSTRAINT key_use_key_check CHECK (key ~ '^(home\.)?[0-9a-f]{32}$') NOT VALID"
    )


def downgrade() -> None:
    """Refused: an audit log is not taken back."""
    raise NotImplementedError("an audit log is not taken back")
