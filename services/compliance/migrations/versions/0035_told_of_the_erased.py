"""What is told of people who were erased: counted by who told it and when, and a feed's number without its record.

Revision ID: 0035
Revises: 0034
"""

from __future__ import annotations

from alembic import op

from shared.database.schema import grant

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None

# `day`: of real time, UTC.
_COUNTS = """
CREATE TABLE told_of_erased (
    tenant  text NOT NULL,
    told_by text NOT NULL,
    day     date NOT NULL,
    records bigint NOT NULL CHECK (records > 0),
    PRIMARY KEY (tenant, told_by, day)
)
"""


def upgrade() -> None:
    """Create the counts; a number of a feed may stand for a record that is not kept."""
    op.execute(_COUNTS)
    grant(op, "told_of_erased", "SELECT", "INSERT", "UPDATE")
    op.execute("ALTER TABLE feed_number ALTER COLUMN record_id DROP NOT NULL")


def downgrade() -> None:
    """Refused: an audit log is not taken back."""
    raise NotImplementedError("an audit log is not taken back")
