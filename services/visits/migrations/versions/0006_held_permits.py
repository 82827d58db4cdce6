"""Unused permits that devices hold stay reserved until the device has synced past their end.

Revision ID: 0006
Revises: 0005
"""

from __future__ import annotations

from alembic import op

from shared.database.schema import create_hash_partitions, grant

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_HELD = """
CREATE TABLE held_permit (
    tenant    text NOT NULL,
    party_id  uuid NOT NULL,
    permit_id uuid NOT NULL,
    visit_id  uuid NOT NULL,
    device_id text NOT NULL,
    valid_to  timestamptz NOT NULL,
    cause     text NOT NULL,
    PRIMARY KEY (tenant, party_id, permit_id)
) PARTITION BY HASH (party_id)
"""
# `synced_to`: business time up to which everything done with the device has reached us.
_SYNC = """
CREATE TABLE device_sync (
    tenant     text NOT NULL,
    device_id  text NOT NULL,
    synced_to  timestamptz NOT NULL,
    heard_real timestamptz NOT NULL,
    PRIMARY KEY (tenant, device_id)
) WITH (fillfactor = 50)
"""


def upgrade() -> None:
    """Create the tables. What was given back before stays so: nobody knows which device held it unheard."""
    op.execute(_HELD)
    create_hash_partitions(op, "held_permit")
    op.execute("CREATE INDEX held_permit_device ON held_permit (tenant, device_id, valid_to)")
    grant(op, "held_permit", "SELECT", "INSERT", "DELETE")
    op.execute(_SYNC)
    grant(op, "device_sync", "SELECT", "INSERT", "UPDATE")
    op.execute("CREATE INDEX visit_device ON visit (tenant, device_id)")


def downgrade() -> None:
    """Drop the tables (development only)."""
    op.execute("DROP INDEX visit_device")
    op.execute("DROP TABLE device_sync")
    op.execute("DROP TABLE held_permit")
