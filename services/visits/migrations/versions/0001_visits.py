"""Visits: the saga's state, the permits we know of, refusals, recalls, alarms, and what a check-in needs without
compliance.

Tables that grow with the portfolio are hash-partitioned by party and joined on it only. Rows that are evidence
(uses, refusals, recalls, messages) can be inserted and read, never changed.
"""

from alembic import op

from shared.database import platform_tables
from shared.database.schema import create_hash_partitions, grant

revision = "0001"
down_revision = None

_OF_PARTIES = {
    "visit": """
        CREATE TABLE visit (
            tenant           text NOT NULL,
            party_id         uuid NOT NULL,
            visit_id         uuid NOT NULL,
            case_id          uuid NOT NULL,
            state            text NOT NULL,
            version          integer NOT NULL CHECK (version > 0),
            partition        smallint NOT NULL,
            field_day        date NOT NULL,
            window_start     timestamptz NOT NULL,
            window_end       timestamptz NOT NULL,
            duration_minutes integer NOT NULL,
            pair_id          uuid NOT NULL,
            crew             uuid[] NOT NULL,
            device_id        text NOT NULL,
            cell             text NOT NULL,
            jurisdiction     text NOT NULL,
            case_version     integer NOT NULL,
            answer_by        timestamptz NOT NULL,
            proposed_real    timestamptz NOT NULL,
            correlation_id   text NOT NULL,
            offer_permit_id  uuid,
            offered_at       timestamptz,
            answered_at      timestamptz,
            permit_id        uuid,
            permit           text,
            stop_number      integer,
            door_code        text,
            checked_in_at    timestamptz,
            checked_in_real  timestamptz,
            crew_present     uuid[] NOT NULL,
            distance_m       integer,
            notice_cause     text,
            checked_out_at   timestamptz,
            record           jsonb,
            contact_id       uuid,
            leaf_index       bigint,
            end_cause        text,
            CHECK (window_start < window_end),
            CHECK ((checked_in_at IS NULL) = (checked_in_real IS NULL)),
            PRIMARY KEY (tenant, party_id, visit_id)
        ) PARTITION BY HASH (party_id)""",
    "permit_revoked": """
        CREATE TABLE permit_revoked (
            tenant          text NOT NULL,
            party_id        uuid NOT NULL,
            permit_id       uuid NOT NULL,
            cause           text NOT NULL,
            fact_arrived_at timestamptz NOT NULL,
            revoked_at      timestamptz NOT NULL,
            PRIMARY KEY (tenant, party_id, permit_id)
        ) PARTITION BY HASH (party_id)""",
    "permit_use": """
        CREATE TABLE permit_use (
            tenant    text NOT NULL,
            party_id  uuid NOT NULL,
            permit_id uuid NOT NULL,
            visit_id  uuid NOT NULL,
            used_at   timestamptz NOT NULL,
            used_real timestamptz NOT NULL,
            PRIMARY KEY (tenant, party_id, permit_id)
        ) PARTITION BY HASH (party_id)""",
    "check_in_refusal": """
        CREATE TABLE check_in_refusal (
            tenant       text NOT NULL,
            party_id     uuid NOT NULL,
            refusal_id   uuid NOT NULL,
            visit_id     uuid NOT NULL,
            reasons      text[] NOT NULL CHECK (cardinality(reasons) > 0),
            device_id    text NOT NULL,
            refused_at   timestamptz NOT NULL,
            refused_real timestamptz NOT NULL,
            PRIMARY KEY (tenant, party_id, refusal_id)
        ) PARTITION BY HASH (party_id)""",
    "recall": """
        CREATE TABLE recall (
            tenant          text NOT NULL,
            party_id        uuid NOT NULL,
            visit_id        uuid NOT NULL,
            kind            text NOT NULL CHECK (kind IN ('recalled', 'notice')),
            cause           text NOT NULL,
            fact_arrived_at timestamptz NOT NULL,
            recalled_at     timestamptz NOT NULL,
            state_before    text NOT NULL,
            checked_in_real timestamptz,
            PRIMARY KEY (tenant, party_id, visit_id)
        ) PARTITION BY HASH (party_id)""",
    "message_out": """
        CREATE TABLE message_out (
            tenant      text NOT NULL,
            party_id    uuid NOT NULL,
            message_id  uuid NOT NULL,
            visit_id    uuid NOT NULL,
            handed_at   timestamptz NOT NULL,
            handed_real timestamptz NOT NULL,
            PRIMARY KEY (tenant, party_id, message_id)
        ) PARTITION BY HASH (party_id)""",
    "party_fact": """
        CREATE TABLE party_fact (
            tenant          text NOT NULL,
            party_id        uuid NOT NULL,
            case_version    integer,
            time_zones      text[] NOT NULL DEFAULT '{}',
            language        text,
            cured_version   integer,
            cured_at        timestamptz,
            stop_cause      text,
            stop_arrived_at timestamptz,
            PRIMARY KEY (tenant, party_id)
        ) PARTITION BY HASH (party_id)""",
}
_OTHERS = {
    "alarm": """
        CREATE TABLE alarm (
            tenant            text NOT NULL,
            alarm_id          uuid NOT NULL,
            kind              text NOT NULL CHECK (kind IN ('sos', 'check_out_overdue')),
            party_id          uuid,
            visit_id          uuid,
            collector_id      uuid,
            silent            boolean NOT NULL,
            raised_at         timestamptz NOT NULL,
            raised_real       timestamptz NOT NULL,
            acknowledged_real timestamptz,
            acknowledged_by   text,
            PRIMARY KEY (tenant, alarm_id)
        )""",
    "permit_key": """
        CREATE TABLE permit_key (
            kid        text PRIMARY KEY,
            jwk        jsonb NOT NULL,
            learnt_at  timestamptz NOT NULL,
            confirmed_at timestamptz NOT NULL
        )""",
    "feed_watermark": """
        CREATE TABLE feed_watermark (
            service       text NOT NULL,
            topic         text NOT NULL,
            partition     smallint NOT NULL,
            low_watermark timestamptz NOT NULL,
            held_back     uuid[] NOT NULL,
            PRIMARY KEY (service, topic, partition)
        ) WITH (fillfactor = 50)""",
    "collector": """
        CREATE TABLE collector (
            collector_id uuid PRIMARY KEY,
            name         text NOT NULL,
            photo_ref    text,
            learnt_at    timestamptz NOT NULL
        )""",
}
_INDEXES = (
    "CREATE INDEX visit_id ON visit (visit_id)",
    "CREATE INDEX visit_day ON visit (tenant, field_day, visit_id)",
    "CREATE INDEX visit_pair ON visit (tenant, pair_id, field_day)",
    "CREATE INDEX visit_door ON visit (door_code) WHERE door_code IS NOT NULL",
    "CREATE INDEX visit_at_the_door ON visit USING gin (crew) WHERE state IN ('assigned', 'en_route', 'checked_in')",
    "CREATE INDEX message_out_order ON message_out (tenant, handed_real, message_id)",
    "CREATE INDEX alarm_open ON alarm (tenant, raised_real) WHERE acknowledged_real IS NULL",
)
_PRIVILEGES = {
    "visit": ("SELECT", "INSERT", "UPDATE"),
    "permit_revoked": ("SELECT", "INSERT"),
    "permit_use": ("SELECT", "INSERT"),
    "check_in_refusal": ("SELECT", "INSERT"),
    "recall": ("SELECT", "INSERT"),
    "message_out": ("SELECT", "INSERT"),
    "party_fact": ("SELECT", "INSERT", "UPDATE"),
    "alarm": ("SELECT", "INSERT", "UPDATE"),
    "permit_key": ("SELECT", "INSERT", "UPDATE", "DELETE"),
    "feed_watermark": ("SELECT", "INSERT", "UPDATE"),
    "collector": ("SELECT", "INSERT", "UPDATE"),
}


def upgrade() -> None:
    """Create the tables."""
    platform_tables.create(op)
    for table, statement in _OF_PARTIES.items():
        op.execute(statement)
        create_hash_partitions(op, table, storage="fillfactor = 80" if table in {"visit", "party_fact"} else "")
    for statement in (*_OTHERS.values(), *_INDEXES):
        op.execute(statement)
    for table, privileges in _PRIVILEGES.items():
        grant(op, table, *privileges)


def downgrade() -> None:
    """Drop the tables (development only)."""
    for table in (*_OTHERS, *_OF_PARTIES):
        op.execute(f"DROP TABLE {table}")
    platform_tables.drop(op)
