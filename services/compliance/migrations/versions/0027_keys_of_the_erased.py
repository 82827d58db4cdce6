"""What joined an erased person to a number, an address or a home may be deleted: by then no counter looks so far back.

Revision ID: 0027
Revises: 0026
"""

from __future__ import annotations

from alembic import op

from shared.database.schema import grant

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Grant it, and find the keys by person."""
    grant(op, "key_use", "SELECT", "INSERT", "DELETE")
    op.execute("CREATE INDEX key_use_party ON key_use (tenant, party_id)")


def downgrade() -> None:
    """Refused: an audit log is not taken back."""
    raise NotImplementedError("an audit log is not taken back")
