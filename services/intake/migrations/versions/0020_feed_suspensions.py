"""Cores whose feed is suspended: why, since when, and who released it.

Revision ID: 0020
Revises: 0019
"""

from __future__ import annotations

from alembic import op

from shared.database.schema import grant

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

_TABLE = """
CREATE TABLE feed_suspension (
    tenant      text NOT NULL,
    core        text NOT NULL,
    cause       text NOT NULL CHECK (cause IN ('books_differ', 'tape_missing')),
    since       timestamptz NOT NULL,
    detail      text NOT NULL,
    released_at timestamptz,
    released_by text,
    reason      text,
    PRIMARY KEY (tenant, core, cause, since),
    CHECK ((released_at IS NULL) = (released_by IS NULL))
)
"""


def upgrade() -> None:
    """An incident of before was told, and suspended nothing: the next comparison says whether it stands."""
    op.execute(_TABLE)
    op.execute(
        "CREATE UNIQUE INDEX feed_suspension_open ON feed_suspension (tenant, core, cause) WHERE released_at IS NULL"
    )
    grant(op, "feed_suspension", "SELECT", "INSERT", "UPDATE")


def downgrade() -> None:
    """Drop the table (development only)."""
    op.execute("DROP TABLE feed_suspension")
