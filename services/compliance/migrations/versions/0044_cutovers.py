"""Cut-overs: what another system kept is imported once, and whose history is attested.

Revision ID: 0044
Revises: 0043
"""

from __future__ import annotations

from alembic import op

from shared.database.schema import allow_call, create_hash_partitions, grant

revision = "0044"
down_revision = "0043"
branch_labels = None
depends_on = None

_CUTOVER = """
CREATE TABLE cutover (
    tenant        text NOT NULL,
    cutover_id    text NOT NULL,
    core          text NOT NULL,
    business_date date NOT NULL,
    history_from  date NOT NULL,
    terms         text NOT NULL,
    state         text NOT NULL CHECK (state IN ('importing', 'accepted', 'closed')),
    begun_real    timestamptz NOT NULL,
    PRIMARY KEY (tenant, cutover_id)
)
"""
# What is imported is known by a commitment to the other system's reference, so that no row leads back to a person.
_RECORD = """
CREATE TABLE imported_record (
    tenant        text NOT NULL,
    record        bytea NOT NULL,
    cutover_id    text NOT NULL,
    kind          text NOT NULL CHECK (kind IN ('hold', 'complaint', 'contact', 'third_person')),
    target_id     uuid NOT NULL,
    recorded_real timestamptz NOT NULL,
    PRIMARY KEY (tenant, record)
) PARTITION BY HASH (record)
"""
# `known_from` null: nobody attests the person's past contacts, whatever the core says.
_ATTESTED = """
CREATE TABLE attested_history (
    tenant        text NOT NULL,
    party_id      uuid NOT NULL,
    cutover_id    text NOT NULL,
    known_from    date,
    recorded_real timestamptz NOT NULL,
    PRIMARY KEY (tenant, party_id)
) PARTITION BY HASH (party_id)
"""
_FORGET = """
CREATE FUNCTION forget_attested_history(of_tenant text, parties uuid[]) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    DELETE FROM attested_history WHERE tenant = of_tenant AND party_id = ANY(parties);
$$
"""


def upgrade() -> None:
    """Nobody was imported before; a contact that was says so in its verdict."""
    op.execute(_CUTOVER)
    grant(op, "cutover", "SELECT", "INSERT", "UPDATE")
    op.execute(_RECORD)
    create_hash_partitions(op, "imported_record")
    grant(op, "imported_record", "SELECT", "INSERT")
    op.execute("CREATE INDEX imported_record_cutover ON imported_record (tenant, cutover_id, kind)")
    op.execute(_ATTESTED)
    create_hash_partitions(op, "attested_history")
    grant(op, "attested_history", "SELECT", "INSERT", "UPDATE")
    op.execute("CREATE INDEX attested_history_cutover ON attested_history (tenant, cutover_id, party_id)")
    op.execute(_FORGET)
    allow_call(op, "forget_attested_history(text, uuid[])")
    grant(op, "third_person_ledger", "SELECT", "INSERT", "UPDATE")
    op.execute("ALTER TABLE contact_audit DROP CONSTRAINT contact_audit_verdict_check")
    op.execute(
        "ALTER TABLE contact_audit ADD CONSTRAINT contact_audit_verdict_check "
        "CHECK (verdict IN ('lawful', 'violation', 'imported')) NOT VALID"
    )
    op.execute("ALTER TABLE contact_audit VALIDATE CONSTRAINT contact_audit_verdict_check")


def downgrade() -> None:
    """Refused: an audit log is not taken back."""
    raise NotImplementedError("an audit log is not taken back")
