"""People who are not of age. People of before are walked through once by the worker (ADR 0148)."""

from __future__ import annotations

from alembic import op

from shared.database.schema import grant

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

_MINORS = """
CREATE TABLE minor_person (
    tenant   text NOT NULL,
    party_id uuid NOT NULL,
    PRIMARY KEY (tenant, party_id)
)
"""


def upgrade() -> None:
    """Create the table."""
    op.execute(_MINORS)
    grant(op, "minor_person", "SELECT", "INSERT", "DELETE")


def downgrade() -> None:
    """Drop it (development only)."""
    op.execute("DROP TABLE minor_person")
