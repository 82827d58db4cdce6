"""Facts, holds, permits, decisions, audit and the log.

Audit and log tables accept INSERT only: the runtime role holds no other right, and a trigger refuses UPDATE, DELETE and
TRUNCATE to everybody, the owner included.
"""

from __future__ import annotations

from alembic import op

from shared.database import platform_tables
from shared.database.schema import HASH_PARTITIONS, create_hash_partitions, grant

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_FACTS = """
CREATE TABLE party_fact (
    tenant             text NOT NULL,
    party_id           uuid NOT NULL,
    case_id            uuid NOT NULL,
    case_version       integer NOT NULL,
    case_open          boolean NOT NULL,
    held               boolean NOT NULL,
    jurisdiction       text NOT NULL,
    zones              text[] NOT NULL,
    history_known_from date,
    PRIMARY KEY (tenant, party_id)
) PARTITION BY HASH (party_id);

CREATE TABLE version_seen (
    tenant     text NOT NULL,
    party_id   uuid NOT NULL,
    kind       text NOT NULL CHECK (kind IN ('visit', 'plan')),
    subject_id uuid NOT NULL,
    version    integer NOT NULL,
    PRIMARY KEY (tenant, party_id, kind, subject_id)
) PARTITION BY HASH (party_id);

CREATE TABLE feeder_watermark (
    service       text NOT NULL,
    topic         text NOT NULL,
    partition     smallint NOT NULL,
    low_watermark timestamptz NOT NULL,
    named_parties uuid[] NOT NULL,
    PRIMARY KEY (service, topic, partition)
) WITH (fillfactor = 50);

CREATE TABLE hold (
    tenant        text NOT NULL,
    party_id      uuid NOT NULL,
    hold_id       uuid NOT NULL,
    kind          text NOT NULL,
    scope         text NOT NULL CHECK (scope IN ('party', 'visit_channel', 'collection')),
    valid_from    timestamptz NOT NULL,
    valid_to      timestamptz,
    source_ref    text NOT NULL,
    sealed_reason bytea,
    recorded_real timestamptz NOT NULL,
    ended_at      timestamptz,
    ended_cause   text,
    PRIMARY KEY (tenant, party_id, hold_id)
) PARTITION BY HASH (party_id);
CREATE INDEX hold_id ON hold (hold_id);
CREATE UNIQUE INDEX hold_open_source ON hold (tenant, party_id, scope, kind, source_ref) WHERE ended_at IS NULL;
"""

_PERMITS = """
CREATE TABLE permit (
    tenant            text NOT NULL,
    party_id          uuid NOT NULL,
    permit_id         uuid NOT NULL,
    decision_id       uuid NOT NULL,
    request_id        uuid NOT NULL,
    request_sha256    bytea NOT NULL,
    case_id           uuid NOT NULL,
    subject_id        uuid NOT NULL,
    channel           text NOT NULL,
    purpose           text NOT NULL,
    crew              uuid[] NOT NULL,
    device_id         text,
    place_cell        text,
    window_start      timestamptz NOT NULL,
    window_end        timestamptz NOT NULL,
    duration_minutes  integer NOT NULL,
    zones             text[] NOT NULL,
    rule_set          text NOT NULL,
    token             text NOT NULL,
    granted_real      timestamptz NOT NULL,
    state             text NOT NULL CHECK (state IN ('granted', 'used', 'recorded', 'released')),
    contact_id        uuid,
    used_at           timestamptz,
    release_cause     text,
    revoked_real      timestamptz,
    revoke_cause      text,
    fact_arrived_real timestamptz,
    PRIMARY KEY (tenant, party_id, permit_id)
) PARTITION BY HASH (party_id);
CREATE INDEX permit_id ON permit (permit_id);
CREATE UNIQUE INDEX permit_request ON permit (tenant, party_id, request_id);
CREATE INDEX permit_subject ON permit (subject_id) WHERE state = 'granted';
"""

_AUDIT = """
CREATE TABLE decision (
    tenant        text NOT NULL,
    party_id      uuid NOT NULL,
    decision_id   uuid NOT NULL,
    request_id    uuid NOT NULL,
    answer        text NOT NULL CHECK (answer IN ('allow', 'deny', 'needs-fact')),
    channel       text NOT NULL,
    purpose       text NOT NULL,
    refused_by    text[] NOT NULL,
    record        bytea NOT NULL,
    record_sha256 bytea NOT NULL,
    leaf_id       uuid NOT NULL,
    decided_at    timestamptz NOT NULL,
    recorded_real timestamptz NOT NULL,
    PRIMARY KEY (tenant, party_id, decision_id)
) PARTITION BY HASH (party_id);
CREATE INDEX decision_id ON decision (decision_id);

CREATE TABLE contact_audit (
    tenant              text NOT NULL,
    party_id            uuid NOT NULL,
    contact_id          uuid NOT NULL,
    permit_id           uuid,
    channel             text NOT NULL,
    purpose             text NOT NULL,
    started_at          timestamptz NOT NULL,
    ended_at            timestamptz NOT NULL,
    zones               text[] NOT NULL,
    attempt             boolean NOT NULL,
    contact             boolean NOT NULL,
    conversation        boolean NOT NULL,
    household_contacted boolean NOT NULL,
    debtor_met          boolean NOT NULL,
    verdict             text NOT NULL CHECK (verdict IN ('lawful', 'violation')),
    findings            integer NOT NULL,
    leaf_id             uuid NOT NULL,
    recorded_real       timestamptz NOT NULL,
    PRIMARY KEY (tenant, party_id, contact_id)
) PARTITION BY HASH (party_id);
CREATE INDEX contact_audit_leaf ON contact_audit (leaf_id);

CREATE TABLE finding (
    tenant        text NOT NULL,
    party_id      uuid NOT NULL,
    finding_id    uuid NOT NULL,
    contact_id    uuid,
    permit_id     uuid,
    rule          text NOT NULL,
    citation      text NOT NULL,
    severity      text NOT NULL,
    conduct       boolean NOT NULL,
    harm          boolean NOT NULL,
    detail        text NOT NULL,
    recorded_real timestamptz NOT NULL,
    PRIMARY KEY (tenant, party_id, finding_id)
) PARTITION BY HASH (party_id);
CREATE INDEX finding_recorded ON finding (recorded_real, finding_id);

CREATE TABLE revocation (
    number            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant            text NOT NULL,
    party_id          uuid NOT NULL,
    permit_id         uuid NOT NULL,
    device_id         text,
    window_end        timestamptz NOT NULL,
    cause             text NOT NULL,
    used              boolean NOT NULL,
    fact_arrived_real timestamptz NOT NULL,
    revoked_real      timestamptz NOT NULL,
    UNIQUE (permit_id)
);
CREATE INDEX revocation_device ON revocation (device_id, number);
"""

_LOG = """
CREATE TABLE log_entry (
    leaf_id     uuid PRIMARY KEY,
    party_id    uuid,
    kind        text NOT NULL,
    leaf        bytea NOT NULL,
    leaf_hash   bytea NOT NULL,
    recorded_at timestamptz NOT NULL
);
CREATE INDEX log_entry_party ON log_entry (party_id);

CREATE TABLE log_pending (
    place   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    leaf_id uuid NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0);

CREATE TABLE log_leaf (
    leaf_index bigint PRIMARY KEY,
    leaf_id    uuid NOT NULL UNIQUE
);

CREATE TABLE log_node (
    level smallint NOT NULL,
    place bigint NOT NULL,
    hash  bytea NOT NULL,
    PRIMARY KEY (level, place)
);

CREATE TABLE log_checkpoint (
    tree_size    bigint PRIMARY KEY,
    root         bytea NOT NULL,
    note         text NOT NULL,
    published_at timestamptz NOT NULL
);

CREATE TABLE party_chain (
    tenant      text NOT NULL,
    party_id    uuid NOT NULL,
    sealed_salt bytea NOT NULL,
    sequence    bigint NOT NULL,
    last_hash   bytea,
    PRIMARY KEY (tenant, party_id)
) PARTITION BY HASH (party_id);

CREATE TABLE leaf_salt (
    tenant       text NOT NULL,
    party_id     uuid NOT NULL,
    leaf_id      uuid NOT NULL,
    sealed_salts bytea NOT NULL,
    PRIMARY KEY (tenant, party_id, leaf_id)
) PARTITION BY HASH (party_id);
"""

_PARTITIONED = {
    "party_fact": "fillfactor = 80",
    "version_seen": "fillfactor = 80",
    "hold": "fillfactor = 80",
    "permit": "fillfactor = 70",
    "decision": "",
    "contact_audit": "",
    "finding": "",
    "party_chain": "fillfactor = 60",
    "leaf_salt": "",
}

_READ_AND_APPEND = (
    "decision", "contact_audit", "finding", "revocation", "log_entry", "log_leaf", "log_node", "log_checkpoint"
)  # fmt: skip

_PRIVILEGES: dict[str, tuple[str, ...]] = {
    "party_fact": ("SELECT", "INSERT", "UPDATE"),
    "version_seen": ("SELECT", "INSERT", "UPDATE"),
    "feeder_watermark": ("SELECT", "INSERT", "UPDATE"),
    "hold": ("SELECT", "INSERT", "UPDATE"),
    "permit": ("SELECT", "INSERT", "UPDATE"),
    "party_chain": ("SELECT", "INSERT", "UPDATE"),
    "leaf_salt": ("SELECT", "INSERT", "DELETE"),
    "log_pending": ("SELECT", "INSERT", "DELETE"),
    **dict.fromkeys(_READ_AND_APPEND, ("SELECT", "INSERT")),
}

_REFUSE_CHANGE = """
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'insufficient_privilege';
END $$
"""

# Once a leaf is pending it leaves the queue only for its place in the tree.
_ONLY_INTEGRATED = """
CREATE FUNCTION only_integrated() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM log_leaf WHERE leaf_id = OLD.leaf_id) THEN
        RAISE EXCEPTION 'leaf % is not in the tree yet', OLD.leaf_id USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN OLD;
END $$
"""


def upgrade() -> None:
    """Create everything."""
    platform_tables.create(op)
    for script in (_FACTS, _PERMITS, _AUDIT, _LOG):
        for statement in filter(str.strip, script.split(";\n")):
            op.execute(statement)
    for table, storage in _PARTITIONED.items():
        create_hash_partitions(op, table, storage=storage)
    for table, privileges in _PRIVILEGES.items():
        grant(op, table, *privileges)
    op.execute(_REFUSE_CHANGE)
    op.execute(_ONLY_INTEGRATED)
    for table in _READ_AND_APPEND:
        op.execute(
            f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION refuse_change()"
        )
        _refuse_truncate(table)
    op.execute(
        "CREATE TRIGGER only_integrated BEFORE DELETE ON log_pending FOR EACH ROW EXECUTE FUNCTION only_integrated()"
    )
    _refuse_truncate("log_pending")


def _refuse_truncate(table: str) -> None:
    """Statement triggers are not inherited: a partition could be emptied behind its parent's back."""
    partitions = [f"{table}_{index}" for index in range(HASH_PARTITIONS)] if table in _PARTITIONED else []
    for name in (table, *partitions):
        op.execute(
            f"CREATE TRIGGER no_truncate BEFORE TRUNCATE ON {name} FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )


def downgrade() -> None:
    """Refused: an audit log is not taken back."""
    raise NotImplementedError("an audit log is not taken back")
