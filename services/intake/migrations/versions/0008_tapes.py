"""Tapes: which files were loaded how far, what each loan's last row was, and which rows were refused.

Revision ID: 0008
Revises: 0007
"""

from __future__ import annotations

from alembic import op

from shared.database.schema import create_hash_partitions, grant

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_FILES = """
-- Rows up to `rows_done` have had their effect; `vanished_after`: loans up to this reference were looked for in vain.
CREATE TABLE tape_file (
    tenant           text NOT NULL,
    feed             text NOT NULL,
    file_id          uuid NOT NULL,
    core             text NOT NULL,
    business_date    date NOT NULL,
    sequence         integer NOT NULL,
    sha256           text NOT NULL,
    repairs          uuid,
    contract_version integer NOT NULL,
    contract_sha256  text NOT NULL,
    approved_by      text[] NOT NULL,
    watermark        timestamptz NOT NULL,
    position_number  bigint,
    state            text NOT NULL CHECK (state IN ('loading', 'loaded', 'refused')),
    total_rows       integer NOT NULL,
    overdue_rows     integer NOT NULL,
    totals           text NOT NULL,
    rows_done        integer NOT NULL,
    vanished_after   text NOT NULL,
    facts            integer NOT NULL,
    vanished         integer NOT NULL,
    refused_rows     integer NOT NULL,
    nameless_rows    integer NOT NULL,
    reasons          text[] NOT NULL,
    started_at       timestamptz NOT NULL,
    ended_at         timestamptz,
    PRIMARY KEY (tenant, feed, file_id)
);
CREATE UNIQUE INDEX tape_file_one_at_a_time ON tape_file (tenant, feed) WHERE state = 'loading';

-- The last row of each loan, as a digest. Of loans that were not overdue nothing else is kept.
CREATE TABLE tape_loan (
    tenant        text NOT NULL,
    feed          text NOT NULL,
    loan_ref      text NOT NULL,
    digest        uuid NOT NULL,
    overdue       boolean NOT NULL,
    party_ref     text,
    currency      text,
    balance_minor bigint,
    stated_on     date,
    stated_number bigint,
    PRIMARY KEY (tenant, feed, loan_ref)
) PARTITION BY HASH (loan_ref);
CREATE INDEX tape_loan_overdue ON tape_loan (tenant, feed, loan_ref) WHERE overdue;

-- `original`: the line as it came, sealed; gone once it is repaired or the person is erased.
CREATE TABLE tape_rejection (
    tenant      text NOT NULL,
    feed        text NOT NULL,
    file_id     uuid NOT NULL,
    row_number  integer NOT NULL,
    field       text NOT NULL,
    reason      text NOT NULL,
    loan_ref    text,
    party_ref   text,
    original    bytea,
    recorded_at timestamptz NOT NULL,
    repaired_by uuid,
    PRIMARY KEY (tenant, feed, file_id, row_number)
);

-- Every reading of original lines. Append-only.
CREATE TABLE tape_reading (
    tenant     text NOT NULL,
    feed       text NOT NULL,
    file_id    uuid NOT NULL,
    reading_id uuid NOT NULL,
    caller     text NOT NULL,
    rows       integer NOT NULL,
    read_at    timestamptz NOT NULL,
    PRIMARY KEY (tenant, feed, file_id, reading_id)
)
"""
_TABLES = ("tape_reading", "tape_rejection", "tape_loan", "tape_file")


def upgrade() -> None:
    """Create the tables."""
    for statement in _FILES.split(";\n"):
        op.execute(statement)
    create_hash_partitions(op, "tape_loan", storage="fillfactor = 85")
    grant(op, "tape_file", "SELECT", "INSERT", "UPDATE")
    grant(op, "tape_loan", "SELECT", "INSERT", "UPDATE", "DELETE")
    grant(op, "tape_rejection", "SELECT", "INSERT", "UPDATE", "DELETE")
    grant(op, "tape_reading", "SELECT", "INSERT")


def downgrade() -> None:
    """Drop the tables (development only)."""
    for table in _TABLES:
        op.execute(f"DROP TABLE {table}")
