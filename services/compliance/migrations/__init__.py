"""Alembic migrations of compliance; run as the owner role."""
