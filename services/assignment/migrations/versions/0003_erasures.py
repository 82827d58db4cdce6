"""People can be erased: the service may delete what it keeps of them."""

from __future__ import annotations

from alembic import op

from shared.database.schema import grant

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_TABLES = ("candidate", "block", "visit", "unassigned")


def upgrade() -> None:
    """Grant it."""
    for table in _TABLES:
        grant(op, table, "SELECT", "INSERT", "UPDATE", "DELETE")


def downgrade() -> None:
    """Take it back."""
    for table in _TABLES:
        grant(op, table, "SELECT", "INSERT", "UPDATE")
