"""Buckets over time: each loan's place and history, and the portfolio's sums.

Loans known before get their place with their next fact, late ones at the next day close.
"""

from __future__ import annotations

from alembic import op

from shared.database.schema import create_hash_partitions, grant

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_TABLES = """
ALTER TABLE loan ADD COLUMN place text;

-- Append-only: each change of a loan's bucket, with the business date from which it holds.
CREATE TABLE bucket_change (
    tenant        text NOT NULL,
    party_id      uuid NOT NULL,
    change_id     bigint GENERATED ALWAYS AS IDENTITY,
    loan_id       uuid NOT NULL,
    as_of         date NOT NULL,
    before        text NOT NULL,
    state         text NOT NULL,
    currency      text NOT NULL,
    overdue_minor bigint NOT NULL,
    recorded_at   timestamptz NOT NULL,
    PRIMARY KEY (tenant, party_id, change_id)
) PARTITION BY HASH (party_id);

-- What each transaction adds to the sums; gathered into the cells from time to time.
CREATE TABLE portfolio_delta (
    tenant        text NOT NULL,
    measure       text NOT NULL,
    month         integer NOT NULL,
    currency      text NOT NULL,
    opening       text NOT NULL,
    state         text NOT NULL,
    loans         integer NOT NULL,
    overdue_minor bigint NOT NULL,
    recorded_at   timestamptz NOT NULL
);

CREATE TABLE portfolio_cell (
    tenant        text NOT NULL,
    measure       text NOT NULL,
    month         integer NOT NULL,
    currency      text NOT NULL,
    opening       text NOT NULL,
    state         text NOT NULL,
    loans         bigint NOT NULL,
    overdue_minor bigint NOT NULL,
    PRIMARY KEY (tenant, measure, month, currency, opening, state)
);

CREATE VIEW portfolio_entry AS
SELECT tenant, measure, month, currency, opening, state, loans, overdue_minor FROM portfolio_cell
UNION ALL
SELECT tenant, measure, month, currency, opening, state, loans, overdue_minor FROM portfolio_delta
"""


def upgrade() -> None:
    """Create them."""
    for statement in _TABLES.split(";\n"):
        op.execute(statement)
    create_hash_partitions(op, "bucket_change")
    grant(op, "bucket_change", "SELECT", "INSERT", "DELETE")
    grant(op, "portfolio_delta", "SELECT", "INSERT", "DELETE")
    grant(op, "portfolio_cell", "SELECT", "INSERT", "UPDATE")
    grant(op, "portfolio_entry", "SELECT")


def downgrade() -> None:
    """Drop them (development only)."""
    op.execute("DROP VIEW portfolio_entry")
    for table in ("portfolio_cell", "portfolio_delta", "bucket_change"):
        op.execute(f"DROP TABLE {table}")
    op.execute("ALTER TABLE loan DROP COLUMN place")
