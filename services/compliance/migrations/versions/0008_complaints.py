"""Complaints, in versions that supersede each other.

Revision ID: 0008
Revises: 0007
"""

from __future__ import annotations

from alembic import op

from services.compliance.migrations.append_only import append_only
from shared.database.schema import create_hash_partitions, grant

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_VERSIONS = """
CREATE TABLE complaint_version (
    tenant         text NOT NULL,
    complaint_id   uuid NOT NULL,
    version        integer NOT NULL CHECK (version > 0),
    party_id       uuid NOT NULL,
    channel        text NOT NULL,
    about          text[] NOT NULL,
    received_at    timestamptz NOT NULL,
    clock_rule     text NOT NULL,
    clock_citation text NOT NULL,
    answer_by      timestamptz NOT NULL,
    state          text NOT NULL CHECK (state IN ('received', 'acknowledged', 'answered', 'escalated', 'closed')),
    step           text NOT NULL
        CHECK (step IN ('receive', 'take', 'acknowledge', 'answer', 'escalate', 'close', 'reopen')),
    owner          text,
    by_whom        text NOT NULL,
    reference      text,
    sealed_words   bytea,
    recorded_at    timestamptz NOT NULL,
    recorded_real  timestamptz NOT NULL,
    PRIMARY KEY (tenant, complaint_id, version)
) PARTITION BY HASH (complaint_id)
"""
_STANDING = """
CREATE VIEW complaint AS
SELECT v.*, ARRAY(SELECT DISTINCT a.by_whom FROM complaint_version a
                  WHERE a.tenant = v.tenant AND a.complaint_id = v.complaint_id AND a.step = 'answer') AS answered_by
FROM complaint_version v
WHERE NOT EXISTS (SELECT FROM complaint_version later
                  WHERE later.tenant = v.tenant AND later.complaint_id = v.complaint_id
                    AND later.version = v.version + 1)
"""


def upgrade() -> None:
    """Create the table and the view of what stands."""
    op.execute(_VERSIONS)
    create_hash_partitions(op, "complaint_version")
    op.execute("CREATE INDEX complaint_version_due ON complaint_version (tenant, answer_by, complaint_id)")
    op.execute("CREATE INDEX complaint_version_party ON complaint_version (party_id)")
    append_only(op, "complaint_version")
    op.execute(_STANDING)
    grant(op, "complaint", "SELECT")


def downgrade() -> None:
    """Refused: an audit log is not taken back."""
    raise NotImplementedError("an audit log is not taken back")
