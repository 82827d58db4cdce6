"""Readings of contact data that intake tells: who reads whose data, on which permit, and whether a contact followed.

Revision ID: 0043
Revises: 0042
"""

from __future__ import annotations

from alembic import op

from services.compliance.migrations.append_only import append_only
from shared.database.schema import allow_call, create_hash_partitions

revision = "0043"
down_revision = "0042"
branch_labels = None
depends_on = None

_TABLE = """
CREATE TABLE card_reading (
    tenant        text NOT NULL,
    party_id      uuid NOT NULL,
    reading_id    uuid NOT NULL,
    reader        text NOT NULL,
    client        text NOT NULL,
    purpose       text NOT NULL,
    what          text NOT NULL,
    fields        text[] NOT NULL,
    channel       text,
    permit_id     uuid,
    refused_for   text,
    read_at       timestamptz NOT NULL,
    read_real     timestamptz NOT NULL,
    recorded_real timestamptz NOT NULL,
    leaf_id       uuid NOT NULL,
    unpermitted   boolean NOT NULL,
    PRIMARY KEY (tenant, party_id, reading_id)
) PARTITION BY HASH (party_id);
CREATE INDEX card_reading_time ON card_reading (tenant, read_at, reading_id);
CREATE INDEX card_reading_reader ON card_reading (tenant, reader, read_at, reading_id);
CREATE INDEX card_reading_unpermitted ON card_reading (tenant, read_at, reading_id) WHERE unpermitted
"""
_FORGET = """
CREATE FUNCTION forget_card_readings(of_tenant text, parties uuid[])
RETURNS TABLE (party_id uuid, forgotten bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
#variable_conflict use_column
BEGIN
    PERFORM set_config('doorstep.forgetting', 'on', true);
    RETURN QUERY
    WITH gone AS (
        DELETE FROM card_reading r WHERE r.tenant = of_tenant AND r.party_id = ANY(parties) RETURNING r.party_id)
    SELECT gone.party_id, count(*) FROM gone GROUP BY 1;
    PERFORM set_config('doorstep.forgetting', 'off', true);
END $$
"""


def upgrade() -> None:
    """Create the table, and the owner's function that alone deletes from it."""
    for statement in _TABLE.split(";\n"):
        op.execute(statement)
    create_hash_partitions(op, "card_reading")
    append_only(op, "card_reading")
    op.execute(_FORGET)
    allow_call(op, "forget_card_readings(text, uuid[])")


def downgrade() -> None:
    """Refused: an audit log is not taken back."""
    raise NotImplementedError("an audit log is not taken back")
