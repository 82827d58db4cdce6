"""What the institution owes because of requests, breaches of data and first communications.

Revision ID: 0052
Revises: 0051
"""

from __future__ import annotations

from alembic import op

from services.compliance.migrations.append_only import append_only
from shared.database.schema import grant

revision = "0052"
down_revision = "0051"
branch_labels = None
depends_on = None

_CAUSE = """
CREATE TABLE duty_cause (
    tenant        text NOT NULL,
    cause_id      uuid NOT NULL,
    kind          text NOT NULL,
    person_key    bytea,
    places        text[] NOT NULL,
    caused_at     timestamptz NOT NULL,
    reference     text NOT NULL,
    said          jsonb NOT NULL,
    by_whom       text NOT NULL,
    recorded_at   timestamptz NOT NULL,
    recorded_real timestamptz NOT NULL,
    leaf_id       uuid NOT NULL,
    PRIMARY KEY (tenant, cause_id)
)
"""
_OWED = """
CREATE TABLE duty_owed (
    tenant        text NOT NULL,
    cause_id      uuid NOT NULL,
    rule          text NOT NULL,
    due_at        timestamptz NOT NULL,
    outcome       text CHECK (outcome IN ('done', 'refused', 'not_needed')),
    answered_at   timestamptz,
    reference     text,
    by_whom       text,
    leaf_id       uuid,
    PRIMARY KEY (tenant, cause_id, rule),
    CHECK ((answered_at IS NULL) = (outcome IS NULL) AND (answered_at IS NULL) = (leaf_id IS NULL))
)
"""


def upgrade() -> None:
    """Create the tables. A person is in them only as a keyed digest; what is answered once is never answered again."""
    op.execute(_CAUSE)
    append_only(op, "duty_cause", partitions=0)
    op.execute("CREATE INDEX duty_cause_of_person ON duty_cause (tenant, person_key) WHERE person_key IS NOT NULL")
    op.execute(_OWED)
    grant(op, "duty_owed", "SELECT", "INSERT", "UPDATE")
    op.execute("CREATE INDEX duty_owed_open ON duty_owed (tenant, rule, due_at) WHERE answered_at IS NULL")


def downgrade() -> None:
    """Refused: an audit log is not taken back."""
    raise NotImplementedError("an audit log is not taken back")
