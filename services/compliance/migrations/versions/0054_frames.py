"""What the records of decisions have in common, kept once: their frames.

Revision ID: 0054
Revises: 0053
"""

from __future__ import annotations

from alembic import op

from services.compliance.migrations.append_only import append_only

revision = "0054"
down_revision = "0053"
branch_labels = None
depends_on = None

# Its digest is not unique: who meets a frame first keeps it, and two who do so at once must not wait for each other
# while they hold the locks of parties.
_FRAME = """
CREATE TABLE decision_frame (
    sha256  bytea NOT NULL CHECK (length(sha256) = 32),
    content bytea NOT NULL
)
"""


def upgrade() -> None:
    """Records of before name no frame: they say everything themselves, and stay as they are."""
    op.execute(_FRAME)
    op.execute("CREATE INDEX decision_frame_named ON decision_frame (sha256)")
    append_only(op, "decision_frame", partitions=0)


def downgrade() -> None:
    """Refused: an audit log is not taken back."""
    raise NotImplementedError("an audit log is not taken back")
