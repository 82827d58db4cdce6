"""Timelines tell in a sentence what happened over all services; `about` names what `reference` is an id of.

Lines of before get their sentence here; when they were learned is not known. New lines write the sentence as `detail`.
"""

from __future__ import annotations

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

_SENTENCES = """
UPDATE case_entry SET
    about = split_part(replace(type, 'party.stopped', 'stop.'), '.', 1),
    detail = CASE type
        WHEN 'visit.completed' THEN 'A visit was made: ' || detail || '.'
        WHEN 'plan.signed' THEN 'A plan was signed: ' || detail || '.'
        WHEN 'plan.completed' THEN 'The plan is complete: ' || detail || '.'
        WHEN 'plan.broken' THEN 'The plan was broken.'
        WHEN 'party.stopped' THEN 'Contact stopped: ' || detail || '.'
        ELSE detail END
"""


def upgrade() -> None:
    """Add the columns, and the sentences of lines of before. The service itself only appends and erases."""
    op.execute("ALTER TABLE case_entry ADD COLUMN recorded_at timestamptz, ADD COLUMN about text")
    op.execute(_SENTENCES)


def downgrade() -> None:
    """Drop the columns (development only)."""
    op.execute("ALTER TABLE case_entry DROP COLUMN recorded_at, DROP COLUMN about")
