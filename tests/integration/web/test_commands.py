"""Commands happen once: replay, conflict, concurrency, rollback, on a real database."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Annotated
from uuid import UUID, uuid4

import httpx
import pytest
from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from shared.database import UnitOfWork
from shared.messaging.erasing import forget_records
from shared.security.callers import Caller, scope
from shared.security.key_management import LocalKeyManagement
from shared.security.sealing import RecordSealer
from shared.settings import ServiceSettings
from shared.web import claims
from shared.web.claims import Answer
from shared.web.commands import command, trim
from shared.web.problems import Conflict, KnownProblem
from shared.web.sealed_answers import sealing
from tests.integration.web.conftest import Api

PARTY = uuid4()


class Effect(BaseModel):
    """What to do, and what was done."""

    number: int = Field(description="A number.")
    note: str = Field("", description="A note.")
    id: UUID | None = Field(None, description="Made by the handler.")


class Refused(KnownProblem):
    """Refused, and the refusal is a fact."""

    kind, status, title = "refused", 409, "Refused"


class Gate:
    """Holds handlers until it is opened."""

    def __init__(self) -> None:
        self.entered = asyncio.Event()
        self.open = asyncio.Event()


@pytest.fixture
def gate() -> Gate:
    return Gate()


async def handle(uow: UnitOfWork, body: Effect, gate: Gate) -> Effect | Answer | KnownProblem | None:
    await uow.sql.execute("INSERT INTO effect VALUES ($1)", body.number)
    if body.note == "wait":
        gate.entered.set()
        await gate.open.wait()
    match body.number:
        case 409:
            raise Conflict("not now")
        case 410:
            return Refused("for good", rule="cn-hours")
        case 500:
            raise RuntimeError
        case 204:
            return None
        case 201:
            return Answer(body, 201, {"Location": "/v1/effects/7"})
    return body.model_copy(update={"id": uuid4()})


@pytest.fixture
def api(serve: Callable[[APIRouter], Api], gate: Gate) -> Api:
    router = APIRouter()

    @router.post("/v1/effects")
    @router.post("/v1/effects/{name}")
    async def act(
        body: Effect, request: Request, caller: Annotated[Caller, Depends(scope("visits.check-in"))]
    ) -> Response:
        """Do it."""
        return await command(
            request, body=body, parties=[PARTY], handler=lambda uow: handle(uow, body, gate), status=201
        )

    return serve(router)


def kind(response: httpx.Response) -> str:
    return str(response.json()["type"]).rpartition("/")[2]


async def test_replay_is_byte_for_byte(api: Api) -> None:
    first, second = await api.post(), await api.post()
    assert first.status_code == second.status_code == 201
    assert first.content == second.content
    assert first.headers["content-type"] == second.headers["content-type"] == "application/json"
    assert "idempotency-replayed" not in first.headers
    assert second.headers["idempotency-replayed"] == "true"
    assert await api.effects() == 1


async def test_quoted_key_is_the_same_key(api: Api) -> None:
    first, second = await api.post(key="abc"), await api.post(key='"abc"')
    assert first.content == second.content


async def test_headers_are_replayed(api: Api) -> None:
    body = {"number": 201}
    assert [(await api.post(body=body)).headers["location"] for _ in range(2)] == ["/v1/effects/7"] * 2


async def test_empty_answer_is_replayed(api: Api) -> None:
    replies = [await api.post(body={"number": 204}) for _ in range(2)]
    assert [(reply.status_code, reply.content) for reply in replies] == [(201, b"")] * 2


async def test_other_body_is_refused(api: Api) -> None:
    await api.post()
    response = await api.post(body={"number": 2})
    assert (response.status_code, kind(response)) == (422, "idempotency-key-reused")
    assert await api.effects() == 1


async def test_same_body_in_another_layout_is_the_same(api: Api) -> None:
    await api.post(body={"number": 1, "note": "n"})
    response = await api.post(body={"note": "n", "number": 1})
    assert response.headers["idempotency-replayed"] == "true"


@pytest.mark.parametrize(
    "again",
    [{"key": "k-2"}, {"subject": "another"}, {"path": "/v1/effects/other"}, {"path": "/v1/effects?x=1"}],
    ids=["key", "caller", "route", "query"],
)
async def test_scope_of_a_key(api: Api, again: dict[str, str]) -> None:
    first, second = await api.post(), await api.post(**again)  # type: ignore[arg-type]
    assert first.json()["id"] != second.json()["id"]
    assert await api.effects() == 2


async def test_second_request_while_the_first_runs(api: Api, gate: Gate) -> None:
    body = {"number": 1, "note": "wait"}
    first = asyncio.create_task(api.post(body=body))
    await gate.entered.wait()
    running = await api.post(body=body)
    assert (running.status_code, kind(running), running.headers["retry-after"]) == (409, "command-running", "1")
    gate.open.set()
    assert (await first).status_code == 201
    assert (await api.post(body=body)).content == (await first).content
    assert await api.effects() == 1


async def test_many_at_once_have_one_effect(api: Api) -> None:
    replies = await asyncio.gather(*(api.post() for _ in range(20)))
    assert {reply.status_code for reply in replies} <= {201, 409}
    assert len({reply.content for reply in replies if reply.status_code == 201}) == 1
    assert await api.effects() == 1


async def test_raised_problem_rolls_back_and_is_forgotten(api: Api) -> None:
    assert kind(await api.post(body={"number": 409})) == "conflict"
    assert await api.effects() == 0
    assert "idempotency-replayed" not in (await api.post(body={"number": 409})).headers


async def test_returned_problem_is_kept_and_replayed(api: Api) -> None:
    replies = [await api.post(body={"number": 410}) for _ in range(2)]
    assert [reply.status_code for reply in replies] == [409, 409]
    assert replies[0].content == replies[1].content
    assert replies[1].headers["content-type"] == "application/problem+json"
    assert replies[1].headers["idempotency-replayed"] == "true"
    assert await api.effects() == 1


async def test_fault_rolls_back(api: Api) -> None:
    assert (await api.post(body={"number": 500})).status_code == 500
    assert await api.effects() == 0


async def test_client_that_leaves_rolls_back_or_finds_its_answer(api: Api, gate: Gate) -> None:
    body = {"number": 1, "note": "wait"}
    first = asyncio.create_task(api.post(body=body))
    await gate.entered.wait()
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    gate.open.set()
    assert (await api.post(body=body)).status_code == 201
    assert await api.effects() == 1


async def test_old_responses_are_forgotten(api: Api) -> None:
    first = await api.post()
    async with api.database.unit_of_work() as uow:
        assert await trim(uow, before=uow.real_now - timedelta(hours=1), limit=10) == 0
    assert (await api.post()).content == first.content
    async with api.database.unit_of_work() as uow:
        assert await trim(uow, before=uow.real_now + timedelta(hours=1), limit=10) == 1
    assert (await api.post()).content != first.content


async def test_ready_with_database(api: Api) -> None:
    assert (await api.http.get("/health/ready")).json() == {"status": "ready", "service": "visits"}


async def test_deadlock_is_503_and_may_be_repeated(serve: Callable[[APIRouter], Api]) -> None:
    router = APIRouter()

    async def fail(uow: UnitOfWork) -> Effect:
        await uow.sql.execute("DO $$ BEGIN RAISE deadlock_detected; END $$")
        raise AssertionError

    @router.post("/v1/effects")
    async def act(
        body: Effect, request: Request, caller: Annotated[Caller, Depends(scope("visits.check-in"))]
    ) -> Response:
        """Fail."""
        return await command(request, body=body, parties=[], handler=fail)

    response = await serve(router).post()
    assert (response.status_code, response.headers["retry-after"]) == (503, "1")


async def test_value_that_the_database_cannot_hold_is_a_fault(api: Api) -> None:
    response = await api.post(body={"number": 2**40})
    assert response.status_code == 500


async def test_answer_is_kept_sealed_with_whom_it_names(api: Api) -> None:
    await api.post(body={"number": 1, "note": "Chen Wei"})
    async with api.database.read_only() as uow:
        row = await uow.sql.fetchrow("SELECT *, idempotency_key::text AS whole FROM idempotency_key")
    assert (row["people"], row["status"], bytes(row["response_body"])) == ([PARTY], 503, b""), (
        "a process of the release before asks to come again"
    )
    assert b"Chen Wei".hex() not in row["whole"]
    assert "Chen Wei" not in row["whole"]


async def test_answer_about_who_was_erased_is_gone_and_its_effect_is_not_repeated(api: Api) -> None:
    await api.post()
    async with api.database.unit_of_work() as uow:
        await forget_records(uow, [PARTY])
    response = await api.post()
    assert (response.status_code, kind(response)) == (410, "party-erased")
    assert await api.effects() == 1
    async with api.database.read_only() as uow:
        row = await uow.sql.fetchrow("SELECT * FROM idempotency_key")
    assert (row["sealed_answer"], row["people"], bytes(row["body_sha256"])) == (None, [], b"")


async def test_answer_of_the_release_before_is_replayed_and_sealed_by_the_worker(
    api: Api, settings: ServiceSettings
) -> None:
    first = await api.post()
    async with api.database.unit_of_work() as uow:
        await uow.sql.execute(
            "UPDATE idempotency_key SET sealed_answer = NULL, people = NULL, status = 201, response_body = $1, "
            "response_headers = $2",
            first.content,
            '{"Content-Type": "application/json"}',
        )
    assert (await api.post()).content == first.content
    seal = sealing(RecordSealer(LocalKeyManagement.open(settings.key_folder, "visits"), service="visits"))
    async with api.database.unit_of_work() as uow:
        assert await seal(uow, before=uow.real_now + timedelta(seconds=1), limit=10) == 1
        assert await seal(uow, before=uow.real_now + timedelta(seconds=1), limit=10) == 0
    again = await api.post()
    assert (again.status_code, again.content) == (201, first.content)
    async with api.database.read_only() as uow:
        row = await uow.sql.fetchrow("SELECT * FROM idempotency_key")
    assert (bytes(row["response_body"]), row["people"]) == (b"", [UUID(first.json()["id"])])


async def test_kept_answers_are_found_by_their_key_though_the_plan_was_made_when_there_were_none(api: Api) -> None:
    async with api.database.read_only() as uow:
        many = [["x"] * 32] * 4
        plan = await uow.sql.fetch(f"EXPLAIN {claims._KEPT}", *many)
    assert "Index Scan using idempotency_key_pkey" in "\n".join(row[0] for row in plan)
