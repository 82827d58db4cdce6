"""Plans are followed up: the steps that were taken, the holds that pause them, and what a permit must be asked with.

Revision ID: 0009
Revises: 0008
"""

from __future__ import annotations

from alembic import op

from shared.database.schema import create_hash_partitions, grant

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_STATES = "'proposed', 'signed', 'imported', 'completed', 'broken', 'superseded', 'lapsed'"
_CHECKS = (
    ("plan_state_check", f"state IN ({_STATES})"),
    (
        "plan_check1",
        "state NOT IN ('signed', 'imported', 'completed', 'broken')"
        " OR (hold_id IS NOT NULL AND (signed_at IS NOT NULL OR cutover_id IS NOT NULL))",
    ),
)
_TABLES = """
CREATE TABLE follow_up (
    tenant      text NOT NULL,
    party_id    uuid NOT NULL,
    plan_id     uuid NOT NULL,
    number      integer NOT NULL,
    kind        text NOT NULL CHECK (
        kind IN ('reminder', 'help', 'warning', 'missed', 'restored', 'review', 'more_time')),
    day         date NOT NULL,
    instalment  integer,
    until       date,
    permit_id   uuid,
    decided_by  text,
    reason      text,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (tenant, party_id, plan_id, number)
) PARTITION BY HASH (party_id);

CREATE TABLE hold_known (
    tenant     text NOT NULL,
    party_id   uuid NOT NULL,
    hold_id    uuid NOT NULL,
    kind       text NOT NULL,
    valid_from timestamptz NOT NULL,
    valid_to   timestamptz,
    PRIMARY KEY (tenant, party_id, hold_id)
) PARTITION BY HASH (party_id)
"""


def upgrade() -> None:
    """Of cases heard before, place and zones are unknown until they are told anew: nobody is contacted till then."""
    for name, condition in _CHECKS:
        op.execute(f"ALTER TABLE plan DROP CONSTRAINT IF EXISTS {name}")
        op.execute(f"ALTER TABLE plan ADD CONSTRAINT {name} CHECK ({condition}) NOT VALID")
        op.execute(f"ALTER TABLE plan VALIDATE CONSTRAINT {name}")
    op.execute(
        "ALTER TABLE case_known ADD COLUMN jurisdiction text, ADD COLUMN time_zones text[] NOT NULL DEFAULT '{}',"
        " ADD COLUMN suspended boolean NOT NULL DEFAULT false"
    )
    for statement in _TABLES.split(";\n"):
        op.execute(statement)
    create_hash_partitions(op, "follow_up")
    create_hash_partitions(op, "hold_known", storage="fillfactor = 90")
    grant(op, "follow_up", "SELECT", "INSERT")
    grant(op, "hold_known", "SELECT", "INSERT", "UPDATE", "DELETE")


def downgrade() -> None:
    """Refused: who was warned would be forgotten."""
    raise NotImplementedError("who was warned would be forgotten")
