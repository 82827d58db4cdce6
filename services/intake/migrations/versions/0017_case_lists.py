"""Cases are listed by bucket and by suspension in order of case id. A case seldom changes either, so most updates of a
case still touch no index.
"""

from __future__ import annotations

from alembic import op

from shared.database.schema import Index, create_index

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None
beforehand = (
    Index("case_file_bucket", "case_file", "(tenant, bucket, case_id)"),
    Index("case_file_suspended", "case_file", "(tenant, case_id) WHERE suspended <> '{}'"),
)


def upgrade() -> None:
    """Create the indexes."""
    for index in beforehand:
        create_index(op, index)


def downgrade() -> None:
    """Drop them."""
    for index in beforehand:
        op.execute(f"DROP INDEX {index.name}")
