"""The ledger of third persons: HMAC of a contact point, date, count, refused.

Revision ID: 0025
Revises: 0024
"""

from __future__ import annotations

from alembic import op

from shared.database.schema import create_hash_partitions, grant

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

_ENTRIES = """
CREATE TABLE third_person (
    tenant   text NOT NULL,
    key      text NOT NULL CHECK (key ~ '^[0-9a-f]{32}$'),
    asked_on date NOT NULL,
    asked    integer NOT NULL CHECK (asked >= 0),
    refused  boolean NOT NULL,
    PRIMARY KEY (tenant, key, asked_on)
) PARTITION BY HASH (key)
"""
_LEDGER = "CREATE TABLE third_person_ledger (tenant text PRIMARY KEY, known_from date NOT NULL)"


def upgrade() -> None:
    """Inquiries of before are unknown: the ledger says since when it is complete. They were all refused."""
    op.execute(_ENTRIES)
    create_hash_partitions(op, "third_person")
    grant(op, "third_person", "SELECT", "INSERT", "UPDATE")
    op.execute(_LEDGER)
    grant(op, "third_person_ledger", "SELECT", "INSERT")


def downgrade() -> None:
    """Refused: an audit log is not taken back."""
    raise NotImplementedError("an audit log is not taken back")
