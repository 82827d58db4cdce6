"""Every fact of the core about a loan, append-only: what was said when, and what became of it (ADR 0129).

What was folded before is in the books only; its facts were not kept, and the API says so.
"""

from __future__ import annotations

from alembic import op

from shared.database.schema import create_hash_partitions, grant

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_TABLE = """
CREATE TABLE loan_fact (
    tenant        text NOT NULL,
    party_id      uuid NOT NULL,
    fact_id       bigint GENERATED ALWAYS AS IDENTITY,
    source        text NOT NULL,
    event_id      text NOT NULL,
    type          text NOT NULL,
    holds_from    date NOT NULL,
    happened_at   timestamptz NOT NULL,
    recorded_at   timestamptz NOT NULL,
    outcome       text NOT NULL,
    content       text NOT NULL,
    PRIMARY KEY (tenant, party_id, fact_id)
) PARTITION BY HASH (party_id)
"""


def upgrade() -> None:
    """Create it. DELETE is for erasure only."""
    op.execute(_TABLE)
    create_hash_partitions(op, "loan_fact")
    grant(op, "loan_fact", "SELECT", "INSERT", "DELETE")


def downgrade() -> None:
    """Drop it (development only)."""
    op.execute("DROP TABLE loan_fact")
