"""The daily sample of allowed decisions and of overrides: its seed, what was drawn, what a second person said of it.

Revision ID: 0012
Revises: 0011
"""

from __future__ import annotations

from alembic import op

from services.compliance.migrations.append_only import append_only

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_TABLES = """
CREATE TABLE sample_seed (
    tenant         text NOT NULL,
    day            date NOT NULL,
    seed           bytea NOT NULL CHECK (length(seed) = 32),
    committed_at   timestamptz NOT NULL,
    committed_real timestamptz NOT NULL,
    leaf_id        uuid NOT NULL,
    PRIMARY KEY (tenant, day)
);

CREATE TABLE sample_draw (
    tenant     text NOT NULL,
    day        date NOT NULL,
    decisions  bigint NOT NULL,
    overrides  bigint NOT NULL,
    drawn_real timestamptz NOT NULL,
    leaf_id    uuid NOT NULL,
    PRIMARY KEY (tenant, day)
);

CREATE TABLE sample (
    tenant     text NOT NULL,
    sample_id  uuid NOT NULL,
    day        date NOT NULL,
    kind       text NOT NULL CHECK (kind IN ('decision', 'override')),
    subject_id uuid NOT NULL,
    party_id   uuid NOT NULL,
    PRIMARY KEY (tenant, sample_id)
);
CREATE INDEX sample_order ON sample (tenant, day, sample_id);

CREATE TABLE sample_judgement (
    tenant        text NOT NULL,
    sample_id     uuid NOT NULL,
    verdict       text NOT NULL CHECK (verdict IN ('agree', 'disagree')),
    by_whom       text NOT NULL,
    finding_id    uuid,
    sealed_reason bytea NOT NULL,
    judged_at     timestamptz NOT NULL,
    judged_real   timestamptz NOT NULL,
    leaf_id       uuid NOT NULL,
    PRIMARY KEY (tenant, sample_id)
);
"""


def upgrade() -> None:
    """Create the tables; nothing in them is ever changed. A day's decisions are found by ranges of pages."""
    for statement in filter(str.strip, _TABLES.split(";\n")):
        op.execute(statement)
    for table in ("sample_seed", "sample_draw", "sample", "sample_judgement"):
        append_only(op, table, partitions=0)
    op.execute("CREATE INDEX decision_decided_at ON decision USING brin (decided_at)")


def downgrade() -> None:
    """Refused: an audit log is not taken back."""
    raise NotImplementedError("an audit log is not taken back")
