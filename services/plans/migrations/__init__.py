"""Migrations of plans, run as the database's owner."""
