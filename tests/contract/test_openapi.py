"""The released OpenAPI documents equal the code and are complete; scopes and routes name one another."""

import json
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from cli.api_documents import BuiltApi, breaks_of, build, gaps_of, stale_files
from services.plans.domain.document import document_digest, signature_code
from services.plans.examples import EXAMPLES as PLAN_EXAMPLES
from services.plans.schemas import PlanView, SignPlan
from shared.balances import CHECKED_TOGETHER
from shared.security.scopes import SCOPES, SERVICES
from shared.web.breaking import Document
from shared.web.completeness import listed_problems
from shared.web.examples import ExampleKey
from shared.web.openapi import operations
from shared.web.problems import KnownProblem

RELEASED = Path(__file__).parents[2] / "contracts" / "openapi"
EXPORT = "run ./doorstep contracts export"


@cache
def apis() -> dict[str, BuiltApi]:
    return build()


def built() -> dict[str, Document]:
    return {name: api.document for name, api in apis().items()}


def examples_of(service: str) -> dict[ExampleKey, dict[str, Any]]:
    found: dict[ExampleKey, dict[str, Any]] = import_module(f"services.{service}.examples").EXAMPLES
    return found


def problems_of(service: str) -> Iterator[type[KnownProblem]]:
    """Every problem that a module of the service defines."""
    pending = KnownProblem.__subclasses__()
    while pending:
        problem = pending.pop()
        pending += problem.__subclasses__()
        if problem.__module__.startswith(f"services.{service}."):
            yield problem


def test_files_are_fresh() -> None:
    assert stale_files(built(), RELEASED) == [], EXPORT


def test_nothing_breaks_the_last_release() -> None:
    assert breaks_of(built(), RELEASED) == []


def test_each_service_has_its_document() -> None:
    assert {path.stem for path in RELEASED.glob("*")} == set(SERVICES)


@pytest.mark.parametrize("service", SERVICES)
def test_document_has_no_gap(service: str) -> None:
    assert gaps_of({service: built()[service]}) == []


@pytest.mark.parametrize("service", SERVICES)
def test_every_problem_of_the_service_is_listed(service: str) -> None:
    listed = {kind for _, _, operation in operations(built()[service]) for kind in listed_problems(operation)}

    assert {problem.kind for problem in problems_of(service)} - listed == set()


@pytest.mark.parametrize("service", SERVICES)
def test_every_example_is_shown(service: str) -> None:
    """An example whose model or operation was renamed would silently be shown nowhere."""
    document = built()[service]
    known = {*document["components"]["schemas"], *(each["operationId"] for _, _, each in operations(document))}

    assert {key if isinstance(key, str) else key.__name__ for key in examples_of(service)} - known == set()


@pytest.mark.parametrize("service", SERVICES)
def test_every_example_is_accepted_by_its_model(service: str) -> None:
    """Schemas cannot say everything: that a window ends after its start, that an id has a shard."""
    for model, example in examples_of(service).items():
        if not isinstance(model, str):
            model.model_validate_json(json.dumps(example))


@pytest.mark.parametrize("service", SERVICES)
def test_no_address_of_operators_is_published(service: str) -> None:
    assert [path for path in built()[service]["paths"] if path.startswith("/internal")] == []


@pytest.mark.parametrize("service", SERVICES)
def test_routes_demand_all_scopes_of_their_service_and_no_other(service: str) -> None:
    granted = {name for name in SCOPES if name.startswith(f"{service}.")}

    assert apis()[service].scopes == granted


def test_example_of_a_plan_is_what_the_domain_makes() -> None:
    plan = PLAN_EXAMPLES[PlanView]

    assert plan["document_sha256"] == document_digest(plan["document"])
    assert PLAN_EXAMPLES[SignPlan]["customer_signature_code"] == signature_code(plan["document"])


def test_compliance_asks_for_no_more_balances_than_intake_answers_at_once() -> None:
    checks = built()["intake"]["components"]["schemas"]["BalanceChecks"]["properties"]["items"]

    assert checks["maxItems"] >= CHECKED_TOGETHER
