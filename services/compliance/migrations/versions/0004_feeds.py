"""The feeds of reported contacts: who must be heard from, for which channels, and the totals that close their days.

Revision ID: 0004
Revises: 0003
"""

from __future__ import annotations

from alembic import op

from services.compliance.migrations.append_only import append_only
from shared.database.schema import grant

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_FEEDS = """
CREATE TABLE feed (
    tenant             text NOT NULL,
    source             text NOT NULL,
    channels           text[] NOT NULL,
    silent_after_hours integer NOT NULL CHECK (silent_after_hours > 0),
    heard_real         timestamptz NOT NULL,
    PRIMARY KEY (tenant, source)
);

CREATE TABLE feed_day (
    tenant        text NOT NULL,
    source        text NOT NULL,
    day           date NOT NULL,
    first_number  bigint NOT NULL CHECK (first_number > 0),
    last_number   bigint NOT NULL CHECK (last_number >= 0),
    records       bigint NOT NULL CHECK (records >= 0),
    by_whom       text NOT NULL,
    recorded_real timestamptz NOT NULL,
    PRIMARY KEY (tenant, source, day)
);
"""
# Sources that reported before this version: known from what they sent.
_TAKE_OVER = """
INSERT INTO feed (tenant, source, channels, silent_after_hours, heard_real)
SELECT tenant, source, array_agg(DISTINCT channel), 26, max(recorded_real) FROM reported_contact GROUP BY tenant, source
"""


def upgrade() -> None:
    """Create the tables."""
    for statement in filter(str.strip, _FEEDS.split(";\n")):
        op.execute(statement)
    grant(op, "feed", "SELECT", "INSERT", "UPDATE")
    append_only(op, "feed_day", partitions=0)
    op.execute(_TAKE_OVER)


def downgrade() -> None:
    """Refused: an audit log is not taken back."""
    raise NotImplementedError("an audit log is not taken back")
