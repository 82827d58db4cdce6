"""Scores of cases with their reasons, the models behind them, and since when cases were seen past due."""

from __future__ import annotations

from alembic import op

from shared.database.schema import create_hash_partitions, grant

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_TABLES = """
-- The file of every model that scored: a score can be read as long as it stands.
CREATE TABLE score_model (
    tenant     text NOT NULL,
    sha256     bytea NOT NULL,
    content    text NOT NULL,
    first_used timestamptz NOT NULL,
    PRIMARY KEY (tenant, sha256)
);

-- The newest score of a case. Null where the segment may not show one; reasons are numbers within a model's card.
CREATE TABLE score (
    tenant              text NOT NULL,
    party_id            uuid NOT NULL,
    case_id             uuid NOT NULL,
    as_of               date NOT NULL,
    model_sha256        bytea NOT NULL,
    segment             smallint NOT NULL,
    cure_points         smallint,
    cure_probability    real,
    cure_reasons        smallint[],
    roll_points         smallint,
    roll_probability    real,
    roll_reasons        smallint[],
    payment_points      smallint,
    payment_probability real,
    payment_reasons     smallint[],
    scored_at           timestamptz NOT NULL,
    PRIMARY KEY (tenant, party_id)
) PARTITION BY HASH (party_id);

-- Since which due date a case was past due, as a scoring found it; null: current. A row where that changed.
CREATE TABLE past_due_seen (
    tenant   text NOT NULL,
    party_id uuid NOT NULL,
    seen_on  date NOT NULL,
    since    date,
    PRIMARY KEY (tenant, party_id, seen_on)
) PARTITION BY HASH (party_id);

-- What a scoring of a core's cases found. Append-only.
CREATE TABLE score_run (
    tenant       text NOT NULL,
    core         text NOT NULL,
    as_of        date NOT NULL,
    model_sha256 bytea NOT NULL,
    cases        integer NOT NULL,
    drift        jsonb NOT NULL,
    finished_at  timestamptz NOT NULL,
    PRIMARY KEY (tenant, core, as_of, model_sha256)
)
"""
_PARTITIONED = ("score", "past_due_seen")


def upgrade() -> None:
    """Create the tables."""
    for statement in _TABLES.split(";\n"):
        op.execute(statement)
    for table in _PARTITIONED:
        create_hash_partitions(op, table)
        grant(op, table, "SELECT", "INSERT", "UPDATE", "DELETE")
    for table in ("score_model", "score_run"):
        grant(op, table, "SELECT", "INSERT")


def downgrade() -> None:
    """Drop the tables (development only)."""
    for table in ("score_model", "score_run", *_PARTITIONED):
        op.execute(f"DROP TABLE {table}")
