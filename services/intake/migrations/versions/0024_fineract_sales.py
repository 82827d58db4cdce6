"""Loans of a Fineract core that were sold: nothing is said of them until they are bought back (ADR 0137)."""

from __future__ import annotations

from alembic import op

from shared.database.schema import grant

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

_SOLD = """
CREATE TABLE fineract_sold (
    tenant   text NOT NULL,
    core     text NOT NULL,
    loan_ref text NOT NULL,
    PRIMARY KEY (tenant, core, loan_ref)
)
"""


def upgrade() -> None:
    """Create the table."""
    op.execute(_SOLD)
    grant(op, "fineract_sold", "SELECT", "INSERT", "DELETE")


def downgrade() -> None:
    """Drop it (development only)."""
    op.execute("DROP TABLE fineract_sold")
