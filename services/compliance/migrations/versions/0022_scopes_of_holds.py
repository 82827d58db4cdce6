"""Holds on one loan or one contact point, permits about named debts, and since when a liability is known.

Revision ID: 0022
Revises: 0021
"""

from __future__ import annotations

from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Holds of before cover what they covered, permits of before are about all debts; liabilities were known."""
    op.execute("ALTER TABLE hold ADD COLUMN scope_key text NOT NULL DEFAULT ''")
    op.execute(
        "ALTER TABLE hold DROP CONSTRAINT hold_scope_check, ADD CONSTRAINT hold_scope_check CHECK "
        "(scope IN ('party', 'visit_channel', 'collection', 'loan', 'contact_point')), "
        "ADD CONSTRAINT hold_scope_named CHECK ((scope IN ('loan', 'contact_point')) = (scope_key <> ''))"
    )
    op.execute("DROP INDEX hold_open_source")
    op.execute(
        "CREATE UNIQUE INDEX hold_open_source ON hold (tenant, party_id, scope, scope_key, kind, source_ref) "
        "WHERE ended_at IS NULL"
    )
    op.execute("ALTER TABLE permit ADD COLUMN debts uuid[]")
    op.execute("ALTER TABLE liable_party ADD COLUMN known_real timestamptz NOT NULL DEFAULT '2000-01-01T00:00:00Z'")


def downgrade() -> None:
    """Refused: an audit log is not taken back."""
    raise NotImplementedError("an audit log is not taken back")
