"""People can be erased: the service may delete what is in the clear, and finds the references to a person."""

from __future__ import annotations

from alembic import op

from shared.database.schema import grant

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Grant it, and index the references by person."""
    for table in ("person", "loan", "movement"):
        grant(op, table, "SELECT", "INSERT", "UPDATE", "DELETE")
    for table in ("party_alias", "case_entry"):
        grant(op, table, "SELECT", "INSERT", "DELETE")
    op.execute("CREATE INDEX party_alias_party ON party_alias (tenant, party_id)")


def downgrade() -> None:
    """Take it back."""
    op.execute("DROP INDEX party_alias_party")
    for table in ("person", "loan", "movement"):
        grant(op, table, "SELECT", "INSERT", "UPDATE")
    for table in ("party_alias", "case_entry"):
        grant(op, table, "SELECT", "INSERT")
