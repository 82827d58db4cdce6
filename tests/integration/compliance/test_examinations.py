"""An outside examiner reads what was granted, writes nothing, and leaves a trace of every read in the log."""

import json
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from fastapi.routing import APIRoute

from services.compliance.api import ROUTERS
from services.compliance.examination_desk import digest_of, examination_watch
from services.compliance.store.examinations import load_reads
from shared.messaging.intents import TimerDue
from shared.security.scopes import scopes_of

from .conftest import Desk, visit_contact, visit_request
from .test_complaints import complain

EXAMINER = "examiner:417"


@pytest.fixture
def examiner(desk: Desk) -> dict[str, str]:
    """The headers of an examiner, with everything that client may hold."""
    scopes = scopes_of("examiner")
    token = desk.issuer.sign({"sub": EXAMINER, "client_id": "examiner", "scope": " ".join(scopes)})
    return {"Authorization": f"Bearer {token}"}


async def granted(desk: Desk, **scope: Any) -> str:
    body = {
        "examiner": EXAMINER, "authority": "order 2026/17", "valid_from": desk.clock.real.isoformat(),
        "valid_to": (desk.clock.real + timedelta(days=1)).isoformat(), **scope,
    }  # fmt: skip
    response = await desk.post("/v1/examinations", body)
    assert response.status_code == 201, response.text
    return str(response.json()["grant_id"])


async def history(desk: Desk) -> str:
    case = await desk.open_case()
    (permit,) = await desk.ask(visit_request(case))
    await desk.deliver("contact", ("contact.recorded", visit_contact(case, permit)))
    return str(case.party_id)


async def read(desk: Desk, examiner: dict[str, str], path: str, **params: Any) -> httpx.Response:
    return await desk.http.get(f"/v1/examinations/{path}", headers=examiner, params=params)


async def test_examiner_reads_the_granted_person_and_nobody_else(desk: Desk, examiner: dict[str, str]) -> None:
    party_id, _ = await history(desk), await history(desk)
    grant = await granted(desk, party_id=party_id)
    for name, count in (("contacts", 1), ("decisions", 1), ("permits", 1), ("findings", 0), ("holds", 0)):
        response = await read(desk, examiner, f"{grant}/{name}")
        assert response.status_code == 200, response.text
        rows = [item["row"] for item in response.json()["items"]]
        assert [row["party_id"] for row in rows] == [party_id] * count
        assert not any("token" in row for row in rows)


async def test_examiner_reads_complaints_and_what_was_judged_on(desk: Desk, examiner: dict[str, str]) -> None:
    """In their words, and kept as reads like everything else."""
    case = await desk.open_case()
    (permit,) = await desk.ask(visit_request(case))
    await complain(desk, case)
    grant = await granted(desk, party_id=str(case.party_id))
    (complaint,) = (await read(desk, examiner, f"{grant}/complaints")).json()["items"]
    assert (complaint["row"]["step"], complaint["row"]["words"]) == ("receive", "They shouted.")
    (facts,) = (await read(desk, examiner, f"{grant}/facts")).json()["items"]
    assert facts["row"]["decision_id"] == permit["decision_id"]
    assert json.loads(facts["row"]["facts"])["question"]["channel"] == "visit"
    reads = (await desk.get(f"/v1/examinations/{grant}/reads")).json()["items"]
    assert [(one["list"], one["rows"]) for one in reads] == [("complaints", 1), ("facts", 1)]


async def test_period_is_read_page_by_page(desk: Desk, examiner: dict[str, str]) -> None:
    for _ in range(3):
        await history(desk)
    grant = await granted(desk, month="2026-03", zone="Asia/Shanghai")
    first = (await read(desk, examiner, f"{grant}/contacts", limit=2)).json()
    second = (await read(desk, examiner, f"{grant}/contacts", limit=2, cursor=first["next"])).json()
    assert [item["position"] for item in first["items"] + second["items"]] == [0, 1, 2]
    assert second["next"] is None
    empty = await granted(desk, month="2026-02")
    assert (await read(desk, examiner, f"{empty}/contacts")).json()["items"] == []


async def test_only_the_named_examiner_within_the_time(desk: Desk, examiner: dict[str, str]) -> None:
    grant = await granted(desk, party_id=await history(desk))
    assert (await desk.get(f"/v1/examinations/{grant}/contacts")).status_code == 404
    assert (await read(desk, examiner, f"{uuid4()}/contacts")).status_code == 404
    ended = await desk.post(f"/v1/examinations/{grant}/end", {"reason": "no longer needed"})
    assert ended.json()["ended_at"] is not None
    assert (await read(desk, examiner, f"{grant}/contacts")).json()["type"].endswith("examination-not-open")
    later = await granted(desk, year="2026", valid_from=(desk.clock.real + timedelta(hours=1)).isoformat())
    assert (await read(desk, examiner, f"{later}/contacts")).status_code == 403


async def test_examiner_can_write_nothing_and_read_nothing_else(desk: Desk, examiner: dict[str, str]) -> None:
    """Every other route of compliance refuses the examiner's token."""
    tried = 0
    for route in (route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)):
        for method in sorted(route.methods or ()):
            if route.path == "/v1/examinations/{grant_id}/{name}":
                assert method == "GET"
                continue
            path = route.path
            for name in route.param_convertors:
                path = path.replace(f"{{{name}}}", str(uuid4()))
            headers = {**examiner, "Idempotency-Key": uuid4().hex}
            assert (await desk.http.request(method, path, headers=headers, json={})).status_code == 403, path
            tried += 1
    assert tried > 20


async def test_each_read_is_a_row_and_hourly_a_leaf(desk: Desk, examiner: dict[str, str]) -> None:
    grant = await granted(desk, party_id=await history(desk))
    for name in ("contacts", "permits"):
        await read(desk, examiner, f"{grant}/{name}")
    listed = (await desk.get(f"/v1/examinations/{grant}/reads")).json()["items"]
    assert [(one["by_whom"], one["client_id"], one["list"], one["rows"]) for one in listed] == [
        (EXAMINER, "examiner", "contacts", 1), (EXAMINER, "examiner", "permits", 1)
    ]  # fmt: skip
    watch = examination_watch(desk.instruments)
    async with desk.database.read_only() as uow:
        (due,) = await uow.sql.fetch("SELECT kind, due_at FROM intent WHERE kind = $1", watch.kind)
        reads = await load_reads(uow, UUID(grant), after=0, limit=10)
    assert desk.clock.real < due["due_at"] <= desk.clock.real + timedelta(hours=1)
    for _ in range(2):
        async with desk.database.unit_of_work() as uow:
            await watch.commit(uow, [(None, TimerDue())])  # type: ignore[list-item]
    leaves = await desk.leaves("examination")
    (leaf,) = [one for one in leaves if one["action"] == "read"]
    assert (leaf["reads"], leaf["sha256"]) == (2, digest_of(reads))
    assert EXAMINER not in json.dumps(leaves)


async def test_grant_names_one_scope_and_a_bounded_time(desk: Desk) -> None:
    body = {
        "examiner": EXAMINER, "authority": "order 2026/17", "valid_from": desk.clock.real.isoformat(),
        "valid_to": (desk.clock.real + timedelta(days=1)).isoformat(),
    }  # fmt: skip
    far = (desk.clock.real + timedelta(days=91)).isoformat()
    assert (await desk.post("/v1/examinations", body)).status_code == 422
    assert (await desk.post("/v1/examinations", body | {"month": "2026-03", "year": "2026"})).status_code == 422
    assert (await desk.post("/v1/examinations", body | {"year": "2026", "valid_to": far})).status_code == 422
    assert (await desk.post("/v1/examinations", body | {"month": "2026-13"})).status_code == 422
    assert (await desk.post("/v1/examinations", body | {"party_id": str(uuid4())})).status_code == 404
