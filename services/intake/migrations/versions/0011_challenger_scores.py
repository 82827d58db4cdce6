"""Scores of the shadow challenger, apart from those that are shown; how late a case was before is told by its buckets.

`past_due_seen` goes: it began with the first scoring, and the changes of buckets say the same from the first fact.
"""

from __future__ import annotations

from alembic import op

from shared.database.schema import create_hash_partitions, grant

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_TABLE = """
CREATE TABLE challenger_score (
    tenant       text NOT NULL,
    party_id     uuid NOT NULL,
    as_of        date NOT NULL,
    model_sha256 bytea NOT NULL,
    cure         real NOT NULL,
    roll         real NOT NULL,
    payment      real NOT NULL,
    scored_at    timestamptz NOT NULL,
    PRIMARY KEY (tenant, party_id)
) PARTITION BY HASH (party_id)
"""
_PAST_DUE_SEEN = """
CREATE TABLE past_due_seen (
    tenant   text NOT NULL,
    party_id uuid NOT NULL,
    seen_on  date NOT NULL,
    since    date,
    PRIMARY KEY (tenant, party_id, seen_on)
) PARTITION BY HASH (party_id)
"""


def upgrade() -> None:
    """Create the table."""
    op.execute(_TABLE)
    create_hash_partitions(op, "challenger_score")
    grant(op, "challenger_score", "SELECT", "INSERT", "DELETE")
    op.execute("DROP TABLE past_due_seen")


def downgrade() -> None:
    """The table is dropped, the other comes back empty (development only)."""
    op.execute("DROP TABLE challenger_score")
    op.execute(_PAST_DUE_SEEN)
    create_hash_partitions(op, "past_due_seen")
    grant(op, "past_due_seen", "SELECT", "INSERT", "UPDATE", "DELETE")
