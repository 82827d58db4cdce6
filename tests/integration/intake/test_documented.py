"""Whatever the documents of these routes allow is answered as they say: generated requests, never a 5xx."""

import asyncio
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings

from tests.integration.intake.test_facts import case_of, party_of
from tests.unit.intake.facts import due, overdue, person

ROUTES = [
    ("GET", "/v1/cases"), ("GET", "/v1/cases/{case_id}/timeline"), ("GET", "/v1/exports/cases"),
    ("GET", "/v1/parties/{party_id}/contact-card"), ("GET", "/v1/parties/{party_id}/contact-card/for-request"),
    ("POST", "/v1/parties/search"), ("GET", "/v1/portfolio/rolls"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_generated_requests_are_answered_as_documented(intake, method, path):
    await intake.tell(person(1), overdue(2), overdue(1, due(45, 700), party="P-2", loan="L-2"))
    loop = asyncio.get_running_loop()
    async with intake.api() as api:
        document = (await api.get("/openapi.json")).json()
        operation = schemathesis.openapi.from_dict(document)[path][method]
        documented = document["paths"][path][method.lower()]["responses"].keys()

        known = {"case_id": str((await case_of(intake))["case_id"]), "party_id": str(await party_of(intake))}

        def ask(case: Any) -> Any:
            # Generated ids are nobody's; with these the routes are walked to their end.
            case.path_parameters = {name: known[name] for name in case.path_parameters or ()}
            sent = case.as_transport_kwargs(base_url="http://intake.test")
            allowed = {name: sent[name] for name in ("method", "url", "params", "json", "headers") if name in sent}
            allowed["headers"] = {**allowed.get("headers", {}), **dict(api.headers)}
            return asyncio.run_coroutine_threadsafe(api.request(**allowed), loop).result(timeout=30)

        @given(case=operation.as_strategy())
        @settings(max_examples=15, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        def check(case: Any) -> None:
            answer = ask(case)
            assert answer.status_code < 500, answer.text
            assert str(answer.status_code) in documented, answer.text

        await asyncio.to_thread(check)


@pytest.mark.parametrize(
    "query",
    [
        "opened_since=0001-01-01T00:00:00%2B14:00", "opened_since=9999-12-31T23:59:59-12:00",
        "changed_since=0001-01-01T00:00:00%2B14:00", "as_of_since=0001-01-01", "as_of_since=9999-12-31",
        "currency=CNY&overdue_from=4611686018427387904",
    ],
)  # fmt: skip
async def test_dates_and_amounts_at_the_ends_of_their_ranges_are_answered(intake, query):
    await intake.tell(overdue(1))
    async with intake.api() as api:
        answer = await api.get(f"/v1/cases?{query}")
    assert answer.status_code in (200, 422), answer.text
