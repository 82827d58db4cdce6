"""Who is bound by which debt, and who lives in one home.

Revision ID: 0018
Revises: 0017
"""

from __future__ import annotations

from alembic import op

from shared.database.schema import create_hash_partitions, grant

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

# Found by the debt, whoever is bound by it; stated by the case of one party, which it may be no longer part of.
_DEBT = """
CREATE TABLE debt (
    tenant        text NOT NULL,
    debt_id       uuid NOT NULL,
    case_party_id uuid NOT NULL,
    loan_id       uuid NOT NULL,
    is_overdue    boolean NOT NULL,
    originated_on date,
    obligors      uuid[] NOT NULL CHECK (cardinality(obligors) > 0),
    roles         text[] NOT NULL CHECK (cardinality(roles) = cardinality(obligors)),
    liabilities   text[] NOT NULL CHECK (cardinality(liabilities) = cardinality(obligors)),
    PRIMARY KEY (tenant, debt_id, case_party_id)
) PARTITION BY HASH (debt_id)
"""
_LIABLE = """
CREATE TABLE liable_party (
    tenant        text NOT NULL,
    party_id      uuid NOT NULL,
    debt_id       uuid NOT NULL,
    case_party_id uuid NOT NULL,
    PRIMARY KEY (tenant, party_id, debt_id, case_party_id)
) PARTITION BY HASH (party_id)
"""


def upgrade() -> None:
    """Create both. The debts of cases told before are not known until intake tells of them again, and it is said so."""
    op.execute(_DEBT)
    create_hash_partitions(op, "debt", storage="fillfactor = 80")
    grant(op, "debt", "SELECT", "INSERT", "UPDATE")
    op.execute(_LIABLE)
    create_hash_partitions(op, "liable_party")
    grant(op, "liable_party", "SELECT", "INSERT", "DELETE")
    op.execute("ALTER TABLE party_fact ADD COLUMN household text")
    op.execute("ALTER TABLE party_fact ADD COLUMN debts_known boolean NOT NULL DEFAULT false")


def downgrade() -> None:
    """Refused: an audit log is not taken back."""
    raise NotImplementedError("an audit log is not taken back")
