"""Contact cards: what each reading showed or why it was refused, who searched, and further blind indexes.

Rows of before keep null where nothing was known; the worker learns the indexes of people of before from their cards.

Revision ID: 0015
Revises: 0014
"""

from __future__ import annotations

from alembic import op

from shared.database.schema import grant

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_CHANGES = """
ALTER TABLE contact_reading ADD COLUMN fields text[], ADD COLUMN refused_for text;
ALTER TABLE person ADD COLUMN name_index bytea, ADD COLUMN further_mobiles bytea[];
CREATE INDEX person_name_index ON person (tenant, name_index) WHERE name_index IS NOT NULL;
-- Few people have a second number.
CREATE INDEX person_further_mobiles ON person USING gin (further_mobiles) WHERE further_mobiles IS NOT NULL;

-- Every search, also one that found nobody; what was searched for is not kept. Append-only.
CREATE TABLE person_search (
    tenant      text NOT NULL,
    search_id   uuid NOT NULL,
    caller      text NOT NULL,
    purpose     text NOT NULL,
    found_by    text NOT NULL CHECK (found_by IN ('mobile', 'name', 'reference')),
    found       integer NOT NULL,
    searched_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (tenant, search_id)
);
CREATE INDEX person_search_caller ON person_search (tenant, caller, recorded_at)
"""


def upgrade() -> None:
    """Change them."""
    for statement in _CHANGES.split(";\n"):
        op.execute(statement)
    grant(op, "person_search", "SELECT", "INSERT")


def downgrade() -> None:
    """Take it back (development only)."""
    op.execute("DROP TABLE person_search")
    op.execute("DROP INDEX person_further_mobiles, person_name_index")
    op.execute("ALTER TABLE person DROP COLUMN name_index, DROP COLUMN further_mobiles")
    op.execute("ALTER TABLE contact_reading DROP COLUMN fields, DROP COLUMN refused_for")
