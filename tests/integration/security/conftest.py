"""A real database that holds the platform tables (the same as the web platform's tests use)."""

from tests.integration.web.conftest import database, settings

__all__ = ["database", "settings"]
