"""Control totals of a core's day close that differ from our own sums (ADR 0148)."""

from __future__ import annotations

from alembic import op

from shared.database.schema import grant

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

_DIFFERENCES = """
CREATE TABLE control_total_finding (
    tenant        text NOT NULL,
    core          text NOT NULL,
    field         text NOT NULL,
    business_date date NOT NULL,
    ours          bigint NOT NULL,
    cores         bigint NOT NULL,
    opened_at     timestamptz NOT NULL,
    closed_at     timestamptz,
    PRIMARY KEY (tenant, opened_at, core, field)
)
"""


def upgrade() -> None:
    """Create the table. Totals of before were kept and compared with nothing: the next close is the first."""
    op.execute(_DIFFERENCES)
    op.execute(
        "CREATE UNIQUE INDEX control_total_finding_open ON control_total_finding (tenant, core, field) "
        "WHERE closed_at IS NULL"
    )
    grant(op, "control_total_finding", "SELECT", "INSERT", "UPDATE")


def downgrade() -> None:
    """Drop it (development only)."""
    op.execute("DROP TABLE control_total_finding")
