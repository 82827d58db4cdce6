"""Commands that wait together share a transaction, and nothing else: each keeps its key, its answer and its refusal."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Annotated, cast
from uuid import UUID, uuid4

import httpx
import pytest
from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from shared.database import Database, UnitOfWork
from shared.security.callers import Caller, scope
from shared.web.group_commit import GroupCommit
from shared.web.problems import Conflict
from tests.integration.web.conftest import Api

PARTY = uuid4()


class Effect(BaseModel):
    """What to do, and what was done."""

    number: int = Field(description="A number.")
    transaction: str = Field("", description="The transaction that did it.")


class Desk:
    """Holds the first group until it is told to go on; counts what is prepared together."""

    def __init__(self) -> None:
        self.entered = asyncio.Event()
        self.open = asyncio.Event()
        self.prepared: list[list[int]] = []
        self.commit: GroupCommit[Effect, int] | None = None

    async def queued(self, count: int) -> None:
        """Wait until so many commands wait behind the first."""
        while self.commit is None or len(self.commit._waiting) < count:  # noqa: ASYNC110 - of the product's own
            await asyncio.sleep(0.01)

    async def prepare(self, bodies: Sequence[Effect]) -> int:
        self.prepared.append([body.number for body in bodies])
        return len(bodies)

    async def carry_out(self, uow: UnitOfWork, bodies: Sequence[Effect], prepared: int) -> list[Effect]:
        assert len(bodies) <= prepared
        transaction = str(await uow.sql.fetchval("SELECT pg_current_xact_id()::text"))
        await uow.sql.executemany("INSERT INTO effect VALUES ($1)", [(body.number,) for body in bodies])
        if not self.entered.is_set():
            self.entered.set()
            await self.open.wait()
        if any(body.number == 409 for body in bodies):
            raise Conflict("not now")
        return [body.model_copy(update={"transaction": transaction}) for body in bodies]


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def api(serve: Callable[[APIRouter], Api], desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Api:
    # However busy the machine is, those behind the first wait for it.
    monkeypatch.setattr("shared.web.group_commit.PATIENCE_SECONDS", 60)
    router = APIRouter()

    @router.post("/v1/effects")
    async def act(
        body: Effect, request: Request, caller: Annotated[Caller, Depends(scope("visits.check-in"))]
    ) -> Response:
        """Do it."""
        if desk.commit is None:
            database = cast(Database, request.app.state.database)
            desk.commit = GroupCommit("effects", database, prepare=desk.prepare, carry_out=desk.carry_out)
        return await desk.commit.command(request, body=body, parties=[PARTY])

    return serve(router)


async def sent_while_one_is_under_way(
    api: Api, desk: Desk, *commands: tuple[str, int]
) -> tuple[httpx.Response, list[httpx.Response]]:
    """The first command's answer, and those of `commands` (key, number), which all wait for it."""
    first = asyncio.create_task(api.post(key="first", body={"number": 0}))
    await desk.entered.wait()
    waiting = [asyncio.create_task(api.post(key=key, body={"number": number})) for key, number in commands]
    await desk.queued(len(commands))
    desk.open.set()
    return await first, list(await asyncio.gather(*waiting))


def transactions(responses: Sequence[httpx.Response]) -> set[str]:
    return {response.json()["transaction"] for response in responses}


async def test_waiting_commands_share_one_transaction(api: Api, desk: Desk) -> None:
    first, others = await sent_while_one_is_under_way(api, desk, *((f"k{number}", number) for number in range(1, 6)))
    assert len(transactions(others)) == 1
    assert transactions(others) != transactions([first])
    assert desk.prepared == [[0], [1, 2, 3, 4, 5]]
    assert [response.json()["number"] for response in others] == [1, 2, 3, 4, 5]


async def test_refused_command_takes_no_neighbour_with_it(api: Api, desk: Desk) -> None:
    _, others = await sent_while_one_is_under_way(api, desk, ("a", 1), ("b", 409), ("c", 3))
    assert [response.status_code for response in others] == [200, 409, 200]
    assert await api.effects() == 3


async def test_refused_command_is_not_remembered(api: Api, desk: Desk) -> None:
    desk.entered.set()
    assert [(await api.post(body={"number": 409})).status_code for _ in range(2)] == [409, 409]
    assert len(desk.prepared) == 2


async def test_same_key_in_one_group_is_carried_out_once(api: Api, desk: Desk) -> None:
    _, others = await sent_while_one_is_under_way(api, desk, ("same", 1), ("same", 1))
    assert sorted(response.status_code for response in others) == [200, 409]
    assert await api.effects() == 2


async def test_replay_is_byte_for_byte(api: Api, desk: Desk) -> None:
    desk.entered.set()
    first, second = await api.post(), await api.post()
    assert first.content == second.content
    assert second.headers["idempotency-replayed"] == "true"
    assert await api.effects() == 1


async def test_replay_stands_among_new_commands(api: Api, desk: Desk) -> None:
    first, others = await sent_while_one_is_under_way(api, desk, ("a", 1), ("first", 0), ("b", 2))
    assert others[1].content == first.content
    assert [response.json()["number"] for response in others] == [1, 0, 2]
    assert await api.effects() == 3


async def test_other_body_under_the_same_key_is_refused_alone(api: Api, desk: Desk) -> None:
    _, others = await sent_while_one_is_under_way(api, desk, ("first", 7), ("a", 1))
    assert [response.status_code for response in others] == [422, 200]


async def test_command_whose_caller_has_gone_is_left_out(api: Api, desk: Desk) -> None:
    first = asyncio.create_task(api.post(key="first", body={"number": 0}))
    await desk.entered.wait()
    gone = asyncio.create_task(api.post(key="gone", body={"number": 1}))
    stays = asyncio.create_task(api.post(key="stays", body={"number": 2}))
    await desk.queued(2)
    gone.cancel()
    desk.open.set()
    await first
    assert (await stays).status_code == 200
    assert desk.prepared == [[0], [2]]


async def test_group_that_takes_long_does_not_hold_up_the_next(
    api: Api, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.web.group_commit.PATIENCE_SECONDS", 0.05)
    monkeypatch.setattr(f"{__name__}.PARTY", UUID(int=1))
    first = asyncio.create_task(api.post(key="first", body={"number": 0}))
    await desk.entered.wait()
    monkeypatch.setattr(f"{__name__}.PARTY", UUID(int=2))
    assert (await api.post(key="second", body={"number": 1})).status_code == 200
    assert not first.done()
    desk.open.set()
    assert (await first).status_code == 200
