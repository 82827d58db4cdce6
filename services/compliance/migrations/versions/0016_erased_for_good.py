"""Who was erased stays so: a leaf that comes later begins a new chain, and does not take the mark away.

Revision ID: 0016
Revises: 0015
"""

from __future__ import annotations

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """An ended chain has no salt; of who began a new one since, nothing tells any more."""
    op.execute("ALTER TABLE party_chain ADD COLUMN erased boolean NOT NULL DEFAULT false")
    op.execute("UPDATE party_chain SET erased = true WHERE sealed_salt = ''")


def downgrade() -> None:
    """Refused: an audit log is not taken back."""
    raise NotImplementedError("an audit log is not taken back")
