"""A complaint's hold keeps its source when it is emptied: the complaint told again finds it, and its id is keyed.

Revision ID: 0042
Revises: 0041
"""

from __future__ import annotations

from importlib import import_module

from alembic import op

revision = "0042"
down_revision = "0041"
branch_labels = None
depends_on = None

_VERSIONS = "services.compliance.migrations.versions"
_CHANGES = {
    ("0032_ends_of_records", "_FORGET"): {
        "source_ref = r.hold_id::text,": (
            "source_ref = CASE WHEN r.kind = 'complaint' THEN r.source_ref ELSE r.hold_id::text END,"
        ),
    },
    ("0038_erased_people", "_ERASE"): {
        "source_ref = r.hold_id::text,": (
            "source_ref = CASE WHEN r.kind = 'complaint' THEN r.source_ref ELSE r.hold_id::text END,"
        ),
    },
}


def upgrade() -> None:
    """Replace what differs of both functions."""
    for (module, name), changes in _CHANGES.items():
        function = str(getattr(import_module(f"{_VERSIONS}.{module}"), name))
        for before, after in {"CREATE FUNCTION": "CREATE OR REPLACE FUNCTION", **changes}.items():
            if before not in function:
                raise ValueError(f"{module} has no {before!r}")
            function = function.replace(before, after)
        op.execute(function)


def downgrade() -> None:
    """Refused: an audit log is not taken back."""
    raise NotImplementedError("an audit log is not taken back")
