"""Reconciliation: hours of streams compared with their publishers.

Revision ID: 0013
Revises: 0012
"""

from __future__ import annotations

from alembic import op

from shared.database.schema import grant

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_TABLES = """
CREATE TABLE reconciled_hour (
    tenant        text NOT NULL,
    service       text NOT NULL,
    topic         text NOT NULL,
    hour          timestamptz NOT NULL,
    published     bigint NOT NULL CHECK (published >= 0),
    applied       bigint NOT NULL CHECK (applied >= 0),
    differs       boolean NOT NULL,
    due           boolean NOT NULL,
    missing       text[] NOT NULL,
    extra         text[] NOT NULL,
    compared_real timestamptz NOT NULL,
    PRIMARY KEY (tenant, hour, service, topic)
);
CREATE INDEX reconciled_hour_due ON reconciled_hour (tenant, compared_real) WHERE due;
CREATE INDEX reconciled_hour_differs ON reconciled_hour (tenant) WHERE differs;
"""


def upgrade() -> None:
    """Create the table. It says how hours compare now; how they compared before is in the versions of findings."""
    for statement in filter(str.strip, _TABLES.split(";\n")):
        op.execute(statement)
    grant(op, "reconciled_hour", "SELECT", "INSERT", "UPDATE")


def downgrade() -> None:
    """Refused: an audit log is not taken back."""
    raise NotImplementedError("an audit log is not taken back")
