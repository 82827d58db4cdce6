"""Migrations of assignment, run as the database's owner."""
