"""Every choice with what it looked at, append-only, so that the past can be chosen for again as it was seen.

`case_history.fact_id` numbers facts in the order in which they became known of one party: each is added under the
party's lock. Choices from before this migration were not kept; the next day close begins the record of each open case.
"""

from __future__ import annotations

from alembic import op

from shared.database.schema import create_hash_partitions, grant

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

_TABLE = """
-- `seen`: services/intake/strategy/seen.py. `facts_to`: the last of the history's facts that was looked at.
CREATE TABLE choice_made (
    tenant          text NOT NULL,
    party_id        uuid NOT NULL,
    choice_id       bigint GENERATED ALWAYS AS IDENTITY,
    case_id         uuid NOT NULL,
    seen_on         date NOT NULL,
    seen            text NOT NULL,
    facts_to        bigint NOT NULL,
    action          text NOT NULL,
    reasons         text[] NOT NULL,
    rule            text NOT NULL,
    next_on         date,
    strategy_sha256 text NOT NULL,
    arm             text NOT NULL,
    chosen_at       timestamptz NOT NULL,
    PRIMARY KEY (tenant, party_id, choice_id)
) PARTITION BY HASH (party_id)
"""


def upgrade() -> None:
    """Create it, and number the facts that are there. DELETE is for erasure only."""
    op.execute(_TABLE)
    create_hash_partitions(op, "choice_made")
    grant(op, "choice_made", "SELECT", "INSERT", "DELETE")
    op.execute("ALTER TABLE case_history ADD COLUMN fact_id bigint GENERATED ALWAYS AS IDENTITY")


def downgrade() -> None:
    """Drop them (development only)."""
    op.execute("ALTER TABLE case_history DROP COLUMN fact_id")
    op.execute("DROP TABLE choice_made")
