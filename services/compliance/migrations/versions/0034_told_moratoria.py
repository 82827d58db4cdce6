"""What other services were told of moratoria that reach people through debts they share.

Revision ID: 0034
Revises: 0033
"""

from __future__ import annotations

from alembic import op

from shared.database.schema import create_hash_partitions, grant

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None

# `hold_id` and `source_ref` name nobody; `valid_to` is what was told last.
_TOLD = """
CREATE TABLE told_moratorium (
    tenant     text NOT NULL,
    party_id   uuid NOT NULL,
    hold_id    uuid NOT NULL,
    debt_id    uuid NOT NULL,
    kind       text NOT NULL,
    source_ref text NOT NULL,
    valid_from timestamptz NOT NULL,
    valid_to   timestamptz,
    told_real  timestamptz NOT NULL,
    PRIMARY KEY (tenant, party_id, hold_id)
) PARTITION BY HASH (party_id)
"""


def upgrade() -> None:
    """Nothing was told before: what stands is told when its debt is looked at next."""
    op.execute(_TOLD)
    create_hash_partitions(op, "told_moratorium")
    grant(op, "told_moratorium", "SELECT", "INSERT", "UPDATE", "DELETE")
    op.execute("CREATE INDEX told_moratorium_debt ON told_moratorium (tenant, debt_id)")


def downgrade() -> None:
    """Refused: an audit log is not taken back."""
    raise NotImplementedError("an audit log is not taken back")
