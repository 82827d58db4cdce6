"""Refused check-ins are evidence about a person: they go with that sort of records, and with the person.

Revision ID: 0041
Revises: 0040
"""

from __future__ import annotations

from alembic import op

from shared.database.schema import allow_call

revision = "0041"
down_revision = "0040"
branch_labels = None
depends_on = None

_SIGNATURE = "forget_refused_check_ins(text, uuid[])"
_FORGET = """
CREATE FUNCTION forget_refused_check_ins(of_tenant text, parties uuid[])
RETURNS TABLE (party_id uuid, forgotten bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
#variable_conflict use_column
BEGIN
    PERFORM set_config('doorstep.forgetting', 'on', true);
    RETURN QUERY
    WITH gone AS (
        DELETE FROM refused_check_in r WHERE r.tenant = of_tenant AND r.party_id = ANY(parties) RETURNING r.party_id)
    SELECT gone.party_id, count(*) FROM gone GROUP BY 1;
    PERFORM set_config('doorstep.forgetting', 'off', true);
END $$
"""


def upgrade() -> None:
    """The owner's function: the append-only table lets nothing else through."""
    op.execute(_FORGET)
    allow_call(op, _SIGNATURE)


def downgrade() -> None:
    """Refused: an audit log is not taken back."""
    raise NotImplementedError("an audit log is not taken back")
