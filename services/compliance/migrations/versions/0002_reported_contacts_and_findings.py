"""Contacts that the bank's own systems report, and findings in versions.

The record of each contact is kept, so that it can be judged again when a later fact turns out to have stood at its
time. A finding is never edited: each step of its workflow and each new judgement is a version that supersedes the last.

Revision ID: 0002
Revises: 0001
"""

from __future__ import annotations

from alembic import op

from services.compliance.migrations.append_only import append_only
from shared.database.schema import create_hash_partitions, grant

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_CONTACTS = """
ALTER TABLE contact_audit
    ADD COLUMN told_by text,
    ADD COLUMN event_id text,
    ADD COLUMN record bytea;

CREATE TABLE reported_contact (
    tenant        text NOT NULL,
    source        text NOT NULL,
    record_id     text NOT NULL,
    number        bigint NOT NULL CHECK (number > 0),
    party_id      uuid NOT NULL,
    contact_id    uuid NOT NULL,
    channel       text NOT NULL,
    record_sha256 bytea NOT NULL,
    recorded_real timestamptz NOT NULL,
    PRIMARY KEY (tenant, source, record_id)
) PARTITION BY HASH (record_id);

CREATE TABLE feed_number (
    tenant        text NOT NULL,
    source        text NOT NULL,
    number        bigint NOT NULL CHECK (number > 0),
    record_id     text NOT NULL,
    recorded_real timestamptz NOT NULL,
    PRIMARY KEY (tenant, source, number)
) PARTITION BY HASH (number);
"""

_FINDINGS = """
CREATE TABLE finding_version (
    tenant        text NOT NULL,
    finding_id    uuid NOT NULL,
    version       integer NOT NULL CHECK (version > 0),
    party_id      uuid,
    contact_id    uuid,
    permit_id     uuid,
    subject       text,
    rule          text NOT NULL,
    citation      text NOT NULL,
    severity      text NOT NULL CHECK (severity IN ('low', 'medium', 'high')),
    conduct       boolean NOT NULL,
    harm          boolean NOT NULL,
    detail        text NOT NULL,
    state         text NOT NULL CHECK (state IN ('open', 'explained', 'upheld', 'remedied', 'dismissed')),
    step          text NOT NULL CHECK (step IN ('found', 'judged_again', 'explain', 'uphold', 'remedy', 'dismiss')),
    by_whom       text,
    reference     text,
    sealed_reason bytea,
    reason        text,
    opened_real   timestamptz NOT NULL,
    recorded_at   timestamptz NOT NULL,
    recorded_real timestamptz NOT NULL,
    PRIMARY KEY (tenant, finding_id, version)
) PARTITION BY HASH (finding_id);
CREATE INDEX finding_version_opened ON finding_version (tenant, opened_real, finding_id, version);
CREATE INDEX finding_version_party ON finding_version (party_id, opened_real) WHERE party_id IS NOT NULL;
CREATE INDEX finding_version_contact ON finding_version (contact_id) WHERE contact_id IS NOT NULL;
"""

_STANDING = """
CREATE VIEW finding AS
SELECT v.*, ARRAY(SELECT DISTINCT e.by_whom FROM finding_version e
                  WHERE e.tenant = v.tenant AND e.finding_id = v.finding_id AND e.step = 'explain') AS explained_by
FROM finding_version v
WHERE NOT EXISTS (SELECT FROM finding_version later
                  WHERE later.tenant = v.tenant AND later.finding_id = v.finding_id AND later.version = v.version + 1)
"""

# What was found before had only its first version, and was recorded in business time nowhere: its real time stands in.
_TAKE_OVER = """
INSERT INTO finding_version
  (tenant, finding_id, version, party_id, contact_id, permit_id, rule, citation, severity, conduct, harm, detail,
   state, step, opened_real, recorded_at, recorded_real)
SELECT tenant, finding_id, 1, party_id, contact_id, permit_id, rule, citation, severity, conduct, harm, detail,
       'open', 'found', recorded_real, recorded_real, recorded_real
FROM finding
"""


def upgrade() -> None:
    """Create the tables and take the findings over."""
    for script in (_CONTACTS, _FINDINGS):
        for statement in filter(str.strip, script.split(";\n")):
            op.execute(statement)
    for table in ("reported_contact", "feed_number", "finding_version"):
        create_hash_partitions(op, table)
        append_only(op, table)
    op.execute(_TAKE_OVER)
    op.execute("DROP TABLE finding")
    op.execute(_STANDING)
    grant(op, "finding", "SELECT")


def downgrade() -> None:
    """Refused: an audit log is not taken back."""
    raise NotImplementedError("an audit log is not taken back")
