"""What the routes find on the app."""

from __future__ import annotations

from typing import cast

from starlette.requests import Request

from services.compliance.balances import Balances
from services.compliance.instruments import Instruments
from shared.database import Database


def database_of(request: Request) -> Database:
    """The service's database."""
    return cast(Database, request.app.state.database)


def instruments_of(request: Request) -> Instruments:
    """Rules and keys."""
    return cast(Instruments, request.app.state.instruments)


def balances_of(request: Request) -> Balances:
    """Where confirmed balances come from."""
    return cast(Balances, request.app.state.balances)
