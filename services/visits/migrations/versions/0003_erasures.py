"""People can be erased: the service may delete what it keeps of them.

Evidence stays append-only for the service's role: it can only have everything of named people deleted, by one function.
"""

from __future__ import annotations

from alembic import op

from shared.database.schema import allow_call, grant

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_CHANGED = ("visit", "party_fact")
_EVIDENCE = ("permit_revoked", "permit_use", "check_in_refusal", "recall", "message_out")
_SIGNATURE = "erase_evidence(text, uuid[])"
_DELETES = "\n".join(f"DELETE FROM {table} WHERE tenant = $1 AND party_id = ANY($2);" for table in _EVIDENCE)  # noqa: S608 - constants
_FUNCTION = f"""
CREATE FUNCTION {_SIGNATURE} RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
{_DELETES}
$$
"""


def upgrade() -> None:
    """Grant it."""
    for table in _CHANGED:
        grant(op, table, "SELECT", "INSERT", "UPDATE", "DELETE")
    op.execute(_FUNCTION)
    allow_call(op, _SIGNATURE)


def downgrade() -> None:
    """Take it back."""
    op.execute(f"DROP FUNCTION {_SIGNATURE}")
    for table in _CHANGED:
        grant(op, table, "SELECT", "INSERT", "UPDATE")
