"""Candidates, blocks, visits; collectors and pairs; field days with their areas, routes and what was left out."""

from __future__ import annotations

from alembic import op

from shared.database import platform_tables
from shared.database.schema import create_hash_partitions, grant

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_PARTIES = """
CREATE TABLE candidate (
    tenant           text NOT NULL,
    party_id         uuid NOT NULL,
    case_id          uuid,
    case_version     integer,
    bucket           text,
    dpd_effective    integer,
    overdue_minor    bigint[],
    overdue_currency text[],
    jurisdiction     text,
    time_zones       text[],
    language         text,
    cell             text,
    held             boolean,
    facts_at         timestamptz,
    is_open          boolean,
    suspended        boolean,
    not_before       date,
    PRIMARY KEY (tenant, party_id)
) PARTITION BY HASH (party_id);
CREATE INDEX candidate_open ON candidate (tenant, bucket, dpd_effective) WHERE is_open;

CREATE TABLE block (
    tenant    text NOT NULL,
    party_id  uuid NOT NULL,
    cause     text NOT NULL,
    reference text NOT NULL,
    since     timestamptz NOT NULL,
    until     timestamptz,
    ended_at  timestamptz,
    PRIMARY KEY (tenant, party_id, cause, reference)
) PARTITION BY HASH (party_id);

CREATE TABLE visit (
    tenant           text NOT NULL,
    party_id         uuid NOT NULL,
    visit_id         uuid NOT NULL,
    case_id          uuid NOT NULL,
    field_day_id     uuid NOT NULL,
    field_day        date NOT NULL,
    pair_id          uuid NOT NULL,
    crew             uuid[] NOT NULL,
    device_id        text NOT NULL,
    stop_number      integer NOT NULL,
    arrives_at       timestamptz NOT NULL,
    window_start     timestamptz NOT NULL,
    window_end       timestamptz NOT NULL,
    duration_minutes integer NOT NULL,
    cell             text NOT NULL,
    jurisdiction     text NOT NULL,
    time_zones       text[] NOT NULL,
    case_version     integer NOT NULL,
    version          integer NOT NULL,
    state            text NOT NULL,
    cause            text,
    rules            text[] NOT NULL,
    permit_id        uuid,
    changed_at       timestamptz NOT NULL,
    PRIMARY KEY (tenant, party_id, visit_id)
) PARTITION BY HASH (party_id);
CREATE UNIQUE INDEX visit_live ON visit (tenant, party_id)
    WHERE state IN ('proposed', 'offered', 'agreed', 'assigned');
CREATE INDEX visit_field_day ON visit (field_day_id);

CREATE TABLE unassigned (
    tenant       text NOT NULL,
    party_id     uuid NOT NULL,
    field_day_id uuid NOT NULL,
    reason       text NOT NULL,
    rules        text[] NOT NULL,
    PRIMARY KEY (tenant, party_id, field_day_id)
) PARTITION BY HASH (party_id);
CREATE INDEX unassigned_field_day ON unassigned (field_day_id);
"""

_STAFF = """
CREATE TABLE collector (
    tenant       text NOT NULL,
    collector_id uuid NOT NULL,
    staff_ref    text NOT NULL,
    name text NOT NULL,
    languages    text[] NOT NULL,
    active       boolean NOT NULL,
    PRIMARY KEY (tenant, collector_id),
    UNIQUE (tenant, staff_ref)
);

CREATE TABLE certificate (
    tenant       text NOT NULL,
    collector_id uuid NOT NULL,
    kind         text NOT NULL,
    reference    text NOT NULL,
    valid_from   date NOT NULL,
    valid_to     date NOT NULL,
    PRIMARY KEY (tenant, collector_id, kind, reference),
    FOREIGN KEY (tenant, collector_id) REFERENCES collector,
    CHECK (valid_from <= valid_to)
);

CREATE TABLE pair (
    tenant      text NOT NULL,
    pair_id     uuid NOT NULL,
    collectors  uuid[] NOT NULL CHECK (cardinality(collectors) = 2 AND collectors[1] <> collectors[2]),
    device_id   text NOT NULL,
    home_lat    double precision NOT NULL,
    home_lon    double precision NOT NULL,
    shift_start time NOT NULL,
    shift_end   time NOT NULL,
    time_zone   text NOT NULL,
    active      boolean NOT NULL,
    PRIMARY KEY (tenant, pair_id),
    CHECK (shift_start < shift_end)
);
CREATE UNIQUE INDEX pair_device ON pair (tenant, device_id) WHERE active;
"""

_DAYS = """
CREATE TABLE field_day (
    tenant        text NOT NULL,
    field_day_id  uuid NOT NULL,
    day           date NOT NULL,
    status        text NOT NULL CHECK (status IN ('selecting', 'routing', 'planned')),
    policy_id     text NOT NULL,
    max_visits    integer,
    requested_at  timestamptz NOT NULL,
    planned_at    timestamptz,
    eligible      integer NOT NULL,
    not_chosen    text NOT NULL,
    refused_pairs text NOT NULL,
    travel_model  text NOT NULL,
    PRIMARY KEY (tenant, field_day_id),
    UNIQUE (tenant, day)
);

CREATE TABLE field_area (
    tenant       text NOT NULL,
    field_day_id uuid NOT NULL,
    area_number  integer NOT NULL,
    pair_ids     uuid[] NOT NULL,
    party_ids    uuid[] NOT NULL,
    status       text NOT NULL CHECK (status IN ('waiting', 'planned', 'failed')),
    PRIMARY KEY (tenant, field_day_id, area_number)
);

CREATE TABLE route (
    tenant           text NOT NULL,
    field_day_id     uuid NOT NULL,
    pair_id          uuid NOT NULL,
    area_number      integer NOT NULL,
    crew             uuid[] NOT NULL,
    device_id        text NOT NULL,
    stops            integer NOT NULL,
    metres           bigint NOT NULL,
    travel_seconds   integer NOT NULL,
    service_seconds  integer NOT NULL,
    duration_seconds integer NOT NULL,
    departs_at       timestamptz NOT NULL,
    returns_at       timestamptz NOT NULL,
    rest_start_at    timestamptz,
    cost_minor       bigint NOT NULL,
    cost_currency    text NOT NULL,
    PRIMARY KEY (tenant, field_day_id, pair_id)
);
"""

_PARTITIONED = {
    "candidate": "fillfactor = 80",
    "block": "fillfactor = 90",
    "visit": "fillfactor = 70",
    "unassigned": "",
}
_PRIVILEGES: dict[str, tuple[str, ...]] = {
    "candidate": ("SELECT", "INSERT", "UPDATE"),
    "block": ("SELECT", "INSERT", "UPDATE"),
    "visit": ("SELECT", "INSERT", "UPDATE"),
    "unassigned": ("SELECT", "INSERT", "UPDATE"),
    "collector": ("SELECT", "INSERT", "UPDATE"),
    "certificate": ("SELECT", "INSERT", "UPDATE", "DELETE"),
    "pair": ("SELECT", "INSERT", "UPDATE"),
    "field_day": ("SELECT", "INSERT", "UPDATE"),
    "field_area": ("SELECT", "INSERT", "UPDATE"),
    "route": ("SELECT", "INSERT"),
}


def upgrade() -> None:
    """Create everything."""
    platform_tables.create(op)
    for script in (_PARTIES, _STAFF, _DAYS):
        for statement in filter(str.strip, script.split(";\n")):
            op.execute(statement)
    for table, storage in _PARTITIONED.items():
        create_hash_partitions(op, table, storage=storage)
    for table, privileges in _PRIVILEGES.items():
        grant(op, table, *privileges)


def downgrade() -> None:
    """Drop everything (development only)."""
    for table in reversed(_PRIVILEGES):
        op.execute(f"DROP TABLE {table}")
    platform_tables.drop(op)
