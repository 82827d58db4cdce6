"""Plans of a cut-over that an earlier one imported, or whose person was erased meanwhile, are counted.

Revision ID: 0007
Revises: 0006
"""

from __future__ import annotations

from alembic import op

from shared.database.schema import grant

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

# `record` is a commitment, so that no row leads back to a person. Few, and read by cut-over: not partitioned.
_PLANS = """
CREATE TABLE cutover_plan (
    tenant      text NOT NULL,
    cutover_id  text NOT NULL,
    record      bytea NOT NULL,
    plan_id     uuid,
    currency    text NOT NULL,
    total_minor bigint NOT NULL,
    PRIMARY KEY (tenant, cutover_id, record)
)
"""


def upgrade() -> None:
    """Of cut-overs of before nothing was left out."""
    op.execute(_PLANS)
    grant(op, "cutover_plan", "SELECT", "INSERT")


def downgrade() -> None:
    """What was counted is forgotten; the plans stand."""
    op.execute("DROP TABLE cutover_plan")
