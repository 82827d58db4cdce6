"""Whose consents compliance has been told of, and by which commitment they were the same (ADR 0148)."""

from __future__ import annotations

from alembic import op

from shared.database.schema import create_hash_partitions, grant

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

_TOLD = """
CREATE TABLE told_consent (
    tenant     text NOT NULL,
    party_id   uuid NOT NULL,
    commitment bytea NOT NULL,
    PRIMARY KEY (tenant, party_id)
) PARTITION BY HASH (party_id)
"""


def upgrade() -> None:
    """Create the table. Nobody could tell of a consent before."""
    op.execute(_TOLD)
    create_hash_partitions(op, "told_consent")
    grant(op, "told_consent", "SELECT", "INSERT", "UPDATE", "DELETE")


def downgrade() -> None:
    """Drop it (development only)."""
    op.execute("DROP TABLE told_consent")
