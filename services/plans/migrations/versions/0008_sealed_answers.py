"""The answers of commands are kept sealed, with the people whom they may name (ADR 0135).

Revision ID: 0008
Revises: 0007
"""

from __future__ import annotations

from alembic import op

from shared.database import platform_tables

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; the worker seals what stands in the clear."""
    platform_tables.seal_answers(op)


def downgrade() -> None:
    """Drop them (development only)."""
    platform_tables.unseal_answers(op)
