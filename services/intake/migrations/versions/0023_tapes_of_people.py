"""The last row of each person of a feed of people, as a keyed digest (ADR 0136)."""

from __future__ import annotations

from alembic import op

from shared.database.schema import create_hash_partitions, grant

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

_PEOPLE = """
CREATE TABLE tape_person (
    tenant        text NOT NULL,
    feed          text NOT NULL,
    party_ref     text NOT NULL,
    digest        uuid NOT NULL,
    stated_number bigint NOT NULL,
    PRIMARY KEY (tenant, feed, party_ref)
) PARTITION BY HASH (party_ref)
"""


def upgrade() -> None:
    """Create the table."""
    op.execute(_PEOPLE)
    create_hash_partitions(op, "tape_person", storage="fillfactor = 85")
    grant(op, "tape_person", "SELECT", "INSERT", "UPDATE", "DELETE")


def downgrade() -> None:
    """Drop it (development only)."""
    op.execute("DROP TABLE tape_person")
