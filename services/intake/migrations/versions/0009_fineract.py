"""What the Fineract adapter remembers between two records.

Revision ID: 0009
Revises: 0008
"""

from __future__ import annotations

from alembic import op

from shared.database.schema import create_hash_partitions, grant

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_NUMBERS = """
CREATE TABLE fineract_number (
    tenant      text NOT NULL,
    core        text NOT NULL,
    partition   smallint NOT NULL,
    last_number bigint NOT NULL,
    PRIMARY KEY (tenant, core, partition)
) WITH (fillfactor = 50)
"""
_LOANS = """
CREATE TABLE fineract_loan (
    tenant   text NOT NULL,
    party_id uuid NOT NULL,
    loan_ref text NOT NULL,
    core     text NOT NULL,
    PRIMARY KEY (tenant, party_id, loan_ref)
) PARTITION BY HASH (party_id)
"""
_PEOPLE = """
CREATE TABLE fineract_person (
    tenant     text NOT NULL,
    party_id   uuid NOT NULL,
    commitment bytea NOT NULL,
    PRIMARY KEY (tenant, party_id)
) PARTITION BY HASH (party_id)
"""


def upgrade() -> None:
    """Create the tables."""
    op.execute(_NUMBERS)
    grant(op, "fineract_number", "SELECT", "INSERT", "UPDATE")
    op.execute(_LOANS)
    create_hash_partitions(op, "fineract_loan")
    op.execute("CREATE INDEX fineract_loan_ref ON fineract_loan (tenant, core, loan_ref)")
    grant(op, "fineract_loan", "SELECT", "INSERT", "DELETE")
    op.execute(_PEOPLE)
    create_hash_partitions(op, "fineract_person")
    grant(op, "fineract_person", "SELECT", "INSERT", "UPDATE", "DELETE")


def downgrade() -> None:
    """Drop them."""
    for table in ("fineract_person", "fineract_loan", "fineract_number"):
        op.execute(f"DROP TABLE {table}")
