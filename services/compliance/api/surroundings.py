"""What the routes find on the app."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast
from uuid import UUID

from starlette.requests import Request

from services.compliance.balances import Balances
from services.compliance.domain.facts import Balance
from services.compliance.instruments import Instruments
from services.compliance.schemas.permits import PermitRequests
from shared.web.group_commit import GroupCommit

PermitsTogether = GroupCommit[PermitRequests, Mapping[UUID, Balance]]


def instruments_of(request: Request) -> Instruments:
    """Rules and keys."""
    return cast(Instruments, request.app.state.instruments)


def balances_of(request: Request) -> Balances:
    """Where confirmed balances come from."""
    return cast(Balances, request.app.state.balances)


def permits_together_of(request: Request) -> PermitsTogether:
    """Where requests for one permit each wait for each other."""
    return cast(PermitsTogether, request.app.state.permits_together)
