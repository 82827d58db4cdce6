"""Examinations: grants to outside examiners, their ends, each read, and the leaves that cover the reads.

Also an index for the log's changes of key, which every head asks for.

Revision ID: 0007
Revises: 0006
"""

from __future__ import annotations

from alembic import op

from services.compliance.migrations.append_only import append_only

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_TABLES = """
CREATE TABLE examination_grant (
    tenant        text NOT NULL,
    grant_id      uuid NOT NULL,
    examiner      text NOT NULL,
    authority     text NOT NULL,
    scope_kind    text NOT NULL CHECK (scope_kind IN ('case', 'party', 'month', 'year')),
    scope_name    text NOT NULL,
    party_id      uuid,
    case_id       uuid,
    period_start  timestamptz,
    period_end    timestamptz,
    valid_from    timestamptz NOT NULL,
    valid_to      timestamptz NOT NULL CHECK (valid_to > valid_from),
    granted_by    text NOT NULL,
    recorded_real timestamptz NOT NULL,
    PRIMARY KEY (tenant, grant_id)
);

CREATE TABLE examination_end (
    tenant        text NOT NULL,
    grant_id      uuid NOT NULL,
    ended_by      text NOT NULL,
    reason        text NOT NULL,
    recorded_real timestamptz NOT NULL,
    PRIMARY KEY (tenant, grant_id)
);

CREATE TABLE examination_read (
    number    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant    text NOT NULL,
    grant_id  uuid NOT NULL,
    by_whom   text NOT NULL,
    client_id text NOT NULL,
    list      text NOT NULL,
    position  bigint NOT NULL,
    rows      integer NOT NULL,
    read_real timestamptz NOT NULL
);
CREATE INDEX examination_read_grant ON examination_read (tenant, grant_id, number);

CREATE TABLE examination_leaf (
    tenant        text NOT NULL,
    leaf_id       uuid NOT NULL,
    first_number  bigint NOT NULL,
    last_number   bigint NOT NULL CHECK (last_number >= first_number),
    recorded_real timestamptz NOT NULL,
    PRIMARY KEY (tenant, last_number)
);

CREATE INDEX log_entry_key_rotation ON log_entry (recorded_at) WHERE kind = 'key_rotation';
"""


def upgrade() -> None:
    """Create the tables."""
    for statement in filter(str.strip, _TABLES.split(";\n")):
        op.execute(statement)
    for table in ("examination_grant", "examination_end", "examination_read", "examination_leaf"):
        append_only(op, table, partitions=0)


def downgrade() -> None:
    """Refused: an audit log is not taken back."""
    raise NotImplementedError("an audit log is not taken back")
