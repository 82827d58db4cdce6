"""The daily sample: committed before its day ends, drawn after it, judged by a second person."""

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from services.compliance import sample_desk
from services.compliance.domain.samples import commitment_of, draw

from .conftest import Desk, visit_request
from .test_overrides import american, override

TODAY = date(2026, 3, 2)
REASON = "The place of the visit was the customer's workplace."


async def keep_up(desk: Desk, *, at: datetime | None = None) -> None:
    if at is not None:
        desk.clock.business = at
    async with desk.database.unit_of_work() as uow:
        await sample_desk.keep_up(uow, desk.instruments)


async def samples(desk: Desk, **which: str) -> list[dict[str, Any]]:
    return (await desk.get("/v1/samples", **which)).json()["items"]  # type: ignore[no-any-return]


async def allowed(desk: Desk, count: int) -> set[str]:
    """So many decisions that allow, and one that denies."""
    cases = [await desk.open_case() for _ in range(count)]
    answers = await desk.ask(*(visit_request(case) for case in cases), visit_request(cases[0]))
    assert [one["decision"] for one in answers] == ["allow"] * count + ["deny"]
    return {one["decision_id"] for one in answers[:-1]}


async def drawn_day(desk: Desk, count: int = 1) -> set[str]:
    await keep_up(desk)
    decisions = await allowed(desk, count)
    await keep_up(desk, at=datetime(2026, 3, 3, 0, 20, tzinfo=UTC))
    return decisions


async def judge(desk: Desk, sample: dict[str, Any], verdict: str = "agree", by: str = "auditor-3") -> Any:
    body = {"verdict": verdict, "reason": REASON}
    return await desk.post(f"/v1/samples/{sample['sample_id']}/judge", body, by=by, client="auditor")


async def test_seed_is_committed_before_the_day_ends_and_revealed_after(desk: Desk) -> None:
    await drawn_day(desk)
    commitment = next(one for one in await desk.leaves("sample_seed") if one["day"] == "2026-03-02")
    (revealed,) = await desk.leaves("sample_draw")
    assert commitment["commitment"] == commitment_of(bytes.fromhex(revealed["seed"]))
    assert commitment["occurred_at"] < "2026-03-03" < revealed["occurred_at"]
    assert "seed" not in commitment


async def test_sample_can_be_drawn_again_from_the_leaves(desk: Desk) -> None:
    await drawn_day(desk, 25)
    (revealed,) = await desk.leaves("sample_draw")
    population = [UUID(one["decision_id"]) for one in await desk.leaves("decision") if one["answer"] == "allow"]
    again = draw(bytes.fromhex(revealed["seed"]), population, 10)
    assert revealed["decisions"] == {"population": 25, "drawn": [str(one) for one in again]}
    assert {one["subject_id"] for one in await samples(desk)} == {str(one) for one in again}


async def test_dry_runs_and_denials_are_not_drawn(desk: Desk) -> None:
    await keep_up(desk)
    case = await desk.open_case()
    response = await desk.post("/v1/decisions", {"items": [visit_request(case)]})
    assert response.json()["items"][0]["decision"] == "allow"
    decisions = await allowed(desk, 1)
    await keep_up(desk, at=datetime(2026, 3, 3, 0, 20, tzinfo=UTC))
    assert {one["subject_id"] for one in await samples(desk)} == decisions


async def test_day_is_drawn_once(desk: Desk) -> None:
    await drawn_day(desk)
    await keep_up(desk)
    assert len(await desk.leaves("sample_draw")) == 1


async def test_day_is_not_drawn_before_its_last_decisions_are_committed(desk: Desk) -> None:
    await keep_up(desk)
    await keep_up(desk, at=datetime(2026, 3, 3, 0, 5, tzinfo=UTC))
    assert await desk.leaves("sample_draw") == []


async def test_seed_committed_too_late_is_a_finding(desk: Desk) -> None:
    await keep_up(desk)  # for the second and the third of March; then no worker runs for three days
    desk.clock.business += timedelta(days=2)
    await desk.hear()
    window = {"start": "2026-03-04T06:00:00Z", "end": "2026-03-04T08:00:00Z"}
    (answer,) = await desk.ask(visit_request(await desk.open_case(), window=window))
    assert answer["decision"] == "allow"
    await keep_up(desk, at=datetime(2026, 3, 5, 1, 0, tzinfo=UTC))
    items = (await desk.get("/v1/control-findings", rule="SAMPLE-SEED-LATE")).json()["items"]
    assert [one["detail"][:10] for one in items] == ["2026-03-04"]
    assert [one["subject_id"] for one in await samples(desk, day="2026-03-04")] == [answer["decision_id"]]


async def test_agreement_is_kept_with_its_leaf(desk: Desk) -> None:
    await drawn_day(desk)
    (sample,) = await samples(desk, state="open")
    response = await judge(desk, sample)
    assert response.status_code == 200, response.text
    assert (response.json()["state"], response.json()["judged_by"]) == ("judged", "auditor-3")
    assert await samples(desk, state="open") == []
    (leaf,) = await desk.leaves("sample_judgement")
    assert (leaf["verdict"], "reason" in leaf["committed"], REASON in json.dumps(leaf)) == ("agree", True, False)
    assert (await desk.get("/v1/findings", rule="SAMPLE-DISAGREED")).json()["items"] == []


async def test_disagreement_opens_a_finding(desk: Desk) -> None:
    await drawn_day(desk)
    (sample,) = await samples(desk)
    finding_id = (await judge(desk, sample, "disagree")).json()["finding_id"]
    finding = (await desk.get(f"/v1/findings/{finding_id}")).json()
    assert (finding["rule"], finding["state"], finding["party_id"]) == (
        "SAMPLE-DISAGREED", "open", sample["party_id"]
    )  # fmt: skip
    assert finding["history"][0]["reason"] == REASON


async def test_sample_is_judged_once(desk: Desk) -> None:
    await drawn_day(desk)
    (sample,) = await samples(desk)
    await judge(desk, sample)
    again = await judge(desk, sample, "disagree", by="auditor-4")
    assert (again.status_code, again.json()["type"].rsplit("/", 1)[-1]) == (409, "sample-judged")


async def test_override_is_drawn_and_not_judged_by_who_gave_it(desk: Desk) -> None:
    await keep_up(desk)
    asked = await american(desk)
    given = await desk.post("/v1/overrides", override(asked["party_id"]), by="supervisor-1", client="supervisor")
    assert given.status_code == 201, given.text
    await keep_up(desk, at=datetime(2026, 3, 3, 0, 20, tzinfo=UTC))
    (sample,) = await samples(desk, kind="override")
    assert sample["subject_id"] == given.json()["override_id"]
    assert (await judge(desk, sample, by="supervisor-1")).status_code == 403
    assert (await judge(desk, sample)).status_code == 200
