"""The workflow of findings: who may do what, what is kept, what a later fact changes."""

from typing import Any

import asyncpg
import pytest

from .conftest import Desk, visit_contact

WHY = {"reason": "The crew waited at the door.", "reference": "ticket:4711"}


async def finding(desk: Desk) -> str:
    """A contact without permit; its finding."""
    case = await desk.open_case()
    await desk.deliver("contact", ("contact.recorded", visit_contact(case, None)))
    return str((await desk.get("/v1/findings", party_id=str(case.party_id))).json()["items"][0]["finding_id"])


async def take(desk: Desk, which: str, step: str, *, by: str) -> Any:
    return await desk.post(f"/v1/findings/{which}/{step}", WHY, by=by)


async def test_finding_goes_from_open_to_remedied_and_keeps_every_step(desk: Desk) -> None:
    which = await finding(desk)
    for step, by in (("explain", "ann"), ("uphold", "bob"), ("remedy", "bob")):
        assert (await take(desk, which, step, by=by)).status_code == 200
    detail = (await desk.get(f"/v1/findings/{which}")).json()
    assert (detail["state"], detail["version"]) == ("remedied", 4)
    assert [(one["step"], one["by_whom"], one["reason"]) for one in detail["history"]] == [
        ("found", None, None), ("explain", "ann", WHY["reason"]), ("uphold", "bob", WHY["reason"]),
        ("remedy", "bob", WHY["reason"]),
    ]  # fmt: skip


async def test_whoever_explained_cannot_decide(desk: Desk) -> None:
    which = await finding(desk)
    await take(desk, which, "explain", by="ann")
    await take(desk, which, "explain", by="bob")
    for step in ("uphold", "dismiss"):
        response = await take(desk, which, step, by="ann")
        assert (response.status_code, response.json()["type"].rsplit("/")[-1]) == (403, "own-explanation")
    assert (await take(desk, which, "uphold", by="eve")).status_code == 200


@pytest.mark.parametrize("step", ["explain", "uphold", "dismiss", "remedy"])
async def test_dismissed_finding_takes_no_step(desk: Desk, step: str) -> None:
    which = await finding(desk)
    await take(desk, which, "dismiss", by="bob")
    response = await take(desk, which, step, by="eve")
    assert (response.status_code, response.json()["state"]) == (409, "dismissed")


async def test_each_step_is_a_leaf(desk: Desk) -> None:
    which = await finding(desk)
    await take(desk, which, "explain", by="ann")
    party = (await desk.get(f"/v1/findings/{which}")).json()["party_id"]
    await desk.sequencer.step()
    leaves = (await desk.get(f"/v1/parties/{party}/leaves")).json()["items"]
    assert [leaf["kind"] for leaf in leaves] == ["contact", "finding"]
    assert (leaves[1]["record"]["step"], leaves[1]["record"]["version"]) == ("explain", 2)
    assert WHY["reason"] not in str(leaves[1]["record"])


async def test_versions_are_never_edited(desk: Desk) -> None:
    await finding(desk)
    async with desk.database.unit_of_work() as uow:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await uow.sql.execute("UPDATE finding_version SET harm = false")


async def test_list_filters_and_pages(desk: Desk) -> None:
    ids = sorted([await finding(desk) for _ in range(3)])  # opened at one moment: in the order of their ids
    await take(desk, ids[1], "explain", by="ann")
    explained = (await desk.get("/v1/findings", state="explained")).json()["items"]
    assert [one["finding_id"] for one in explained] == [ids[1]]
    first = (await desk.get("/v1/findings", limit=2)).json()
    rest = (await desk.get("/v1/findings", limit=2, cursor=first["next"])).json()
    assert [one["finding_id"] for one in (*first["items"], *rest["items"])] == ids
    assert (await desk.get("/v1/findings", limit=2, cursor=first["next"], state="open")).status_code == 422


async def test_unknown_finding_is_not_found(desk: Desk) -> None:
    unknown = "5f3a1c52-7a0b-8c1d-9e2f-30415263748b"
    assert (await desk.get(f"/v1/findings/{unknown}")).status_code == 404
    assert (await take(desk, unknown, "explain", by="ann")).status_code == 404
