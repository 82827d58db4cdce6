"""People can be erased: the service may delete what it keeps of them."""

from __future__ import annotations

from alembic import op

from shared.database.schema import grant

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_CHANGED = ("visit", "party_fact")
_APPENDED = ("permit_revoked", "permit_use", "check_in_refusal", "recall", "message_out")


def upgrade() -> None:
    """Grant it."""
    for table in _CHANGED:
        grant(op, table, "SELECT", "INSERT", "UPDATE", "DELETE")
    for table in _APPENDED:
        grant(op, table, "SELECT", "INSERT", "DELETE")


def downgrade() -> None:
    """Take it back."""
    for table in _CHANGED:
        grant(op, table, "SELECT", "INSERT", "UPDATE")
    for table in _APPENDED:
        grant(op, table, "SELECT", "INSERT")
