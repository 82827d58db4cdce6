"""Whether a use was reported that named no contact: it may be of any contact on the permit.

Revision ID: 0033
Revises: 0032
"""

from __future__ import annotations

from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Of permits used before, nobody can say any more that no use was reported."""
    op.execute("ALTER TABLE permit ADD COLUMN unnamed_use boolean NOT NULL DEFAULT false")
    op.execute("UPDATE permit SET unnamed_use = true WHERE used_at IS NOT NULL")


def downgrade() -> None:
    """Refused: an audit log is not taken back."""
    raise NotImplementedError("an audit log is not taken back")
