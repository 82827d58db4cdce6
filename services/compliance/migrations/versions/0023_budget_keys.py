"""What each reservation and contact counts on beside its person, and who was reached on which contact point or home.

Revision ID: 0023
Revises: 0022
"""

from __future__ import annotations

from alembic import op

from shared.database.schema import create_hash_partitions, grant

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

# Keys are commitments (HMAC). What counts on one is read from the permits and contacts of the people named here.
_USE = """
CREATE TABLE key_use (
    tenant   text NOT NULL,
    kind     text NOT NULL,
    key      text NOT NULL CHECK (key ~ '^[0-9a-f]{32}$'),
    party_id uuid NOT NULL,
    PRIMARY KEY (tenant, kind, key, party_id)
) PARTITION BY LIST (kind)
"""
_KINDS = ("contact_point", "address", "household")


def upgrade() -> None:
    """Contacts of before count on whatever is known of their person now: of them nobody knows better."""
    op.execute(_USE)
    for kind in _KINDS:
        op.execute(
            f"CREATE TABLE {kind}_use PARTITION OF key_use FOR VALUES IN ('{kind}') PARTITION BY HASH (key)"
        )  # fmt: skip
        create_hash_partitions(op, f"{kind}_use")
    grant(op, "key_use", "SELECT", "INSERT")
    op.execute("ALTER TABLE permit ADD COLUMN budget_keys text[]")
    op.execute("ALTER TABLE contact_audit ADD COLUMN budget_keys text[]")


def downgrade() -> None:
    """Refused: an audit log is not taken back."""
    raise NotImplementedError("an audit log is not taken back")
