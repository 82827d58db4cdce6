"""What the core is told: each write-back once, and what the core said to it.

Revision ID: 0019
Revises: 0018
"""

from __future__ import annotations

from alembic import op

from shared.database.schema import create_hash_partitions, grant

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

_TABLE = """
CREATE TABLE write_back (
    tenant        text NOT NULL,
    party_id      uuid NOT NULL,
    write_back_id uuid NOT NULL,
    core          text NOT NULL,
    kind          text NOT NULL CHECK (kind IN ('plan', 'hold', 'contact')),
    event         text NOT NULL,
    reference     text NOT NULL,
    state         text NOT NULL CHECK (state IN ('pending', 'acknowledged', 'refused', 'unsupported')),
    reason        text NOT NULL,
    noted_at      timestamptz NOT NULL,
    answered_at   timestamptz,
    PRIMARY KEY (tenant, party_id, write_back_id)
) PARTITION BY HASH (party_id)
"""


def upgrade() -> None:
    """What happened before was told to nobody: the core knows it from its own day, or is told by hand."""
    op.execute(_TABLE)
    create_hash_partitions(op, "write_back")
    grant(op, "write_back", "SELECT", "INSERT", "UPDATE", "DELETE")
    op.execute("CREATE INDEX write_back_state ON write_back (tenant, state, noted_at, write_back_id)")


def downgrade() -> None:
    """Drop the table (development only)."""
    op.execute("DROP TABLE write_back")
