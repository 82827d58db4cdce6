"""Parties, loans, movements, cases, and who read personal data."""

from __future__ import annotations

from alembic import op

from shared.database import platform_tables
from shared.database.schema import create_hash_partitions, grant

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# JSON documents are columns of type text: they are written on the hot path, read whole, and searched by nobody.
_PEOPLE = """
-- The id reserved for a reference of a core. A party exists once it has a person or a case.
CREATE TABLE party_alias (
    tenant      text NOT NULL,
    core        text NOT NULL,
    party_ref   text NOT NULL,
    party_id    uuid NOT NULL,
    reserved_at timestamptz NOT NULL,
    PRIMARY KEY (tenant, core, party_ref)
) PARTITION BY HASH (party_ref);

-- `profile` holds no personal data; name and contact points are in `card`, sealed with the party's key.
CREATE TABLE person (
    tenant       text NOT NULL,
    party_id     uuid NOT NULL,
    profile      text,
    deceased_on  date,
    parked_by    text[] NOT NULL,
    pauses       text NOT NULL,
    card         bytea,
    mobile_index bytea,
    PRIMARY KEY (tenant, party_id)
) PARTITION BY HASH (party_id);
CREATE INDEX person_mobile_index ON person (tenant, mobile_index) WHERE mobile_index IS NOT NULL
"""

_MONEY = """
-- `statement`: what is due, items as [due date, kind, principal, interest, fee, penalty, paid] in minor units.
CREATE TABLE loan (
    tenant    text NOT NULL,
    party_id  uuid NOT NULL,
    core      text NOT NULL,
    loan_ref  text NOT NULL,
    loan_id   uuid NOT NULL,
    terms     text,
    statement text,
    PRIMARY KEY (tenant, party_id, core, loan_ref)
) PARTITION BY HASH (party_id);

-- `matters`: can still change what is derived of its loan; the others are history.
CREATE TABLE movement (
    tenant          text NOT NULL,
    party_id        uuid NOT NULL,
    core            text NOT NULL,
    transaction_ref text NOT NULL,
    loan_ref        text NOT NULL,
    receipt         text,
    reversal        text,
    posted          smallint NOT NULL,
    reversal_posted boolean NOT NULL,
    matters         boolean NOT NULL,
    PRIMARY KEY (tenant, party_id, core, transaction_ref)
) PARTITION BY HASH (party_id);
CREATE INDEX movement_matters ON movement (tenant, party_id) WHERE matters;

CREATE TABLE case_file (
    tenant           text NOT NULL,
    party_id         uuid NOT NULL,
    case_id          uuid NOT NULL,
    core             text NOT NULL,
    version          bigint NOT NULL,
    status           text NOT NULL CHECK (status IN ('open', 'cured')),
    as_of            date NOT NULL,
    suspended        text[] NOT NULL,
    opened_at        timestamptz NOT NULL,
    bucket           text NOT NULL,
    days_contractual integer NOT NULL,
    days_effective   integer NOT NULL,
    overdue_minor    text NOT NULL,
    held             boolean NOT NULL,
    PRIMARY KEY (tenant, party_id)
) PARTITION BY HASH (party_id);
CREATE INDEX case_file_case_id ON case_file (tenant, case_id);

CREATE TABLE case_entry (
    tenant    text NOT NULL,
    party_id  uuid NOT NULL,
    event_id  text NOT NULL,
    happened_at timestamptz NOT NULL,
    type      text NOT NULL,
    detail    text NOT NULL,
    reference text NOT NULL,
    PRIMARY KEY (tenant, party_id, event_id)
) PARTITION BY HASH (party_id);

-- The core's last closed business date, with its control totals.
CREATE TABLE core_day (
    tenant        text NOT NULL,
    core          text NOT NULL,
    closed_on     date NOT NULL,
    open_loans    integer NOT NULL,
    overdue_total jsonb NOT NULL,
    PRIMARY KEY (tenant, core)
)
"""

_READING = """
-- Permits compliance granted, as heard on its topic: a contact card is shown in clear only under one that stands.
CREATE TABLE known_permit (
    tenant    text NOT NULL,
    party_id  uuid NOT NULL,
    permit_id uuid NOT NULL,
    channel   text NOT NULL,
    starts_at timestamptz,
    ends_at   timestamptz,
    is_void   boolean NOT NULL,
    PRIMARY KEY (tenant, party_id, permit_id)
) PARTITION BY HASH (party_id);

-- Every reading of personal data. Append-only.
CREATE TABLE contact_reading (
    tenant      text NOT NULL,
    party_id    uuid NOT NULL,
    reading_id  uuid NOT NULL,
    caller      text NOT NULL,
    purpose     text NOT NULL,
    permit_id   uuid,
    what        text NOT NULL,
    read_at     timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (tenant, party_id, reading_id)
) PARTITION BY HASH (party_id)
"""

_STORAGE = {
    "party_alias": "",
    "person": "fillfactor = 85",
    "loan": "fillfactor = 80",
    "movement": "fillfactor = 85",
    "case_file": "fillfactor = 80",
    "case_entry": "",
    "known_permit": "",
    "contact_reading": "",
}
_WRITABLE = ("person", "loan", "movement", "case_file", "core_day", "known_permit")


def upgrade() -> None:
    """Create the tables."""
    platform_tables.create(op)
    for script in (_PEOPLE, _MONEY, _READING):
        for statement in script.split(";\n"):
            op.execute(statement)
    for table, storage in _STORAGE.items():
        create_hash_partitions(op, table, storage=storage)
    for table in _WRITABLE:
        grant(op, table, "SELECT", "INSERT", "UPDATE")
    for table in ("party_alias", "case_entry", "contact_reading"):
        grant(op, table, "SELECT", "INSERT")


def downgrade() -> None:
    """Drop the tables (development only)."""
    for table in (*_STORAGE, "core_day"):
        op.execute(f"DROP TABLE {table}")
    platform_tables.drop(op)
