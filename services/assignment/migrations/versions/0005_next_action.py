"""What the bank's strategy chose for each candidate. Until it is heard nobody is planned.

Revision ID: 0005
Revises: 0004
"""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns, empty: intake tells every open case's action anew when it is upgraded."""
    op.execute(
        "ALTER TABLE candidate ADD COLUMN action text, ADD COLUMN action_number integer, ADD COLUMN action_case_id uuid"
    )


def downgrade() -> None:
    """Drop them (development only)."""
    op.execute("ALTER TABLE candidate DROP COLUMN action, DROP COLUMN action_number, DROP COLUMN action_case_id")
