"""What a visit is about for several people, so that they get one visit.

Revision ID: 0006
Revises: 0005
"""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Of cases heard before nothing is known to be shared until they are told anew."""
    op.execute(
        "ALTER TABLE candidate ADD COLUMN shared text[] NOT NULL DEFAULT '{}', "
        "ADD COLUMN leads boolean NOT NULL DEFAULT true"
    )


def downgrade() -> None:
    """Drop them (development only)."""
    op.execute("ALTER TABLE candidate DROP COLUMN shared, DROP COLUMN leads")
