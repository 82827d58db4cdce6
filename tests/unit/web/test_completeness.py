"""The rule that a document is complete: a whole one has no gap, and each kind of gap is named."""

import copy
from collections.abc import Callable
from typing import Annotated, Any
from uuid import UUID

import pytest
from fastapi import APIRouter, Depends, FastAPI, Path, Request
from starlette.responses import Response

from shared.security.callers import scope
from shared.web.app import PUBLIC_PATHS
from shared.web.commands import command
from shared.web.completeness import gaps
from shared.web.openapi import problem_responses
from shared.web.pages import Page, PageRequest, page_request
from shared.web.problems import NotFound
from tests.unit.web.conftest import Payment

EXAMPLE = {"amount": {"amount_minor": 125000}, "phone": "+8613800000000", "paid_at": "2026-03-12T01:00:00Z"}
PAY = "/v1/accounts/{account_id}/payments"


def routes() -> APIRouter:
    router = APIRouter(tags=["payments"])

    @router.get("/v1/payments", summary="Payments", dependencies=[Depends(scope("visits.read"))])
    async def list_payments(page: Annotated[PageRequest, Depends(page_request)]) -> Page[Payment]:
        """All payments."""
        return page.page([], list_name="payments", key=lambda _: (), item=lambda row: row)

    @router.post(
        PAY,
        summary="Pay",
        response_model=Payment,
        responses=problem_responses(NotFound),
        dependencies=[Depends(scope("visits.check-in"))],
    )
    async def make_payment(
        account_id: Annotated[UUID, Path(description="The account.")], body: Payment, request: Request
    ) -> Response:
        """Pay into the account."""

        async def handle(_: object) -> Payment:
            return body

        return await command(request, body=body, parties=[], handler=handle)

    return router


@pytest.fixture
def document(make_app: Callable[..., FastAPI]) -> dict[str, Any]:
    return copy.deepcopy(make_app(routes(), examples={Payment: EXAMPLE}).openapi())


def test_whole_document_has_no_gap(document: dict[str, Any]) -> None:
    assert gaps(document, open_paths=PUBLIC_PATHS) == []


def test_a_page_shows_the_example_of_its_items(document: dict[str, Any]) -> None:
    media = document["paths"]["/v1/payments"]["get"]["responses"]["200"]["content"]["application/json"]

    assert media["example"]["items"] == [EXAMPLE]


def _answer(operation: Any, status: str) -> Any:
    return operation["responses"][status]["content"]


Change = Callable[[Any, Any], object]
GAPS: dict[str, tuple[Change, str]] = {
    "summary": (lambda op, _: op.pop("summary"), f"POST {PAY}: summary"),
    "text": (lambda op, _: op.pop("description"), f"POST {PAY}: description"),
    "tags": (lambda op, _: op.pop("tags"), f"POST {PAY}: tags"),
    "id": (lambda op, _: op.update(operationId="pay"), f"POST {PAY}: operationId 'pay' is not a verb and its object"),
    "twice": (lambda op, _: op.update(operationId="list_payments"), "operationId list_payments names 2 operations"),
    "open": (lambda op, _: op.pop("security"), f"POST {PAY}: scopes []"),
    "scopes": (lambda op, _: op["security"][0]["oidc"].append("b"), f"POST {PAY}: scopes ['visits.check-in', 'b']"),
    "parameter": (
        lambda op, _: op["parameters"][0].pop("description"),
        f"POST {PAY}: description of parameter account_id",
    ),
    "problem": (
        lambda op, _: _answer(op, "413")["application/problem+json"]["examples"].clear(),
        f"POST {PAY}: problem body-too-large",
    ),
    "not found": (lambda op, _: op["responses"].pop("404"), f"POST {PAY}: problem not-found"),
    "example": (lambda op, _: _answer(op, "200")["application/json"].pop("example"), f"POST {PAY}: example"),
    "bad example": (
        lambda op, _: op["requestBody"]["content"]["application/json"].update(example={**EXAMPLE, "phone": "x"}),
        f"POST {PAY}: example $.phone: 'x' does not match '^\\\\+\\\\d{{4,15}}$'",
    ),
    "bad time": (
        lambda op, _: op["requestBody"]["content"]["application/json"].update(example={**EXAMPLE, "paid_at": "x"}),
        f"POST {PAY}: example $.paid_at: 'x' is not a 'date-time'",
    ),
    "model": (lambda _, schemas: schemas["Amount"].pop("description"), "Amount: description"),
    "field": (
        lambda _, schemas: schemas["Amount"]["properties"]["amount_minor"].pop("description"),
        "Amount.amount_minor: description",
    ),
    "nested field": (
        lambda _, schemas: schemas["Amount"]["properties"].update(
            parts={"description": "Parts.", "type": "array", "items": {"properties": {"share": {"type": "integer"}}}}
        ),
        "Amount.parts[].share: description",
    ),
}


@pytest.mark.parametrize("name", GAPS)
def test_gap_is_named(document: dict[str, Any], name: str) -> None:
    change, line = GAPS[name]
    change(document["paths"][PAY]["post"], document["components"]["schemas"])

    assert gaps(document, open_paths=PUBLIC_PATHS) == [line]
