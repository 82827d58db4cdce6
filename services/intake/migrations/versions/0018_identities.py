"""Which of a core's references are one person."""

from __future__ import annotations

from alembic import op

from shared.database.schema import grant

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

# Merges are few: found by three sides, so not partitioned. `lead_id` stands for the party now; `other_id` is the other
# side of the last change, which is not over while it is not settled.
_TABLES = """
CREATE TABLE party_identity (
    tenant        text NOT NULL,
    party_id      uuid NOT NULL,
    into_id       uuid NOT NULL,
    is_merged     boolean NOT NULL,
    business_date date NOT NULL,
    core_sequence bigint NOT NULL,
    lead_id       uuid NOT NULL,
    other_id      uuid NOT NULL,
    version       integer NOT NULL,
    settled       boolean NOT NULL,
    changed_at    timestamptz NOT NULL,
    PRIMARY KEY (tenant, party_id),
    CHECK (party_id <> into_id)
);
CREATE INDEX party_identity_lead ON party_identity (tenant, lead_id);
CREATE INDEX party_identity_other ON party_identity (tenant, other_id)
"""


def upgrade() -> None:
    """Create the table."""
    for statement in _TABLES.split(";\n"):
        op.execute(statement)
    grant(op, "party_identity", "SELECT", "INSERT", "UPDATE", "DELETE")


def downgrade() -> None:
    """Drop it (development only)."""
    op.execute("DROP TABLE party_identity")
