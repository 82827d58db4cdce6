"""Turns of the rules: since when which rules are in force, and by which each outstanding permit was last judged.

Revision ID: 0011
Revises: 0010
"""

from __future__ import annotations

from alembic import op

from services.compliance.migrations.append_only import append_only

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_TURNS = """
CREATE TABLE rule_turn (
    tenant     text NOT NULL,
    number     bigint GENERATED ALWAYS AS IDENTITY,
    rule_set   text NOT NULL,
    boundary   date,
    began_real timestamptz NOT NULL,
    PRIMARY KEY (tenant, number)
)
"""


def upgrade() -> None:
    """Create the turns. Both columns of permits stay empty until a permit is judged again: then its grant counts."""
    op.execute(_TURNS)
    append_only(op, "rule_turn", partitions=0)
    op.execute("ALTER TABLE permit ADD COLUMN judged_by text, ADD COLUMN judged_real timestamptz")
    op.execute("CREATE INDEX permit_outstanding ON permit (party_id) WHERE state = 'granted' AND revoked_real IS NULL")


def downgrade() -> None:
    """Refused: an audit log is not taken back."""
    raise NotImplementedError("an audit log is not taken back")
