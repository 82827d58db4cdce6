"""Where a loan stands beside its terms: endings, charge-offs, holds, balances told alone. Cases can be closed."""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; allow the status. Existing loans have nothing of the kind."""
    op.execute("ALTER TABLE loan ADD COLUMN standing text")
    op.execute("ALTER TABLE case_file DROP CONSTRAINT case_file_status_check")
    op.execute(
        "ALTER TABLE case_file ADD CONSTRAINT case_file_status_check CHECK (status IN ('open', 'cured', 'closed'))"
    )


def downgrade() -> None:
    """Remove them (development only). Raises when a case is closed."""
    op.execute("ALTER TABLE case_file DROP CONSTRAINT case_file_status_check")
    op.execute("ALTER TABLE case_file ADD CONSTRAINT case_file_status_check CHECK (status IN ('open', 'cured'))")
    op.execute("ALTER TABLE loan DROP COLUMN standing")
