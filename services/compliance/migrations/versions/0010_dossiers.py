"""What was told of a person, in versions, by the owner of each fact; and permissions to pass a rule.

Revision ID: 0010
Revises: 0009
"""

from __future__ import annotations

from alembic import op

from shared.database.schema import create_hash_partitions, grant

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_ENTRIES = """
CREATE TABLE dossier_entry (
    tenant        text NOT NULL,
    party_id      uuid NOT NULL,
    name          text NOT NULL,
    as_of         timestamptz NOT NULL,
    recorded_real timestamptz NOT NULL,
    recorded_at   timestamptz NOT NULL,
    value         jsonb NOT NULL,
    owner         text NOT NULL,
    told_by       text NOT NULL,
    reference     text,
    leaf_id       uuid NOT NULL,
    PRIMARY KEY (tenant, party_id, name, as_of, recorded_real)
) PARTITION BY HASH (party_id)
"""
_OVERRIDES = """
CREATE TABLE given_override (
    tenant        text NOT NULL,
    party_id      uuid NOT NULL,
    override_id   uuid NOT NULL,
    rule          text NOT NULL,
    by_role       text NOT NULL CHECK (by_role IN ('consent', 'supervisor')),
    valid_from    timestamptz NOT NULL,
    valid_to      timestamptz NOT NULL CHECK (valid_to > valid_from),
    opens         time,
    closes        time CHECK ((opens IS NULL) = (closes IS NULL) AND opens < closes),
    evidence      text NOT NULL,
    by_whom       text NOT NULL,
    sealed_reason bytea,
    recorded_at   timestamptz NOT NULL,
    recorded_real timestamptz NOT NULL,
    ended_at      timestamptz,
    ended_by      text,
    leaf_id       uuid NOT NULL,
    CHECK (valid_from >= recorded_at),
    PRIMARY KEY (tenant, party_id, override_id)
) PARTITION BY HASH (party_id)
"""


def upgrade() -> None:
    """Create both. An entry is never changed; it is deleted only with the person's key."""
    op.execute(_ENTRIES)
    create_hash_partitions(op, "dossier_entry")
    grant(op, "dossier_entry", "SELECT", "INSERT", "DELETE")
    op.execute(_OVERRIDES)
    create_hash_partitions(op, "given_override")
    op.execute("CREATE INDEX given_override_quota ON given_override (tenant, by_whom, recorded_at)")
    op.execute("CREATE INDEX given_override_order ON given_override (tenant, recorded_real, override_id)")
    grant(op, "given_override", "SELECT", "INSERT", "UPDATE", "DELETE")


def downgrade() -> None:
    """Refused: an audit log is not taken back."""
    raise NotImplementedError("an audit log is not taken back")
