"""Our ids of the people and debts that a core names, for whoever takes over another system's records."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from services.intake.domain.announcement import debt_id_of
from services.intake.store.groups import somebody_else
from services.intake.store.parties import key_of, known, names_a_person, reserve
from shared.database import UnitOfWork
from shared.events.base import Reference
from shared.security.callers import scope
from shared.web.commands import command

MAX_REFERENCES = 1_000


class CoreReferences(BaseModel):
    """References of one core."""

    model_config = ConfigDict(extra="forbid")

    core: Reference = Field(description="Name of the core.")
    party_refs: list[Reference] = Field(max_length=MAX_REFERENCES, description="Its references of people.")
    loan_refs: list[Reference] = Field(max_length=MAX_REFERENCES, description="Its references of loans.")
    reserve: bool = Field(description="Give people an id whom nobody has named before; else they are left out.")


class KnownReferences(BaseModel):
    """Our ids. An id is only a name: the person exists once the core has told of them."""

    parties: dict[str, UUID] = Field(description="By the core's reference of the person.")
    debts: dict[str, UUID] = Field(description="By the core's reference of the loan.")
    one_person: dict[str, str] = Field(
        default_factory=dict,
        description="By a reference that the core has said to be somebody else: the reference of who that is.",
    )


def references_router() -> APIRouter:
    """`POST /v1/core-references`."""
    router = APIRouter(prefix="/v1", tags=["people"], dependencies=[Depends(scope("intake.cut-over"))])

    @router.post("/core-references", response_model=KnownReferences, summary="Our ids of a core's people and debts")
    async def resolve_references(body: CoreReferences, request: Request) -> Response:
        """The same reference has the same id for ever."""

        async def resolve(uow: UnitOfWork) -> KnownReferences:
            keys = {key_of(uow.tenant, body.core, one): one for one in body.party_refs}
            named = [key for key in keys if names_a_person(key, uow.tenant)]
            ids = (await reserve(uow, named)).ids if body.reserve else await known(uow, named)
            parties = {keys[key]: party_id for key, party_id in ids.items()}
            return KnownReferences(
                parties=parties,
                debts={one: debt_id_of(body.core, one) for one in body.loan_refs},
                one_person=await somebody_else(uow, body.core, parties),
            )

        return await command(request, body=body, parties=[], handler=resolve)

    return router
