"""What every service's routes find on the app."""

from __future__ import annotations

from typing import cast

from starlette.requests import Request

from shared.database import Database


def database_of(request: Request) -> Database:
    """The service's database."""
    return cast(Database, request.app.state.database)
