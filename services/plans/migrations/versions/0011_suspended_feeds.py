"""Which cores are not believed at the moment, as intake's heartbeats say it, and whose core each case is of.

Revision ID: 0011
Revises: 0010
"""

from __future__ import annotations

from alembic import op

from shared.database.schema import grant

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_HEARD = """
CREATE TABLE heard_suspensions (
    tenant    text PRIMARY KEY,
    said_at   timestamptz NOT NULL,
    suspended text[] NOT NULL
)
"""


def upgrade() -> None:
    """The core of cases heard before is unknown until they are told anew: any suspension counts for them."""
    op.execute("ALTER TABLE case_known ADD COLUMN core text")
    op.execute(_HEARD)
    grant(op, "heard_suspensions", "SELECT", "INSERT", "UPDATE")


def downgrade() -> None:
    """Drop them (development only)."""
    op.execute("DROP TABLE heard_suspensions")
    op.execute("ALTER TABLE case_known DROP COLUMN core")
