"""Devices that were lost: what they hold stays counted until a named person closes it or they are heard again.

Revision ID: 0029
Revises: 0028
"""

from __future__ import annotations

from alembic import op

from shared.database.schema import grant

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

# `synced_to`: business time up to which everything done with the device has reached us since it was lost.
_LOST = """
CREATE TABLE lost_device (
    tenant        text NOT NULL,
    device_id     text NOT NULL,
    lost_at       timestamptz NOT NULL,
    cause         text NOT NULL CHECK (cause IN ('lost', 'stolen', 'broken')),
    reported_by   text NOT NULL,
    reported_real timestamptz NOT NULL,
    synced_to     timestamptz,
    PRIMARY KEY (tenant, device_id)
)
"""


def upgrade() -> None:
    """Create the table, and find the permits of a device."""
    op.execute(_LOST)
    grant(op, "lost_device", "SELECT", "INSERT", "UPDATE")
    op.execute("CREATE INDEX permit_device ON permit (tenant, device_id) WHERE state = 'granted'")


def downgrade() -> None:
    """Refused: an audit log is not taken back."""
    raise NotImplementedError("an audit log is not taken back")
