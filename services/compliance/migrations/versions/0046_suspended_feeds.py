"""Which core a case is of, and which cores intake does not believe at the moment.

Revision ID: 0046
Revises: 0045
"""

from __future__ import annotations

from alembic import op

revision = "0046"
down_revision = "0045"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Of cases told before the core is not known: any suspended core stops their contacts until they are told again."""
    op.execute("ALTER TABLE party_fact ADD COLUMN core text")
    op.execute("ALTER TABLE feeder_watermark ADD COLUMN suspended_feeds text NOT NULL DEFAULT ''")


def downgrade() -> None:
    """Refused: an audit log is not taken back."""
    raise NotImplementedError("an audit log is not taken back")
