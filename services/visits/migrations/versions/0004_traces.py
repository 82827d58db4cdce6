"""The sources of traces, each with its gapless numbers.

Revision ID: 0004
Revises: 0003
"""

from __future__ import annotations

from alembic import op

from shared.database.schema import grant

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_SOURCE = """
CREATE TABLE trace_source (
    tenant        text NOT NULL,
    source        text NOT NULL,
    last_number   bigint NOT NULL DEFAULT 0,
    settled       bigint NOT NULL DEFAULT 0,
    closed_number bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant, source)
) WITH (fillfactor = 50)
"""


def upgrade() -> None:
    """Create the table."""
    op.execute(_SOURCE)
    grant(op, "trace_source", "SELECT", "INSERT", "UPDATE")


def downgrade() -> None:
    """Drop the table (development only)."""
    op.execute("DROP TABLE trace_source")
