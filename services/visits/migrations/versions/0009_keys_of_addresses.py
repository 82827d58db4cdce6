"""The opaque key of the address that a visit goes to."""

from __future__ import annotations

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Of visits of before it is not known; their permits name none either."""
    op.execute("ALTER TABLE visit ADD COLUMN address_key text")


def downgrade() -> None:
    """Drop it (development only)."""
    op.execute("ALTER TABLE visit DROP COLUMN address_key")
