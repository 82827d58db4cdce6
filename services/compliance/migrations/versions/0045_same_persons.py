"""People who are one person: pairs of ids, and the key that both share.

Revision ID: 0045
Revises: 0044
"""

from __future__ import annotations

from alembic import op

from shared.database.schema import create_hash_partitions, grant

revision = "0045"
down_revision = "0044"
branch_labels = None
depends_on = None

# Merges are few and found from either side, so the table is not partitioned.
_TABLES = """
CREATE TABLE same_person (
    tenant      text NOT NULL,
    merged_id   uuid NOT NULL,
    survivor_id uuid NOT NULL,
    version     integer NOT NULL,
    is_merged   boolean NOT NULL,
    superseded  boolean NOT NULL DEFAULT false,
    since_real  timestamptz,
    until_real  timestamptz,
    PRIMARY KEY (tenant, merged_id, survivor_id)
);
CREATE INDEX same_person_survivor ON same_person (tenant, survivor_id);
CREATE TABLE person_use PARTITION OF key_use FOR VALUES IN ('person') PARTITION BY HASH (key)
"""


def upgrade() -> None:
    """Create the tables."""
    for statement in _TABLES.split(";\n"):
        op.execute(statement)
    create_hash_partitions(op, "person_use")
    grant(op, "same_person", "SELECT", "INSERT", "UPDATE", "DELETE")


def downgrade() -> None:
    """Refused: an audit log is not taken back."""
    raise NotImplementedError("an audit log is not taken back")
