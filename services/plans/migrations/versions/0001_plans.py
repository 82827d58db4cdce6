"""Cases as plans knows them, plans, payments, refusals."""

from __future__ import annotations

from alembic import op

from shared.database import platform_tables
from shared.database.schema import create_hash_partitions, grant

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_TABLES = """
CREATE TABLE case_known (
    tenant           text NOT NULL,
    party_id         uuid NOT NULL,
    case_id          uuid NOT NULL,
    version          integer NOT NULL,
    is_open          boolean NOT NULL,
    balance_minor    bigint[] NOT NULL,
    balance_currency text[] NOT NULL,
    PRIMARY KEY (tenant, party_id, case_id)
) PARTITION BY HASH (party_id);

CREATE TABLE plan (
    tenant             text NOT NULL,
    party_id           uuid NOT NULL,
    plan_id            uuid NOT NULL,
    case_id            uuid NOT NULL,
    visit_id           uuid,
    kind               text NOT NULL CHECK (kind IN ('instalments', 'token', 'pause')),
    state              text NOT NULL CHECK (state IN ('proposed', 'signed', 'completed', 'superseded', 'lapsed')),
    version            integer NOT NULL,
    currency           text NOT NULL,
    total_minor        bigint NOT NULL CHECK (total_minor >= 0),
    debt_minor         bigint NOT NULL CHECK (debt_minor > 0),
    sealed_statement   bytea NOT NULL,
    instalment_due     date[] NOT NULL,
    instalment_minor   bigint[] NOT NULL,
    table_id           text NOT NULL,
    review_on          date NOT NULL,
    sealed_document    bytea NOT NULL,
    document_sha256    text NOT NULL,
    proposed_at        timestamptz NOT NULL,
    attempt            integer NOT NULL,
    attempt_opened_at  timestamptz,
    attempt_open_until timestamptz,
    hold_id            uuid,
    signed_at          timestamptz,
    completed_at       timestamptz,
    paid_minor         bigint NOT NULL,
    PRIMARY KEY (tenant, party_id, plan_id),
    CHECK (cardinality(instalment_due) = cardinality(instalment_minor) AND cardinality(instalment_due) <= 60),
    CHECK (state NOT IN ('signed', 'completed') OR (hold_id IS NOT NULL AND signed_at IS NOT NULL))
) PARTITION BY HASH (party_id);
CREATE INDEX plan_id ON plan (plan_id);
CREATE UNIQUE INDEX plan_active ON plan (tenant, party_id, case_id) WHERE state = 'signed';

CREATE TABLE payment (
    tenant          text NOT NULL,
    party_id        uuid NOT NULL,
    plan_id         uuid NOT NULL,
    transaction_ref text NOT NULL,
    loan_id         uuid NOT NULL,
    amount_minor    bigint NOT NULL CHECK (amount_minor > 0),
    position        integer NOT NULL,
    reversed        boolean NOT NULL,
    recorded_at     timestamptz NOT NULL,
    PRIMARY KEY (tenant, party_id, plan_id, transaction_ref)
) PARTITION BY HASH (party_id);

CREATE TABLE refusal (
    tenant      text NOT NULL,
    party_id    uuid NOT NULL,
    plan_id     uuid NOT NULL,
    rule        text NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (tenant, party_id, plan_id)
) PARTITION BY HASH (party_id);
"""
_PARTITIONED = {
    "case_known": "fillfactor = 80",
    "plan": "fillfactor = 70",
    "payment": "fillfactor = 90",
    "refusal": "",
}
_PRIVILEGES: dict[str, tuple[str, ...]] = {
    "case_known": ("SELECT", "INSERT", "UPDATE"),
    "plan": ("SELECT", "INSERT", "UPDATE"),
    "payment": ("SELECT", "INSERT", "UPDATE"),
    "refusal": ("SELECT", "INSERT"),
}


def upgrade() -> None:
    """Create everything."""
    platform_tables.create(op)
    for statement in filter(str.strip, _TABLES.split(";\n")):
        op.execute(statement)
    for table, storage in _PARTITIONED.items():
        create_hash_partitions(op, table, storage=storage)
    for table, privileges in _PRIVILEGES.items():
        grant(op, table, *privileges)


def downgrade() -> None:
    """Drop everything (development only)."""
    for table in reversed(_PRIVILEGES):
        op.execute(f"DROP TABLE {table}")
    platform_tables.drop(op)
