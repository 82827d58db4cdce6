"""`GET /v1/parties/{party_id}/access-lists`: everything that one service keeps about a person, for that person."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query
from starlette.requests import Request

from shared.access import store
from shared.access.lists import AccessList, list_of
from shared.access.schemas import AccessListsView
from shared.access.texts import Texts
from shared.database import UnitOfWork
from shared.events.codec import format_time
from shared.messaging.erasing import is_erased
from shared.moments import Moment
from shared.security.callers import Caller, caller_of, scope
from shared.web.openapi import problem_responses
from shared.web.problems import PartyErased
from shared.web.state import database_of

LoadLists = Callable[[UnitOfWork, UUID, Caller], Awaitable[Sequence[AccessList]]]
"""The service's own lists of a person, whose lock is held."""


def access_router(service: str, texts: Texts, load: LoadLists) -> APIRouter:
    """The route of a service. A reading is kept in the transaction that reads."""
    router = APIRouter(prefix="/v1/parties", tags=["access"])

    @router.get(
        "/{party_id}/access-lists",
        dependencies=[Depends(scope(f"{service}.give-access"))],
        responses=problem_responses(PartyErased),
        summary="What we keep about a person",
    )
    async def read_access_lists(
        request: Request,
        party_id: Annotated[UUID, Path(description="The person who asked.")],
        received_at: Annotated[Moment, Query(description="Business time at which the request reached us.")],
        given_by: Annotated[
            str | None, Query(min_length=1, max_length=200, description="Who gives it, where a tool asks.")
        ] = None,
    ) -> AccessListsView:
        """Everything that this service keeps about the person, in plain words, without other people's data. Who is not
        known here gets empty lists. Who read it, and for which request, is kept.
        """
        caller = caller_of(request)
        database = database_of(request)
        async with database.unit_of_work() as uow:
            await uow.lock_parties([party_id])
            if await is_erased(uow, party_id):
                raise PartyErased()
            lists = [*await load(uow, party_id, caller), *await _shared(uow, texts, party_id)]
            await store.keep_reading(
                uow, party_id, caller=caller.identity, given_by=given_by, received_at=min(received_at, uow.now)
            )
            made_at = uow.now
        return AccessListsView.model_validate(
            {
                "service": service,
                "title": texts.words("service"),
                "party_id": party_id,
                "made_at": format_time(made_at),
                "lists": [one.document() for one in lists],
            }
        )

    return router


async def _shared(uow: UnitOfWork, texts: Texts, party_id: UUID) -> list[AccessList]:
    return [list_of(name, rows, texts) for name, rows in (await store.load_shared(uow, party_id)).items()]
