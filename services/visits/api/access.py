"""What the routes share: finding the visit of a path, and whether the caller may act on it."""

from __future__ import annotations

from typing import Annotated, cast
from uuid import UUID

from fastapi import Path
from starlette.requests import Request

from services.visits.domain.visit import Visit
from services.visits.store import visits as visit_store
from shared.database import UnitOfWork
from shared.security.callers import Caller
from shared.web.problems import NotAllowed, NotFound
from shared.web.state import database_of

VisitId = Annotated[UUID, Path(description="The visit.")]


def link_secret_of(request: Request) -> bytes:
    """The key of the customers' links."""
    return cast(bytes, request.app.state.link_secret)


async def find_visit(request: Request, visit_id: UUID) -> Visit:
    """The visit as it stands before the command; only its party and crew may be relied on. Raises NotFound."""
    async with database_of(request).read_only() as uow:
        return await load_visit(uow, visit_id)


async def load_visit(uow: UnitOfWork, visit_id: UUID) -> Visit:
    """The visit. Raises NotFound."""
    visit = (await visit_store.load_visits(uow, [visit_id])).get(visit_id)
    if visit is None:
        raise NotFound("there is no such visit")
    return visit


def is_of_crew(caller: Caller, visit: Visit) -> bool:
    """Whether the caller may act for the visit's crew.

    The issuer puts `collector_id` into the token of a person's device; software that acts for a crew as a whole has
    none.
    """
    collector_id = caller.attributes.get("collector_id")
    return collector_id is None or collector_id in {str(member) for member in visit.crew}


def require_crew(caller: Caller, visit: Visit) -> None:
    """A collector acts on visits of the own crew only. Raises NotAllowed."""
    if not is_of_crew(caller, visit):
        raise NotAllowed("the visit belongs to another crew")
