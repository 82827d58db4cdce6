"""Whose plans are kept with whose payments, since two people turned out to be one.

Revision ID: 0005
Revises: 0004
"""

from __future__ import annotations

from alembic import op

from shared.database.schema import grant

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

# Few, and found from either side.
_TABLES = """
CREATE TABLE same_person (
    tenant      text NOT NULL,
    merged_id   uuid NOT NULL,
    survivor_id uuid NOT NULL,
    version     integer NOT NULL,
    is_merged   boolean NOT NULL,
    PRIMARY KEY (tenant, merged_id)
);
CREATE INDEX same_person_survivor ON same_person (tenant, survivor_id)
"""


def upgrade() -> None:
    """Create the table."""
    for statement in _TABLES.split(";\n"):
        op.execute(statement)
    grant(op, "same_person", "SELECT", "INSERT", "UPDATE", "DELETE")


def downgrade() -> None:
    """Drop it (development only)."""
    op.execute("DROP TABLE same_person")
