"""Who shares a debt lives under another law: a permit keeps the caps of both, and says nothing of the other."""

import asyncio
import random
from collections import Counter
from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from services.compliance.rule_sets import record_rule_set
from shared.events.case import CaseOpened
from shared.ids import draw_shard, entity_id

from .conftest import Desk, opened_case
from .test_budget_concurrency import DEADLOCKS, ask_and_act
from .test_debts import loan, updated
from .test_replay import replay
from .test_shared_budget import BOSTONIANS, SYDNEY, call, decided, refused_by
from .test_sharing import carry, revoked, tell

LONDON = {"jurisdiction": "GB", "time_zones": ["Europe/London"], "household": "d" * 32}
BOSTON = {"jurisdiction": "US-MA", "time_zones": ["America/New_York"], "household": "c" * 32}


async def ada_and_bo(desk: Desk, *, place: str = "home") -> tuple[CaseOpened, CaseOpened]:
    """One debt: Ada in Boston, called by the bank itself (at home two calls a week), and Bo in Sydney (three)."""
    people = [entity_id(draw_shard()) for _ in range(2)]
    owed = loan(people[1], lead=people[0])
    ada, bo = (
        opened_case(party_id=one, loans=[owed], **where) for one, where in zip(people, (BOSTON, SYDNEY), strict=True)
    )
    await desk.deliver("case", ("case.opened", ada), ("case.opened", bo))
    told = {**BOSTONIANS, "place": place, "collector": "creditor", "recipient": "obligor"}
    await desk.tell(ada.party_id, **told)
    wishes = {"party_id": str(ada.party_id), "wishes": [], "told_at": desk.clock.business.isoformat()}
    assert (await desk.post("/v1/preferences", wishes)).status_code == 200
    return ada, bo


def to_ada(case: CaseOpened, day: int, **changes: Any) -> dict[str, Any]:
    """In the afternoon in Boston."""
    return call(case, day=day, hour=18, **changes)


async def test_third_call_on_the_debt_is_refused_by_the_law_of_the_other(desk: Desk) -> None:
    ada, bo = await ada_and_bo(desk)
    assert decided(await desk.ask(to_ada(ada, 3), to_ada(ada, 5))) == ["allow"] * 2
    [answer] = await desk.ask(call(bo, day=6))
    assert refused_by(answer) == ["US-MA-CALLS"]
    [reason] = answer["reasons"]
    assert reason["citation"].startswith("940 CMR 7.04")
    assert answer["earliest_lawful"] >= reason["earliest_lawful"]
    assert str(ada.party_id) not in str(answer)
    assert "New_York" not in str(answer)


async def test_in_one_batch_what_ada_is_granted_counts_for_bo(desk: Desk) -> None:
    ada, bo = await ada_and_bo(desk)
    assert decided(await desk.ask(to_ada(ada, 3), call(bo, day=4), call(bo, day=5))) == ["allow", "allow", "deny"]


async def test_a_release_of_ada_frees_it_for_bo(desk: Desk) -> None:
    ada, bo = await ada_and_bo(desk)
    first, _ = await desk.ask(to_ada(ada, 3), to_ada(ada, 5))
    assert decided(await desk.ask(call(bo, day=6))) == ["deny"]
    assert (
        await desk.post(f"/v1/permits/{first['permit_id']}/release", {"cause": "customer_moved"})
    ).status_code == 200
    assert decided(await desk.ask(call(bo, day=6))) == ["allow"]


async def test_a_late_contact_takes_back_bos_permit_by_adas_law(desk: Desk) -> None:
    ada, bo = await ada_and_bo(desk)
    granted = await desk.ask(to_ada(ada, 3), call(bo, day=4))
    assert decided(granted) == ["allow"] * 2
    await tell(desk, ada)
    await carry(desk)
    assert await revoked(desk, granted) == [False, True]
    [event] = await desk.events("compliance.permit_revoked")
    assert (event["party_id"], event["cause"]) == (str(bo.party_id), "US-MA-CALLS")


async def test_contact_over_adas_cap_is_found_of_bo_also_when_her_law_is_told_late(desk: Desk) -> None:
    """Where nobody knows where she is called, at work two in thirty dates are allowed; at home two a week."""
    ada, bo = await ada_and_bo(desk, place="work")
    for days in (9, 8):
        await tell(desk, ada, **_ago(desk, days))
    await tell(desk, bo)
    [finding] = await of_law(desk, bo)
    assert (finding["rule"], finding["conduct"], finding["harm"]) == ("US-MA-CALLS-ELSEWHERE", False, True), (
        "the calls before were told no freshness limit before it"
    )
    assert str(ada.party_id) not in str(finding)
    await desk.tell(ada.party_id, as_of=desk.clock.business - timedelta(days=20), place="home")
    await carry(desk)
    assert [(one["state"], one["harm"]) for one in await of_law(desk, bo)] == [("dismissed", False)]


def _ago(desk: Desk, days: int) -> dict[str, Any]:
    moment = desk.clock.business - timedelta(days=days)
    return {"started_at": moment, "ended_at": moment}


async def _visit(desk: Desk, case: CaseOpened, *, days: int) -> None:
    real = desk.clock.real - timedelta(days=days)
    await tell(desk, case, channel="visit", started_real=real, **_ago(desk, days))


async def test_law_of_who_moves_in_binds_the_visits_since_then_whenever_it_is_told(desk: Desk) -> None:
    """Massachusetts: a household is met once in thirty days about a debt. Bo was visited before Ada moved in, too."""
    ada, _ = await ada_and_bo(desk)
    owing = {"loans": ada.loans, "household": "d" * 32}
    bo = await desk.open_case(party_id=ada.loans[0].obligors[1].party_id, version=2, **{**LONDON, **owing})
    for days in (12, 10, 3):
        await _visit(desk, bo, days=days)
    assert await of_law(desk, bo) == []
    await desk.deliver("case", ("case.updated", updated(ada, **owing)), happened_at=_ago(desk, 6)["started_at"])
    await carry(desk)
    assert await _met_too_often(desk, bo) == [(False, True)], (
        "nobody knew it, and of the two before it was not her home"
    )
    await _visit(desk, bo, days=11)
    await _visit(desk, bo, days=2)
    await carry(desk)
    assert len(await _met_too_often(desk, bo)) == 2, "those since then, in whichever order they are told"


async def test_a_visit_told_after_a_move_counts_in_the_home_of_before(desk: Desk) -> None:
    """Ada moves out of the home that she shares with Bo; a visit of before is told afterwards."""
    ada, _ = await ada_and_bo(desk)
    owing = {"loans": ada.loans, "household": "d" * 32}
    bo = await desk.open_case(party_id=ada.loans[0].obligors[1].party_id, version=2, **{**LONDON, **owing})
    await desk.deliver("case", ("case.updated", updated(ada, **owing)), happened_at=_ago(desk, 40)["started_at"])
    moved = updated(ada, version=3, loans=ada.loans, household="e" * 32)
    await desk.deliver("case", ("case.updated", moved), happened_at=_ago(desk, 5)["started_at"])
    for days in (9, 2):
        await _visit(desk, ada, days=days)
    async with desk.database.read_only() as uow:
        rows = await uow.sql.fetch(
            "SELECT budget_keys FROM contact_audit WHERE party_id = $1 ORDER BY started_at", ada.party_id
        )
    homes = [next(name for name in row["budget_keys"] if name.startswith("household")) for row in rows]
    assert homes == ["household:" + "d" * 32, "household:" + "e" * 32]
    await _visit(desk, bo, days=8)
    await carry(desk)
    assert len(await _met_too_often(desk, bo)) == 1, "the household that Bo lives in had been met the day before"


async def _met_too_often(desk: Desk, case: CaseOpened) -> list[tuple[bool, bool]]:
    found = [one for one in await of_law(desk, case) if one["rule"] == "US-MA-VISIT-CRED"]
    return [(one["conduct"], one["harm"]) for one in found]


async def of_law(desk: Desk, case: CaseOpened) -> list[dict[str, Any]]:
    """The findings of the law of Massachusetts about the person."""
    found = (await desk.get("/v1/findings", party_id=str(case.party_id))).json()["items"]
    return [one for one in found if one["rule"].startswith("US-MA")]


async def test_who_has_no_case_is_named_as_the_reason_why_no_law_was_asked(desk: Desk) -> None:
    people = [entity_id(draw_shard()) for _ in range(2)]
    owing = opened_case(party_id=people[1], loans=[loan(people[1], lead=people[0])], **LONDON)
    await desk.deliver("case", ("case.opened", owing))
    [answer] = await desk.ask(call(owing, hour=14))
    record = (await desk.get(f"/v1/decisions/{answer['decision_id']}")).json()["record"]
    [said] = [one for one in record["rules"] if one["rule"] == "SHARERS-WITHOUT-CASE"]
    assert (said["answer"], said["values"]) == ("allow", {"people": 1})
    assert str(people[0]) not in str(said)


async def test_windows_and_questions_know_it_too(desk: Desk) -> None:
    ada, bo = await ada_and_bo(desk)
    await desk.ask(to_ada(ada, 3), to_ada(ada, 5))
    asked = {
        "party_id": str(bo.party_id), "days": ["2026-03-06"], "channel": "call", "purpose": "collection",
        "jurisdiction": "AU", "time_zones": ["Australia/Sydney"], "duration_minutes": 5,
    }  # fmt: skip
    [windows] = (await desk.post("/v1/windows", {"items": [asked]})).json()["items"]
    assert (windows["windows"], [one["rule"] for one in windows["refused"]]) == ([], ["US-MA-CALLS"])
    [answer] = (await desk.post("/v1/decisions", {"items": [call(bo, day=6)]})).json()["items"]
    assert refused_by(answer) == ["US-MA-CALLS"]


async def test_refusal_is_explained_without_the_other_and_comes_out_the_same_again(desk: Desk) -> None:
    await record_rule_set(desk.database, desk.instruments)
    ada, bo = await ada_and_bo(desk)
    granted = await desk.ask(to_ada(ada, 3), to_ada(ada, 5))
    [answer] = await desk.ask(call(bo, day=6))
    for voice in ("collector", "customer", "auditor"):
        response = await desk.get(f"/v1/decisions/{answer['decision_id']}/explain", voice=voice)
        assert response.status_code == 200, response.text
        assert not [one for one in (ada.party_id, granted[0]["permit_id"], "New_York") if str(one) in response.text]
    done, found = await replay(desk)
    assert (done.exit_code, found["decisions"]) == (0, {"identical": 3})


async def test_what_was_told_of_the_other_decides_which_rules_apply(desk: Desk) -> None:
    """At work it is two in thirty dates."""
    _, bo = await ada_and_bo(desk, place="work")
    await desk.ask(call(bo, day=3), call(bo, day=4))
    [answer] = await desk.ask(call(bo, day=20))
    assert refused_by(answer) == ["US-MA-CALLS-ELSEWHERE"]


async def test_thirty_callers_at_once_pass_the_cap_of_neither_law(desk: Desk) -> None:
    """Six pairs; the strictest law of each pair counts for both, and nobody waits for ever."""
    pairs = [await ada_and_bo(desk) for _ in range(6)]

    async def caller(number: int) -> list[str]:
        dice = random.Random(number)
        wishes = [(pair[who], who) for pair in dice.sample(pairs, 2) for who in dice.sample((0, 1), 1)]
        asked = [
            lambda case=case, who=who, **more: call(case, day=dice.choice((3, 4, 5)), hour=(18, 4)[who], **more)
            for case, who in wishes
        ]
        return await ask_and_act(desk, asked, dice)

    async with desk.database.read_only() as uow:
        before = await uow.sql.fetchval(DEADLOCKS)
    told = await asyncio.gather(*map(caller, range(30)), return_exceptions=True)
    assert [one for one in told if isinstance(one, BaseException)] == []
    async with desk.database.read_only() as uow:
        rows = await uow.sql.fetch("SELECT party_id, window_start, zones FROM permit WHERE state <> 'released'")
        deadlocks = await uow.sql.fetchval(DEADLOCKS) - before
    pair_of = {case.party_id: number for number, pair in enumerate(pairs) for case in pair}
    dates: dict[int, Counter[date]] = {number: Counter() for number in range(len(pairs))}
    for row in rows:
        day = row["window_start"].astimezone(ZoneInfo(row["zones"][0])).date()
        dates[pair_of[row["party_id"]]][day] += 1
    taken = {number: sum(per_day.values()) for number, per_day in dates.items()}
    assert deadlocks == 0
    assert max(taken.values()) <= 2, "all of it lies in one week"
    assert sum(taken.values()) >= 6, "almost nothing was taken: this proves nothing"
