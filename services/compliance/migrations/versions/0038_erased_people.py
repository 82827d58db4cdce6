"""An erased person's id goes as well: rows that prove what was done stay under an alias that only our key derives.

Revision ID: 0038
Revises: 0037
"""

from __future__ import annotations

from alembic import op

from shared.database.schema import Index, allow_call, create_hash_partitions, create_index, grant

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None
beforehand = tuple(
    Index(f"{table}_party", table, "(tenant, party_id)") for table in ("reported_contact", "revocation", "sample")
)

# Whose events are still numbered, until the erasure is complete and nobody holds anything of the person any more.
_TRAIL = """
CREATE TABLE erasure_trail (
    tenant     text NOT NULL,
    erasure_id uuid NOT NULL,
    party_id   uuid NOT NULL,
    PRIMARY KEY (tenant, erasure_id)
) PARTITION BY HASH (erasure_id)
"""
_SIGNATURE = "erase_people(text, uuid[], uuid[], timestamptz)"
# What a row says besides its leaf went with `forget_records`; digests over documents that name the person go here.
_RENAMED = {
    "complaint_version": "",
    "contact_audit": "",
    "decision": ", sealed_facts = NULL, record_sha256 = ''",
    "erasure_version": "",
    "examination_grant": (
        ", scope_name = CASE WHEN r.scope_name = n.party_id::text THEN n.alias::text ELSE r.scope_name END"
    ),
    "finding_version": "",
    "hold": (
        ", need = NULL, sealed_reason = NULL, end_evidence = NULL, review_by = NULL, source_ref = r.hold_id::text, "
        "scope_key = CASE r.scope WHEN 'contact_point' THEN split_part(r.scope_key, ':', 1) || ':' || r.hold_id "
        "ELSE r.scope_key END"
    ),
    "permit": ", request_sha256 = ''",
    "reported_contact": ", record_sha256 = ''",
    "revocation": ", device_id = NULL",
    "sample": "",
}
_DELETED = (
    "contact_trace", "dossier_entry", "fact_task", "given_override", "key_use", "leaf_salt", "legal_hold_version",
    "party_fact", "party_place", "record_ending", "restriction", "told_moratorium", "version_seen",
)  # fmt: skip
_SORTS = ("contact", "decision", "permit", "evidence", "complaint", "finding", "hold", "fact")
_NAMES = "unnest(parties, aliases) AS n(party_id, alias)"
_FORGET = "\n".join(f"    PERFORM forget_records(of_tenant, parties, '{sort}', at);" for sort in _SORTS)
_RENAME = "\n".join(
    f"    UPDATE {table} r SET party_id = n.alias{more} FROM {_NAMES} "  # noqa: S608 - constants
    "WHERE r.tenant = of_tenant AND r.party_id = n.party_id;"
    for table, more in _RENAMED.items()
)
_DELETE = "\n".join(
    f"    DELETE FROM {table} r WHERE r.tenant = of_tenant AND r.party_id = ANY(parties);"  # noqa: S608 - constants
    for table in _DELETED
)
_ERASE = f"""
CREATE FUNCTION erase_people(of_tenant text, parties uuid[], aliases uuid[], at timestamptz) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
#variable_conflict use_column
DECLARE
    theirs uuid[] := ARRAY(SELECT debt_id FROM liable_party WHERE tenant = of_tenant AND party_id = ANY(parties));
BEGIN
{_FORGET}
    PERFORM set_config('doorstep.forgetting', 'on', true);
{_RENAME}
    UPDATE log_entry r SET party_id = n.alias FROM {_NAMES} WHERE r.party_id = n.party_id;
{_DELETE}
    DELETE FROM parked_party r WHERE r.party_id = ANY(parties);
    -- What the person's own case said of debts goes; others' cases say it of somebody whom nobody knows.
    DELETE FROM liable_party l USING debt d
    WHERE d.tenant = of_tenant AND d.debt_id = ANY(theirs) AND d.case_party_id = ANY(parties)
      AND l.tenant = of_tenant AND l.debt_id = d.debt_id AND l.case_party_id = d.case_party_id
      AND l.party_id = ANY(d.obligors);
    DELETE FROM debt d WHERE d.tenant = of_tenant AND d.debt_id = ANY(theirs) AND d.case_party_id = ANY(parties);
    UPDATE debt d SET obligors = ARRAY(
        SELECT coalesce(n.alias, o.party_id) FROM unnest(d.obligors) WITH ORDINALITY AS o(party_id, place)
        LEFT JOIN {_NAMES} USING (party_id) ORDER BY o.place)
    WHERE d.tenant = of_tenant AND d.debt_id = ANY(theirs) AND d.obligors && parties;
    DELETE FROM liable_party l WHERE l.tenant = of_tenant AND l.party_id = ANY(parties);
    DELETE FROM party_chain r WHERE r.tenant = of_tenant AND r.party_id = ANY(parties);
    INSERT INTO party_chain (tenant, party_id, sealed_salt, sequence, erased, renamed)
    SELECT of_tenant, alias, '', 0, true, true FROM unnest(aliases) AS alias ON CONFLICT DO NOTHING;
    PERFORM set_config('doorstep.forgetting', 'off', true);
END $$
"""  # noqa: S608 - constants


def upgrade() -> None:
    """People erased before keep their id until the worker, which has the key, has renamed them."""
    for index in beforehand:
        create_index(op, index)
    op.execute(_TRAIL)
    create_hash_partitions(op, "erasure_trail")
    grant(op, "erasure_trail", "SELECT", "INSERT", "DELETE")
    op.execute("ALTER TABLE party_chain ADD COLUMN renamed boolean NOT NULL DEFAULT false")
    op.execute("CREATE INDEX party_chain_unnamed ON party_chain (tenant, party_id) WHERE erased AND NOT renamed")
    grant(op, "sequence_issued", "SELECT", "INSERT", "UPDATE", "DELETE")
    grant(op, "sequence_received", "SELECT", "INSERT", "UPDATE", "DELETE")
    op.execute(_ERASE)
    allow_call(op, _SIGNATURE)


def downgrade() -> None:
    """Refused: an audit log is not taken back."""
    raise NotImplementedError("an audit log is not taken back")
