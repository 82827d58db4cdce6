"""Each sort of a person's records ends by itself: restricted since, deleted on, by which rule, proved by which leaf.

The append-only tables let two functions of the owner through, and nothing else: what records say can be deleted, sort
by sort, for named people. What stays of a row says no more than its leaf, which stays as well.

Revision ID: 0032
Revises: 0031
"""

from __future__ import annotations

from alembic import op

from shared.database.schema import allow_call, create_hash_partitions, grant

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None

_ENDINGS = """
CREATE TABLE record_ending (
    tenant        text NOT NULL,
    party_id      uuid NOT NULL,
    kind          text NOT NULL CHECK (kind IN (
                      'contact', 'decision', 'permit', 'evidence', 'complaint', 'finding', 'hold', 'fact')),
    since         date,
    deleted_on    date,
    deleted_to    timestamptz,
    rule          text,
    leaf_id       uuid,
    recorded_real timestamptz NOT NULL,
    PRIMARY KEY (tenant, party_id, kind)
) PARTITION BY HASH (party_id)
"""
# A setting alone lets nothing through: only a function of the tables' owner runs as the owner.
_IS_FORGETTING = """
CREATE FUNCTION is_forgetting(changed oid) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT coalesce(current_setting('doorstep.forgetting', true), '') = 'on'
       AND EXISTS (SELECT FROM pg_class c WHERE c.oid = changed AND pg_get_userbyid(c.relowner) = current_user)
$$
"""
_REFUSE_CHANGE = """
CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_LEVEL = 'ROW' AND is_forgetting(TG_RELID) THEN
        RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
    END IF;
    RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'insufficient_privilege';
END $$
"""
_ONLY_SEALED = """
CREATE OR REPLACE FUNCTION only_sealed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF is_forgetting(TG_RELID) THEN
        RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
    END IF;
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
_FORGET = """
CREATE FUNCTION forget_records(of_tenant text, parties uuid[], sort text, at timestamptz)
RETURNS TABLE (party_id uuid, forgotten bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
#variable_conflict use_column
BEGIN
    PERFORM set_config('doorstep.forgetting', 'on', true);
    CASE sort
    WHEN 'contact' THEN RETURN QUERY
        WITH gone AS (
            UPDATE contact_audit r SET record = NULL, sealed_record = NULL, budget_keys = NULL, event_id = NULL
            WHERE r.tenant = of_tenant AND r.party_id = ANY(parties)
              AND (r.record IS NOT NULL OR r.sealed_record IS NOT NULL) RETURNING r.party_id)
        SELECT gone.party_id, count(*) FROM gone GROUP BY 1;
    WHEN 'decision' THEN RETURN QUERY
        WITH gone AS (
            UPDATE decision r SET record = NULL, sealed_record = NULL, sealed_facts = NULL, record_sha256 = ''
            WHERE r.tenant = of_tenant AND r.party_id = ANY(parties)
              AND (r.record IS NOT NULL OR r.sealed_record IS NOT NULL) RETURNING r.party_id)
        SELECT gone.party_id, count(*) FROM gone GROUP BY 1;
    WHEN 'permit' THEN
        UPDATE revocation r SET device_id = NULL WHERE r.tenant = of_tenant AND r.party_id = ANY(parties);
        RETURN QUERY
        WITH gone AS (
            UPDATE permit r SET crew = NULL, place_cell = NULL, token = NULL, sealed_terms = NULL, device_id = NULL,
                   budget_keys = NULL, debts = NULL, request_sha256 = ''
            WHERE r.tenant = of_tenant AND r.party_id = ANY(parties)
              AND (r.token IS NOT NULL OR r.sealed_terms IS NOT NULL) RETURNING r.party_id)
        SELECT gone.party_id, count(*) FROM gone GROUP BY 1;
    WHEN 'evidence' THEN
        UPDATE hold r SET end_evidence = NULL
        WHERE r.tenant = of_tenant AND r.party_id = ANY(parties) AND r.end_evidence IS NOT NULL;
        UPDATE sample_judgement j SET sealed_reason = NULL FROM sample s
        WHERE s.tenant = of_tenant AND s.party_id = ANY(parties) AND j.tenant = s.tenant AND j.sample_id = s.sample_id
          AND j.sealed_reason IS NOT NULL;
        RETURN QUERY
        WITH traces AS (
            DELETE FROM contact_trace r WHERE r.tenant = of_tenant AND r.party_id = ANY(parties) RETURNING r.party_id),
        overrides AS (
            DELETE FROM given_override r WHERE r.tenant = of_tenant AND r.party_id = ANY(parties) RETURNING r.party_id)
        SELECT gone.party_id, count(*)
        FROM (SELECT party_id FROM traces UNION ALL SELECT party_id FROM overrides) AS gone GROUP BY 1;
    WHEN 'complaint' THEN RETURN QUERY
        WITH gone AS (
            UPDATE complaint_version r SET sealed_words = NULL, about = '{}', owner = NULL
            WHERE r.tenant = of_tenant AND r.party_id = ANY(parties) RETURNING r.party_id)
        SELECT gone.party_id, count(*) FROM gone GROUP BY 1;
    WHEN 'finding' THEN RETURN QUERY
        WITH gone AS (
            UPDATE finding_version r SET sealed_reason = NULL, detail = '', reference = NULL
            WHERE r.tenant = of_tenant AND r.party_id = ANY(parties) RETURNING r.party_id)
        SELECT gone.party_id, count(*) FROM gone GROUP BY 1;
    -- One that still stands keeps contact away, and stays until the person is erased.
    WHEN 'hold' THEN RETURN QUERY
        WITH gone AS (
            UPDATE hold r SET need = NULL, sealed_reason = NULL, end_evidence = NULL, review_by = NULL,
                   source_ref = r.hold_id::text,
                   scope_key = CASE r.scope
                       WHEN 'contact_point' THEN split_part(r.scope_key, ':', 1) || ':' || r.hold_id
                       ELSE r.scope_key END
            WHERE r.tenant = of_tenant AND r.party_id = ANY(parties) AND (r.ended_at <= at OR r.valid_to <= at)
            RETURNING r.party_id)
        SELECT gone.party_id, count(*) FROM gone GROUP BY 1;
    WHEN 'fact' THEN
        DELETE FROM fact_task r
        WHERE r.tenant = of_tenant AND r.party_id = ANY(parties) AND r.closed_at IS NOT NULL;
        RETURN QUERY
        WITH gone AS (
            DELETE FROM dossier_entry r WHERE r.tenant = of_tenant AND r.party_id = ANY(parties) RETURNING r.party_id)
        SELECT gone.party_id, count(*) FROM gone GROUP BY 1;
    END CASE;
    PERFORM set_config('doorstep.forgetting', 'off', true);
END $$
"""


def upgrade() -> None:
    """Create the table and the functions. Nothing has ended by its sort before."""
    op.execute(_ENDINGS)
    create_hash_partitions(op, "record_ending")
    grant(op, "record_ending", "SELECT", "INSERT", "UPDATE", "DELETE")
    op.execute("ALTER TABLE sample_judgement ALTER COLUMN sealed_reason DROP NOT NULL")
    for function in (_IS_FORGETTING, _REFUSE_CHANGE, _ONLY_SEALED, _FORGET):
        op.execute(function)
    allow_call(op, "forget_records(text, uuid[], text, timestamptz)")


def downgrade() -> None:
    """Refused: an audit log is not taken back."""
    raise NotImplementedError("an audit log is not taken back")
