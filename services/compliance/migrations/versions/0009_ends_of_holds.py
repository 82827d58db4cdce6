"""Who ends a hold and on what evidence; what a vulnerable person needs, and when that is reviewed.

Revision ID: 0009
Revises: 0008
"""

from __future__ import annotations

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns and the index of reviews."""
    op.execute(
        "ALTER TABLE hold ADD COLUMN end_asked_by text, ADD COLUMN ended_by text, ADD COLUMN end_evidence text, "
        "ADD COLUMN need text, ADD COLUMN review_by timestamptz"
    )
    op.execute("CREATE INDEX hold_review ON hold (tenant, review_by) WHERE review_by IS NOT NULL AND ended_at IS NULL")


def downgrade() -> None:
    """Refused: an audit log is not taken back."""
    raise NotImplementedError("an audit log is not taken back")
