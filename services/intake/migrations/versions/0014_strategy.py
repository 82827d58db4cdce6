"""What was done in each case and what came of it, holds as compliance tells them, and the next action."""

from __future__ import annotations

from alembic import op

from shared.database.schema import create_hash_partitions, grant

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_TABLES = """
-- `origin`: the topic that told it, or how the bank's system vouches for it. `codes`: outcome and reason of a visit.
CREATE TABLE case_history (
    tenant      text NOT NULL,
    party_id    uuid NOT NULL,
    kind        text NOT NULL,
    reference   text NOT NULL,
    happened_at timestamptz NOT NULL,
    codes       text[] NOT NULL,
    origin      text NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (tenant, party_id, kind, reference)
) PARTITION BY HASH (party_id);

CREATE TABLE party_hold (
    tenant     text NOT NULL,
    party_id   uuid NOT NULL,
    hold_id    uuid NOT NULL,
    kind       text NOT NULL,
    channels   text[],
    valid_from timestamptz NOT NULL,
    valid_to   timestamptz,
    PRIMARY KEY (tenant, party_id, hold_id)
) PARTITION BY HASH (party_id);

-- `number` counts what was told on the topic; 0: nothing was, so the case waits.
CREATE TABLE next_action (
    tenant           text NOT NULL,
    party_id         uuid NOT NULL,
    case_id          uuid NOT NULL,
    number           integer NOT NULL,
    action           text NOT NULL,
    reasons          text[] NOT NULL,
    rule             text NOT NULL,
    next_on          date,
    strategy         text NOT NULL,
    strategy_version integer NOT NULL,
    strategy_sha256  text NOT NULL,
    arm              text NOT NULL,
    chosen_at        timestamptz NOT NULL,
    PRIMARY KEY (tenant, party_id)
) PARTITION BY HASH (party_id);
CREATE INDEX next_action_list ON next_action (tenant, action, case_id);

-- Append-only: which strategy has chosen since when.
CREATE TABLE strategy_use (
    tenant      text NOT NULL,
    use_id      bigint GENERATED ALWAYS AS IDENTITY,
    strategy    text NOT NULL,
    sha256      text NOT NULL,
    challenger  text,
    not_used    text,
    approved_by text[] NOT NULL,
    since       timestamptz NOT NULL,
    PRIMARY KEY (tenant, use_id)
)
"""


def upgrade() -> None:
    """Create the tables. Open cases get their first action from the run that the first start intends."""
    for statement in _TABLES.split(";\n"):
        op.execute(statement)
    for table in ("case_history", "party_hold", "next_action"):
        create_hash_partitions(op, table)
        grant(op, table, "SELECT", "INSERT", "UPDATE", "DELETE")
    grant(op, "strategy_use", "SELECT", "INSERT")


def downgrade() -> None:
    """Drop them (development only)."""
    for table in ("strategy_use", "next_action", "party_hold", "case_history"):
        op.execute(f"DROP TABLE {table}")
