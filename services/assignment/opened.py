"""The database, for those who are built before it is open."""

from __future__ import annotations

from shared.database import Database


class OpenedDatabase:
    """Set once when the process starts; intent handlers read through it outside the worker's transactions."""

    def __init__(self) -> None:
        self._database: Database | None = None

    @property
    def database(self) -> Database:
        """The open database. Raises RuntimeError before the process has started."""
        if self._database is None:
            raise RuntimeError("the database is not open yet")
        return self._database

    @database.setter
    def database(self, database: Database) -> None:
        self._database = database
