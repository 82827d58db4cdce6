"""What manifests commit to, beside their leaves.

Revision ID: 0028
Revises: 0027
"""

from __future__ import annotations

from alembic import op

from services.compliance.migrations.append_only import append_only

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

_TABLE = """
CREATE TABLE log_manifest (
    leaf_id uuid PRIMARY KEY,
    entries bytea NOT NULL
)
"""


def upgrade() -> None:
    """Create the table; older manifests name their entries themselves and need no row."""
    op.execute(_TABLE)
    append_only(op, "log_manifest", partitions=0)


def downgrade() -> None:
    """Drop it."""
    op.execute("DROP TABLE log_manifest")
