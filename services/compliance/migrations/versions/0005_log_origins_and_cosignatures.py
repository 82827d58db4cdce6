"""Origins of the log, one after another, and what witnesses signed.

A tree belongs to a generation: after a restore that lost leaves a new origin opens, and the old tree stays as it was.

Revision ID: 0005
Revises: 0004
"""

from __future__ import annotations

from alembic import op

from services.compliance.migrations.append_only import append_only

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_TABLES = """
CREATE TABLE log_origin (
    generation    smallint PRIMARY KEY CHECK (generation > 1),
    origin        text NOT NULL UNIQUE,
    previous_note text NOT NULL,
    opened_real   timestamptz NOT NULL
);

CREATE FUNCTION log_generation() RETURNS smallint LANGUAGE sql STABLE
AS 'SELECT coalesce(max(generation), 1::smallint) FROM log_origin';

CREATE TABLE log_cosignature (
    generation  smallint NOT NULL,
    tree_size   bigint NOT NULL,
    witness     text NOT NULL,
    line        text NOT NULL,
    cosigned_at timestamptz NOT NULL,
    PRIMARY KEY (generation, tree_size, witness)
);
CREATE INDEX log_cosignature_witness ON log_cosignature (witness, generation, tree_size);

ALTER TABLE log_leaf ADD generation smallint NOT NULL DEFAULT 1;
ALTER TABLE log_leaf DROP CONSTRAINT log_leaf_pkey, ADD PRIMARY KEY (generation, leaf_index);
ALTER TABLE log_leaf DROP CONSTRAINT log_leaf_leaf_id_key, ADD UNIQUE (leaf_id, generation);
ALTER TABLE log_node ADD generation smallint NOT NULL DEFAULT 1;
ALTER TABLE log_node DROP CONSTRAINT log_node_pkey, ADD PRIMARY KEY (generation, level, place);
ALTER TABLE log_checkpoint ADD generation smallint NOT NULL DEFAULT 1;
ALTER TABLE log_checkpoint DROP CONSTRAINT log_checkpoint_pkey, ADD PRIMARY KEY (generation, tree_size);
CREATE INDEX log_entry_manifest ON log_entry (recorded_at) WHERE kind = 'manifest';
"""


def upgrade() -> None:
    """Create the tables; every tree so far is of generation 1."""
    for statement in filter(str.strip, _TABLES.split(";\n")):
        op.execute(statement)
    for table in ("log_origin", "log_cosignature"):
        append_only(op, table, partitions=0)


def downgrade() -> None:
    """Refused: an audit log is not taken back."""
    raise NotImplementedError("an audit log is not taken back")
