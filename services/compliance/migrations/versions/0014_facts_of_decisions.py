"""What each decision was judged on, sealed for its person; and the sources of every rule set that decided.

Revision ID: 0014
Revises: 0013
"""

from __future__ import annotations

from alembic import op

from services.compliance.migrations.append_only import append_only

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

# The same file is part of many rule sets: its bytes are kept once.
_SOURCES = """
CREATE TABLE rule_source (
    sha256  bytea PRIMARY KEY CHECK (length(sha256) = 32),
    content bytea NOT NULL
)
"""
_PARTS = """
CREATE TABLE rule_set_part (
    rule_set text NOT NULL,
    place    integer NOT NULL,
    kind     text NOT NULL CHECK (kind IN ('pack', 'code', 'tzdata')),
    name     text NOT NULL,
    sha256   bytea NOT NULL REFERENCES rule_source,
    PRIMARY KEY (rule_set, place)
)
"""


def upgrade() -> None:
    """Decisions of before have no facts: they cannot be judged again, and it is said of them."""
    op.execute("ALTER TABLE decision ADD COLUMN sealed_facts bytea")
    # What is encrypted does not compress; the attempt costs time.
    op.execute("ALTER TABLE decision ALTER COLUMN sealed_facts SET STORAGE EXTERNAL")
    op.execute(_SOURCES)
    op.execute(_PARTS)
    append_only(op, "rule_source", partitions=0)
    append_only(op, "rule_set_part", partitions=0)


def downgrade() -> None:
    """Refused: an audit log is not taken back."""
    raise NotImplementedError("an audit log is not taken back")
