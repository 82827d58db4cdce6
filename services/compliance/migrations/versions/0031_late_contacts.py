"""Outstanding questions to third persons are found when one of them refuses.

Revision ID: 0031
Revises: 0030
"""

from __future__ import annotations

from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Whom a permit would ask is sealed, so all those that are outstanding are looked at: there are few."""
    op.execute(
        "CREATE INDEX permit_inquiry ON permit (tenant, party_id) "
        "WHERE channel = 'third_party_location' AND state = 'granted' AND revoked_real IS NULL"
    )


def downgrade() -> None:
    """Refused: an audit log is not taken back."""
    raise NotImplementedError("an audit log is not taken back")
