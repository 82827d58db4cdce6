"""Collectors and pairs."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from services.assignment.schemas import (
    CollectorBatch,
    CollectorView,
    CollectorViews,
    PairBatch,
    PairView,
    PairViews,
)
from services.assignment.store import staff
from shared.database import UnitOfWork
from shared.ids import derived_id
from shared.security.callers import scope
from shared.web.commands import command
from shared.web.openapi import problem_responses
from shared.web.pages import Page, PageRequest, page_request
from shared.web.problems import FieldError, InvalidRequest
from shared.web.state import database_of

Paging = Annotated[PageRequest, Depends(page_request)]
_READ: Final = [Depends(scope("assignment.read"))]
_MANAGE: Final = [Depends(scope("assignment.manage-collectors"))]


def staff_router() -> APIRouter:
    """The routes of collectors and pairs."""
    router = APIRouter(prefix="/v1")
    _add_collectors(router)
    _add_pairs(router)
    return router


def _add_collectors(router: APIRouter) -> None:
    @router.post(
        "/collectors",
        tags=["collectors"],
        response_model=CollectorViews,
        dependencies=_MANAGE,
        responses=problem_responses(InvalidRequest),
        summary="Register or replace collectors with their certificates",
    )
    async def register_collectors(body: CollectorBatch, request: Request) -> Response:
        """Each collector is sent whole; certificates that are left out are forgotten. A staff number has one holder."""

        async def handle(uow: UnitOfWork) -> CollectorViews:
            collectors = [
                each.collector(each.collector_id or derived_id("collector", uow.tenant, each.staff_ref))
                for each in body.items
            ]
            _require_unique("collector_id", [each.collector_id for each in collectors])
            _require_unique("staff_ref", [each.staff_ref for each in collectors])
            await staff.alone(uow)
            holders = await staff.staff_ref_holders(uow, [each.staff_ref for each in collectors])
            for index, each in enumerate(collectors):
                if holders.get(each.staff_ref, each.collector_id) != each.collector_id:
                    raise _refused(index, "staff_ref", "staff_ref_taken", "is the number of another collector")
            await staff.save_collectors(uow, collectors)
            return CollectorViews(items=[CollectorView.of(each, uow.now.date()) for each in collectors])

        return await command(request, body=body, parties=[], handler=handle)

    @router.get("/collectors", tags=["collectors"], dependencies=_READ, summary="Collectors")
    async def list_collectors(request: Request, page: Paging) -> Page[CollectorView]:
        """Collectors in order of id, with the state of their certificate lock."""
        async with database_of(request).read_only() as uow:
            after = page.after("collectors", UUID)
            rows = await staff.collector_page(uow, after=None if after is None else after[0], limit=page.limit + 1)
            today = uow.now.date()
        return page.page(
            rows,
            list_name="collectors",
            key=lambda each: (each.collector_id,),
            item=lambda each: CollectorView.of(each, today),
        )


def _add_pairs(router: APIRouter) -> None:
    @router.post(
        "/pairs",
        tags=["pairs"],
        response_model=PairViews,
        dependencies=_MANAGE,
        responses=problem_responses(InvalidRequest),
        summary="Register or replace pairs",
    )
    async def register_pairs(body: PairBatch, request: Request) -> Response:
        """Both collectors must be registered; one active pair per device."""

        async def handle(uow: UnitOfWork) -> PairViews:
            pairs = [each.pair(each.pair_id or derived_id("pair", uow.tenant, each.device_id)) for each in body.items]
            _require_unique("pair_id", [pair.pair_id for pair in pairs])
            _require_unique("device_id", [pair.device_id for pair in pairs])
            await staff.alone(uow)
            known = await staff.load_collectors(uow, [member for pair in pairs for member in pair.collectors])
            holders = await staff.device_holders(uow, [pair.device_id for pair in pairs])
            for index, pair in enumerate(pairs):
                if not set(pair.collectors) <= known.keys():
                    raise _refused(index, "collectors", "unknown_collector", "names a collector who is not registered")
                if pair.active and holders.get(pair.device_id, pair.pair_id) != pair.pair_id:
                    raise _refused(index, "device_id", "device_taken", "is the device of another active pair")
            await staff.save_pairs(uow, pairs)
            return PairViews(items=[PairView.of(pair) for pair in pairs])

        return await command(request, body=body, parties=[], handler=handle)

    @router.get("/pairs", tags=["pairs"], dependencies=_READ, summary="Pairs")
    async def list_pairs(request: Request, page: Paging) -> Page[PairView]:
        """Pairs in order of id."""
        async with database_of(request).read_only() as uow:
            after = page.after("pairs", UUID)
            rows = await staff.pair_page(uow, after=None if after is None else after[0], limit=page.limit + 1)
        return page.page(rows, list_name="pairs", key=lambda each: (each.pair_id,), item=PairView.of)


def _require_unique(field: str, values: Sequence[Hashable]) -> None:
    seen: set[Hashable] = set()
    for index, value in enumerate(values):
        if value in seen:
            raise _refused(index, field, "repeated", "appears twice in the batch")
        seen.add(value)


def _refused(index: int, field: str, kind: str, detail: str) -> InvalidRequest:
    return InvalidRequest(errors=[FieldError("body", f"/items/{index}/{field}", kind, detail)])
