"""The tables that every service has: event plumbing, intents, idempotency, data keys.

Plumbing tables are keyed by ids that are unique across tenants. The inbox and the outbox stay local to a shard; tables
that grow with the portfolio are hash-partitioned.
"""

from __future__ import annotations

from shared.database.schema import Operations, create_hash_partitions, grant

_CONSUMING = """
CREATE TABLE inbox (
    source      text NOT NULL,
    event_id    text NOT NULL,
    topic       text NOT NULL,
    partition   smallint NOT NULL,
    "offset"    bigint NOT NULL,
    outcome     text NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (source, event_id)
);
CREATE INDEX inbox_recorded_at ON inbox USING brin (recorded_at);

CREATE TABLE consumer_cluster (
    only_row   boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    cluster_id text NOT NULL
);

CREATE TABLE consumer_position (
    topic         text NOT NULL,
    partition     smallint NOT NULL,
    cluster_id    text NOT NULL,
    next_offset   bigint NOT NULL,
    caught_up_to  timestamptz,
    PRIMARY KEY (topic, partition)
) WITH (fillfactor = 50);

CREATE TABLE sequence_received (
    source         text NOT NULL,
    topic          text NOT NULL,
    aggregate_type text NOT NULL,
    aggregate_id   text NOT NULL,
    last           bigint NOT NULL,
    PRIMARY KEY (aggregate_id, aggregate_type, topic, source)
) PARTITION BY HASH (aggregate_id);

CREATE SEQUENCE kept_place;

CREATE TABLE dead_letter (
    id           uuid PRIMARY KEY,
    place        bigint NOT NULL,
    party_id     uuid,
    topic        text NOT NULL,
    partition    smallint NOT NULL,
    "offset"     bigint NOT NULL,
    source       text,
    event_id     text,
    type         text,
    reason       text NOT NULL,
    detail       text NOT NULL,
    digest       bytea NOT NULL,
    sealed       bytea NOT NULL,
    state        text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'replayed', 'discarded')),
    attempts     integer NOT NULL DEFAULT 0,
    recorded_at  timestamptz NOT NULL,
    resolved_at  timestamptz,
    UNIQUE (topic, partition, "offset")
);
CREATE INDEX dead_letter_open ON dead_letter (party_id) WHERE state = 'open';

CREATE TABLE parked_party (
    party_id  uuid PRIMARY KEY,
    cause     text NOT NULL,
    known     boolean NOT NULL,
    parked_at timestamptz NOT NULL
);

CREATE TABLE waiting_record (
    topic          text NOT NULL,
    partition      smallint NOT NULL,
    "offset"       bigint NOT NULL,
    party_id       uuid NOT NULL,
    behind         text NOT NULL CHECK (behind IN ('party', 'gap')),
    source         text NOT NULL,
    event_id       text NOT NULL,
    type           text NOT NULL,
    aggregate_type text NOT NULL,
    aggregate_id   text NOT NULL,
    sequence       bigint NOT NULL,
    handled        boolean NOT NULL DEFAULT false,
    place          bigint NOT NULL,
    sealed         bytea NOT NULL,
    recorded_at    timestamptz NOT NULL,
    PRIMARY KEY (topic, partition, "offset")
);
CREATE INDEX waiting_record_party ON waiting_record (party_id);
CREATE INDEX waiting_record_stream ON waiting_record (aggregate_id, sequence) WHERE behind = 'gap';
"""

_PRODUCING = """
CREATE TABLE sequence_issued (
    topic          text NOT NULL,
    aggregate_type text NOT NULL,
    aggregate_id   uuid NOT NULL,
    last           bigint NOT NULL,
    PRIMARY KEY (aggregate_id, aggregate_type, topic)
) PARTITION BY HASH (aggregate_id);

CREATE SEQUENCE outbox_seq;

CREATE TABLE outbox (
    seq        bigint PRIMARY KEY,
    event_id   uuid NOT NULL,
    topic      text NOT NULL,
    partition  smallint NOT NULL,
    key        bytea NOT NULL,
    value      bytea NOT NULL,
    headers    bytea NOT NULL,
    created_at timestamptz NOT NULL
);
CREATE INDEX outbox_created_at ON outbox USING brin (created_at);

CREATE TABLE outbox_pending (
    topic        text NOT NULL,
    seq          bigint NOT NULL,
    partition    smallint NOT NULL,
    housekeeping boolean NOT NULL,
    PRIMARY KEY (topic, seq)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0);

CREATE TABLE outbox_blocked (
    topic      text NOT NULL,
    key        bytea NOT NULL,
    seq        bigint NOT NULL,
    partition  smallint NOT NULL,
    reason     text NOT NULL,
    blocked_at timestamptz NOT NULL,
    PRIMARY KEY (topic, key)
);

CREATE TABLE relay_shard (
    topic        text NOT NULL,
    partition    smallint NOT NULL,
    owner        text,
    epoch        bigint NOT NULL DEFAULT 0,
    leased_until timestamptz,
    PRIMARY KEY (topic, partition)
) WITH (fillfactor = 50);

CREATE TABLE relay_member (
    owner        text PRIMARY KEY,
    leased_until timestamptz NOT NULL
);

CREATE TABLE heartbeat_turn (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    sent_at  timestamptz NOT NULL
);

CREATE TABLE intent (
    id           uuid PRIMARY KEY,
    kind         text NOT NULL,
    key          text NOT NULL,
    party_id     uuid,
    payload      bytea NOT NULL,
    due_at       timestamptz NOT NULL,
    clock        text NOT NULL CHECK (clock IN ('real', 'business')),
    traceparent  text,
    attempts     integer NOT NULL DEFAULT 0,
    retry_at     timestamptz,
    leased_until timestamptz,
    lease        uuid,
    done_at      timestamptz,
    recorded_at  timestamptz NOT NULL,
    UNIQUE (kind, key)
) WITH (fillfactor = 70);
CREATE INDEX intent_due ON intent (clock, kind, due_at) WHERE done_at IS NULL;
"""

_COMMANDS_AND_KEYS = """
CREATE TABLE idempotency_key (
    tenant           text NOT NULL,
    caller           text NOT NULL,
    route            text NOT NULL,
    key              text NOT NULL,
    body_sha256      bytea NOT NULL,
    status           smallint NOT NULL,
    response_body    bytea NOT NULL,
    response_headers text NOT NULL,
    recorded_at      timestamptz NOT NULL,
    PRIMARY KEY (tenant, caller, route, key)
);
CREATE INDEX idempotency_key_recorded_at ON idempotency_key USING brin (recorded_at);

CREATE TABLE party_key (
    tenant      text NOT NULL,
    party_id    uuid NOT NULL,
    wrapped_key bytea NOT NULL,
    wrapped_by  text NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (tenant, party_id)
) PARTITION BY HASH (party_id);
"""

_ACCESS = """
CREATE TABLE access_reading (
    tenant      text NOT NULL,
    party_id    uuid NOT NULL,
    reading_id  uuid NOT NULL,
    caller      text NOT NULL,
    given_by    text,
    purpose     text NOT NULL,
    received_at timestamptz NOT NULL,
    read_at     timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (tenant, party_id, reading_id)
);

CREATE TABLE erased_party (
    tenant    text NOT NULL,
    party_id  uuid NOT NULL,
    erased_at timestamptz NOT NULL,
    PRIMARY KEY (tenant, party_id)
)
"""

_SUSPENSIONS = """
CREATE TABLE heard_suspensions (
    tenant    text PRIMARY KEY,
    said_at   timestamptz NOT NULL,
    suspended text[] NOT NULL
)
"""

_PARTITIONED = ("sequence_received", "sequence_issued", "party_key")

_PRIVILEGES: dict[str, tuple[str, ...]] = {
    "inbox": ("SELECT", "INSERT", "UPDATE", "DELETE"),
    "consumer_cluster": ("SELECT", "INSERT", "UPDATE"),
    "consumer_position": ("SELECT", "INSERT", "UPDATE"),
    "sequence_received": ("SELECT", "INSERT", "UPDATE"),
    "dead_letter": ("SELECT", "INSERT", "UPDATE"),
    "SEQUENCE kept_place": ("USAGE",),
    "parked_party": ("SELECT", "INSERT", "UPDATE", "DELETE"),
    "waiting_record": ("SELECT", "INSERT", "UPDATE", "DELETE"),
    "sequence_issued": ("SELECT", "INSERT", "UPDATE"),
    # Rows are immutable: what was decided to be sent can be sent again, never changed.
    "SEQUENCE outbox_seq": ("USAGE",),
    "outbox": ("SELECT", "INSERT", "DELETE"),
    "outbox_pending": ("SELECT", "INSERT", "DELETE"),
    "outbox_blocked": ("SELECT", "INSERT", "DELETE"),
    "relay_shard": ("SELECT", "INSERT", "UPDATE"),
    "relay_member": ("SELECT", "INSERT", "UPDATE", "DELETE"),
    "heartbeat_turn": ("SELECT", "INSERT", "UPDATE"),
    "intent": ("SELECT", "INSERT", "UPDATE", "DELETE"),
    "idempotency_key": ("SELECT", "INSERT", "DELETE"),
    "party_key": ("SELECT", "INSERT", "UPDATE", "DELETE"),
}


def create(op: Operations) -> None:
    """Create the platform tables and grant the runtime role what it needs. Called by each service's first migration."""
    for script in (_CONSUMING, _PRODUCING, _COMMANDS_AND_KEYS):
        for statement in filter(str.strip, script.split(";\n")):
            op.execute(statement)
    for table in _PARTITIONED:
        create_hash_partitions(op, table, storage="fillfactor = 70")
    for table, privileges in _PRIVILEGES.items():
        grant(op, table, *privileges)


def index_outbox_keys(op: Operations) -> None:
    """Find a party's events in the outbox: readers ask for them after a lasting gap. Events without a party are left
    out, for one bucket would hold them all. Called by each service's second migration."""
    op.execute(r"CREATE INDEX outbox_key ON outbox USING hash (key) WHERE key <> '\x2d'")


def remember_newest_events(op: Operations) -> None:
    """Keep the id of each stream's newest event beside its sequence: reconciliation finds it when the outbox has lost
    it. Of streams that were quiet since it is not known."""
    op.execute("ALTER TABLE sequence_issued ADD COLUMN newest uuid")


def remember_access(op: Operations) -> None:
    """Keep who read everything about a person to give it to them, and who was erased. Compliance has its log for both.

    Both are kept when a person is erased: they name readers and an id that nothing joins to anybody any more.
    """
    for statement in filter(str.strip, _ACCESS.split(";\n")):
        op.execute(statement)
    for table in ("access_reading", "erased_party"):
        grant(op, table, "SELECT", "INSERT")


def seal_answers(op: Operations) -> None:
    """Keep answers sealed, with the people whom they may name. Those of before are sealed by the worker, page by page;
    a process of before still writes them in the clear.
    """
    op.execute("ALTER TABLE idempotency_key ADD COLUMN sealed_answer bytea, ADD COLUMN people uuid[]")
    op.execute("CREATE INDEX idempotency_key_people ON idempotency_key USING gin (people)")
    op.execute(
        "CREATE INDEX idempotency_key_clear ON idempotency_key (recorded_at) "
        "WHERE sealed_answer IS NULL AND body_sha256 <> ''"
    )
    grant(op, "idempotency_key", "SELECT", "INSERT", "UPDATE", "DELETE")


def unseal_answers(op: Operations) -> None:
    """Drop what `seal_answers` added (development only: sealed answers are lost)."""
    op.execute("DELETE FROM idempotency_key WHERE sealed_answer IS NOT NULL")
    op.execute("ALTER TABLE idempotency_key DROP COLUMN sealed_answer, DROP COLUMN people")
    grant(op, "idempotency_key", "SELECT", "INSERT", "DELETE")


def hear_suspensions(op: Operations) -> None:
    """Keep which outer feeds their reader does not believe (`shared/messaging/disbelieved.py`)."""
    op.execute(_SUSPENSIONS)
    grant(op, "heard_suspensions", "SELECT", "INSERT", "UPDATE")


def forget_suspensions(op: Operations) -> None:
    """Drop what `hear_suspensions` made (development only)."""
    op.execute("DROP TABLE heard_suspensions")


def forget_access(op: Operations) -> None:
    """Drop both tables (development only)."""
    for table in ("erased_party", "access_reading"):
        op.execute(f"DROP TABLE {table}")


def drop(op: Operations) -> None:
    """Drop the platform tables (development only: the inbox is what makes redelivery harmless)."""
    for table in reversed(_PRIVILEGES):
        op.execute(f"DROP {table}" if table.startswith("SEQUENCE") else f"DROP TABLE {table}")
