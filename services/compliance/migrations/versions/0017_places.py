"""Where people were thought to live, in versions: a contact told after a move is judged by the place it was made in.

Revision ID: 0017
Revises: 0016
"""

from __future__ import annotations

from alembic import op

from shared.database.schema import create_hash_partitions, grant

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

_PLACES = """
CREATE TABLE party_place (
    tenant        text NOT NULL,
    party_id      uuid NOT NULL,
    since         timestamptz NOT NULL,
    recorded_real timestamptz NOT NULL,
    jurisdiction  text NOT NULL,
    zones         text[] NOT NULL,
    PRIMARY KEY (tenant, party_id, since, recorded_real)
) PARTITION BY HASH (party_id)
"""
# Nobody kept since when it was so: as far back as anybody asks.
_KNOWN = """
INSERT INTO party_place (tenant, party_id, since, recorded_real, jurisdiction, zones)
SELECT tenant, party_id, '2000-01-01T00:00:00Z', '2000-01-01T00:00:00Z', jurisdiction, zones FROM party_fact
"""


def upgrade() -> None:
    """Create the table and keep the place that is known of each person."""
    op.execute(_PLACES)
    create_hash_partitions(op, "party_place")
    grant(op, "party_place", "SELECT", "INSERT", "UPDATE")
    op.execute(_KNOWN)


def downgrade() -> None:
    """Refused: an audit log is not taken back."""
    raise NotImplementedError("an audit log is not taken back")
