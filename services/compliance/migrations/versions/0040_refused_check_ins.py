"""Check-ins that visits refused: who tries again and again at one door, or with a forged permit, is found.

Revision ID: 0040
Revises: 0039
"""

from __future__ import annotations

from alembic import op

from services.compliance.migrations.append_only import append_only
from shared.database.schema import create_hash_partitions

revision = "0040"
down_revision = "0039"
branch_labels = None
depends_on = None

_REFUSED = """
CREATE TABLE refused_check_in (
    tenant        text NOT NULL,
    party_id      uuid NOT NULL,
    event_id      text NOT NULL,
    visit_id      uuid NOT NULL,
    device_id     text NOT NULL,
    reasons       text[] NOT NULL CHECK (cardinality(reasons) > 0),
    refused_at    timestamptz NOT NULL,
    refused_real  timestamptz NOT NULL,
    recorded_real timestamptz NOT NULL,
    leaf_id       uuid NOT NULL,
    PRIMARY KEY (tenant, party_id, event_id)
) PARTITION BY HASH (party_id)
"""


def upgrade() -> None:
    """Create the table."""
    op.execute(_REFUSED)
    create_hash_partitions(op, "refused_check_in")
    append_only(op, "refused_check_in")


def downgrade() -> None:
    """Refused: an audit log is not taken back."""
    raise NotImplementedError("an audit log is not taken back")
