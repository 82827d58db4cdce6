"""Sources, each bound to the client that speaks for it; traces of contacts, told by others than collectors.

Revision ID: 0015
Revises: 0014
"""

from __future__ import annotations

from alembic import op

from services.compliance.migrations.append_only import append_only
from shared.database.schema import create_hash_partitions

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

# Until now the bank's core systems were who reported contacts.
_SOURCES = """
ALTER TABLE feed
    ADD COLUMN kind text NOT NULL DEFAULT 'contacts' CHECK (kind IN (
        'contacts', 'carrier_calls', 'gateway_receipts', 'print_manifest', 'device_track', 'door_code', 'someone_came'
    )),
    ADD COLUMN client_id text NOT NULL DEFAULT 'core';
"""
_TRACES = """
CREATE TABLE contact_trace (
    tenant        text NOT NULL,
    source        text NOT NULL,
    record_id     text NOT NULL,
    number        bigint NOT NULL CHECK (number > 0),
    party_id      uuid NOT NULL,
    trace_id      uuid NOT NULL,
    kind          text NOT NULL,
    channel       text NOT NULL,
    seen_at       timestamptz NOT NULL,
    record_sha256 bytea NOT NULL,
    recorded_real timestamptz NOT NULL,
    PRIMARY KEY (tenant, source, record_id)
) PARTITION BY HASH (record_id);
"""


def upgrade() -> None:
    """Bind the sources, create the table."""
    op.execute(_SOURCES)
    op.execute(_TRACES)
    create_hash_partitions(op, "contact_trace")
    op.execute("CREATE INDEX contact_trace_party ON contact_trace (tenant, party_id)")
    append_only(op, "contact_trace")


def downgrade() -> None:
    """Refused: an audit log is not taken back."""
    raise NotImplementedError("an audit log is not taken back")
