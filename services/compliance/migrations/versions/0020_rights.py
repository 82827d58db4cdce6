"""Rights: legal holds, requests for erasure, what is restricted, and packs given to people; none is ever edited.

Revision ID: 0020
Revises: 0019
"""

from __future__ import annotations

from alembic import op

from services.compliance.migrations.append_only import append_only
from shared.database.schema import create_hash_partitions, grant

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

_LEGAL_HOLDS = """
CREATE TABLE legal_hold_version (
    tenant        text NOT NULL,
    party_id      uuid NOT NULL,
    legal_hold_id uuid NOT NULL,
    version       integer NOT NULL CHECK (version > 0),
    step          text NOT NULL CHECK (step IN ('place', 'ask_lift', 'lift')),
    matter        text NOT NULL,
    custodian     text NOT NULL,
    by_whom       text NOT NULL,
    sealed_reason bytea NOT NULL,
    recorded_at   timestamptz NOT NULL,
    recorded_real timestamptz NOT NULL,
    PRIMARY KEY (tenant, party_id, legal_hold_id, version)
) PARTITION BY HASH (party_id)
"""
_STANDING_HOLDS = """
CREATE VIEW legal_hold AS
SELECT v.* FROM legal_hold_version v
WHERE NOT EXISTS (SELECT FROM legal_hold_version later
                  WHERE later.tenant = v.tenant AND later.party_id = v.party_id
                    AND later.legal_hold_id = v.legal_hold_id AND later.version = v.version + 1)
"""
_ERASURES = """
CREATE TABLE erasure_version (
    tenant         text NOT NULL,
    party_id       uuid NOT NULL,
    erasure_id     uuid NOT NULL,
    version        integer NOT NULL CHECK (version > 0),
    cause          text NOT NULL CHECK (cause IN ('request', 'retention')),
    state          text NOT NULL CHECK (state IN ('requested', 'refused', 'erased', 'complete')),
    by_whom        text NOT NULL,
    received_at    timestamptz NOT NULL,
    clock_rule     text NOT NULL,
    clock_citation text NOT NULL,
    answer_by      timestamptz NOT NULL,
    refused_by     text[] NOT NULL,
    erased_real    timestamptz,
    complete_from  timestamptz,
    recorded_at    timestamptz NOT NULL,
    recorded_real  timestamptz NOT NULL,
    PRIMARY KEY (tenant, party_id, erasure_id, version)
) PARTITION BY HASH (party_id)
"""
_STANDING_ERASURES = """
CREATE VIEW erasure AS
SELECT v.* FROM erasure_version v
WHERE NOT EXISTS (SELECT FROM erasure_version later
                  WHERE later.tenant = v.tenant AND later.party_id = v.party_id
                    AND later.erasure_id = v.erasure_id AND later.version = v.version + 1)
"""
_RESTRICTIONS = """
CREATE TABLE restriction (
    tenant        text NOT NULL,
    party_id      uuid NOT NULL,
    since         date NOT NULL,
    recorded_real timestamptz NOT NULL,
    PRIMARY KEY (tenant, party_id)
) PARTITION BY HASH (party_id)
"""


def upgrade() -> None:
    """Create the tables and the views of what stands."""
    op.execute(_LEGAL_HOLDS)
    op.execute(_ERASURES)
    for table in ("legal_hold_version", "erasure_version"):
        create_hash_partitions(op, table)
        append_only(op, table)
    op.execute("CREATE INDEX legal_hold_version_id ON legal_hold_version (legal_hold_id)")
    op.execute("CREATE INDEX erasure_version_id ON erasure_version (erasure_id)")
    op.execute("CREATE INDEX erasure_version_order ON erasure_version (tenant, recorded_real, erasure_id)")
    op.execute(_STANDING_HOLDS)
    op.execute(_STANDING_ERASURES)
    grant(op, "legal_hold", "SELECT")
    grant(op, "erasure", "SELECT")
    # Who is restricted now: it begins and ends with what the rules say, its leaves keep the history.
    op.execute(_RESTRICTIONS)
    create_hash_partitions(op, "restriction")
    grant(op, "restriction", "SELECT", "INSERT", "DELETE")


def downgrade() -> None:
    """Refused: an audit log is not taken back."""
    raise NotImplementedError("an audit log is not taken back")
