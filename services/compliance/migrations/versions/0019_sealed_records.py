"""Records of decisions and contacts, terms of permits and words told are sealed: they end with the person's key.

No key is at hand here. Rows of before stay in the clear until the worker has sealed them (`sealing_desk`), which is the
one change that the append-only tables let through: the same row, its record sealed and no longer in the clear; of a
person who was erased, gone.

Revision ID: 0019
Revises: 0018
"""

from __future__ import annotations

from alembic import op

from shared.database.schema import Index, create_index, grant, runtime_role

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

_ONLY_SEALED = """
CREATE FUNCTION only_sealed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND OLD.record IS NOT NULL AND OLD.sealed_record IS NULL AND (
        NEW.sealed_record IS NOT NULL OR EXISTS (
            SELECT FROM party_chain c WHERE c.tenant = OLD.tenant AND c.party_id = OLD.party_id AND c.erased))
    THEN
        OLD.record := NULL;
        OLD.sealed_record := NEW.sealed_record;
        IF OLD IS NOT DISTINCT FROM NEW THEN
            RETURN NEW;
        END IF;
    END IF;
    RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'insufficient_privilege';
END $$
"""
_COLUMNS = (
    ("decision", "sealed_record", ("record",)),
    ("contact_audit", "sealed_record", ()),
    ("permit", "sealed_terms", ("crew", "token")),
    ("dossier_entry", "sealed_word", ("value",)),
)
_CLEAR = {"decision": "record", "contact_audit": "record", "permit": "token", "dossier_entry": "value"}
beforehand = tuple(
    Index(f"{table}_clear", table, f"(tenant, party_id) WHERE {column} IS NOT NULL") for table, column in _CLEAR.items()
)


def upgrade() -> None:
    """Add the sealed columns, let the clear ones be empty, and index what is still to be sealed."""
    op.execute(_ONLY_SEALED)
    for table, sealed, emptied in _COLUMNS:
        op.execute(f"ALTER TABLE {table} ADD COLUMN {sealed} bytea")
        # What is encrypted does not compress; the attempt costs time.
        op.execute(f"ALTER TABLE {table} ALTER COLUMN {sealed} SET STORAGE EXTERNAL")
        for column in emptied:
            op.execute(f"ALTER TABLE {table} ALTER COLUMN {column} DROP NOT NULL")
    for index in beforehand:
        create_index(op, index)
    for table in ("decision", "contact_audit"):
        op.execute(f"DROP TRIGGER append_only ON {table}")
        op.execute(
            f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION only_sealed()"
        )
        role = op.get_bind().dialect.identifier_preparer.quote(runtime_role(op))
        op.execute(f"GRANT UPDATE (record, sealed_record) ON {table} TO {role}")
    grant(op, "dossier_entry", "SELECT", "INSERT", "UPDATE", "DELETE")


def downgrade() -> None:
    """Refused: an audit log is not taken back."""
    raise NotImplementedError("an audit log is not taken back")
