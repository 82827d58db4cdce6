"""Migrations of visits, run as the database's owner."""
