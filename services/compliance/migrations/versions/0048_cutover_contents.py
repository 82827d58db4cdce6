"""Imported records are known across cut-overs by what they say, and those of people erased meanwhile are counted.

Revision ID: 0048
Revises: 0047
"""

from __future__ import annotations

from alembic import op

revision = "0048"
down_revision = "0047"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Of cut-overs of before nobody named the system: their records are known within their own cut-over only."""
    op.execute("ALTER TABLE imported_record ADD COLUMN content bytea, ADD COLUMN erased boolean NOT NULL DEFAULT false")
    op.execute("CREATE INDEX imported_record_content ON imported_record (tenant, content) WHERE content IS NOT NULL")


def downgrade() -> None:
    """Refused: an audit log is not taken back."""
    raise NotImplementedError("an audit log is not taken back")
