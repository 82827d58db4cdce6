"""Plans that run on from another system: agreed there, paid here; never signed with us.

Revision ID: 0004
Revises: 0003
"""

from __future__ import annotations

from alembic import op

from shared.database.schema import grant

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_COLUMNS = """
ALTER TABLE plan
    ALTER COLUMN sealed_statement DROP NOT NULL, ALTER COLUMN table_id DROP NOT NULL,
    ALTER COLUMN sealed_document DROP NOT NULL, ALTER COLUMN document_sha256 DROP NOT NULL,
    ADD COLUMN cutover_id text, ADD COLUMN record_ref text, ADD COLUMN basis text, ADD COLUMN document_ref text,
    ADD COLUMN agreed_at timestamptz, ADD COLUMN paid_until date
"""
_CHECKS = (
    ("plan_state_check", "state IN ('proposed', 'signed', 'imported', 'completed', 'superseded', 'lapsed')"),
    (
        "plan_check1",
        "state NOT IN ('signed', 'imported', 'completed')"
        " OR (hold_id IS NOT NULL AND (signed_at IS NOT NULL OR cutover_id IS NOT NULL))",
    ),
    (
        "plan_imported_check",
        "CASE WHEN cutover_id IS NULL THEN state <> 'imported' AND sealed_statement IS NOT NULL"
        " AND table_id IS NOT NULL AND document_sha256 IS NOT NULL"
        " ELSE signed_at IS NULL AND record_ref IS NOT NULL AND agreed_at IS NOT NULL AND paid_until IS NOT NULL"
        " AND (basis = 'promise'"
        " OR (basis = 'signed_plan' AND document_ref IS NOT NULL AND document_sha256 IS NOT NULL))"
        " END",
    ),
)
_CUTOVER = """
CREATE TABLE cutover (
    tenant        text NOT NULL,
    cutover_id    text NOT NULL,
    business_date date NOT NULL,
    state         text NOT NULL CHECK (state IN ('importing', 'closed')),
    begun_real    timestamptz NOT NULL,
    PRIMARY KEY (tenant, cutover_id)
)
"""


def upgrade() -> None:
    """All plans of before are our own."""
    op.execute(_COLUMNS)
    for name, condition in _CHECKS:
        op.execute(f"ALTER TABLE plan DROP CONSTRAINT IF EXISTS {name}")
        op.execute(f"ALTER TABLE plan ADD CONSTRAINT {name} CHECK ({condition}) NOT VALID")
        op.execute(f"ALTER TABLE plan VALIDATE CONSTRAINT {name}")
    op.execute("DROP INDEX plan_active")
    op.execute(
        "CREATE UNIQUE INDEX plan_active ON plan (tenant, party_id, case_id) WHERE state IN ('signed', 'imported')"
    )
    op.execute(
        "CREATE UNIQUE INDEX plan_imported ON plan (tenant, party_id, cutover_id, record_ref)"
        " WHERE cutover_id IS NOT NULL"
    )
    op.execute(_CUTOVER)
    grant(op, "cutover", "SELECT", "INSERT", "UPDATE")


def downgrade() -> None:
    """Refused: what another system agreed would be lost."""
    raise NotImplementedError("what another system agreed would be lost")
