"""Plans are followed up on a real database: messages under permits, holds, a person's decision."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, time, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

from services.plans.domain.follow_up_policy import FollowUpPolicies
from services.plans.following_desk import FollowingDesk, next_look, on_heartbeats
from services.plans.known_holds import learn_holds
from services.plans.review_watch import ReviewWatch
from services.plans.store.plans import PlanStore
from shared.events.case import CaseOpened, CasePartyMerged, CaseSuspended
from shared.events.compliance import HoldEnded, HoldPlaced
from shared.events.platform import ServiceHeartbeat
from tests.integration.assignment.harness import Desk
from tests.integration.plans.conftest import Compliance
from tests.integration.plans.test_plans import access_lists, open_case, paid, signed

FIRST = date(2026, 4, 2)
WAITING = """
SELECT count(*) FROM pg_locks JOIN pg_database d ON d.oid = database
WHERE NOT granted AND locktype = 'advisory' AND datname = current_database()
"""


async def at(desk: Desk, day: date, *, hour: int = 4) -> None:
    """Time goes on to that day (UTC hour), and what is due then is done."""
    async with desk.database.unit_of_work() as uow:
        uow.intend(learn_holds(uow))
        uow.intend(next_look(uow, FollowUpPolicies.load()))
    await desk.work("plan.learn_holds")
    desk.clock.business = datetime(day.year, day.month, day.day, hour, tzinfo=UTC)
    await desk.work()


async def follow_ups(desk: Desk, plan: dict[str, Any]) -> dict[str, Any]:
    answer = await desk.get(f"/v1/plans/{plan['plan_id']}/follow-ups")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def reviewed(desk: Desk, plan: dict[str, Any], **body: Any) -> Any:
    return await desk.post(f"/v1/plans/{plan['plan_id']}/reviews", {"reason": "no_answer"} | body)


def asked(compliance: Compliance) -> list[dict[str, Any]]:
    return [item for path, body, _ in compliance.asked if path == "/v1/permits" for item in body["items"]]


def held(case: CaseOpened, kind: str, since: date, **changes: Any) -> HoldPlaced:
    start = datetime(since.year, since.month, since.day, tzinfo=UTC)
    values = {"hold_id": uuid4(), "party_id": case.party_id, "kind": kind, "valid_from": start, "source_ref": "s"}
    return HoldPlaced.model_validate(values | changes)


async def test_a_plan_is_broken_after_help_warning_and_wait_by_a_person(desk: Desk, compliance: Compliance) -> None:
    case, plan = await signed(desk)
    await at(desk, FIRST - timedelta(days=2))
    await at(desk, FIRST + timedelta(days=6))
    (reminder, *_) = asked(compliance)
    assert (reminder["party_id"], reminder["channel"], reminder["purpose"], reminder["subject_id"]) == (
        str(case.party_id), "sms", "plan_service", plan["plan_id"],
    )  # fmt: skip
    assert (await reviewed(desk, plan, decision="break")).json()["type"].endswith("plan-not-in-review")
    await at(desk, FIRST + timedelta(days=40))
    found = await follow_ups(desk, plan)
    assert (found["stage"], found["missed"], found["cure_days_left"]) == ("warned", [1, 2], 14)
    await at(desk, FIRST + timedelta(days=55))
    (waiting,) = (await desk.get("/v1/reviews")).json()["items"]
    assert (waiting["plan_id"], waiting["party_id"]) == (plan["plan_id"], str(case.party_id))

    broken = await reviewed(desk, plan, decision="break")
    assert (broken.status_code, broken.json()["state"], broken.json()["stage"]) == (200, "broken", None)
    await desk.work()
    told = [name.removeprefix("plan.") for name, _ in await desk.events() if name.startswith("plan.")]
    assert told == [
        "proposed", "signed", "follow_up", "instalment_missed", "follow_up", "instalment_missed", "follow_up",
        "review_due", "broken",
    ]  # fmt: skip
    assert compliance.open == {}, "the plan's hold has ended"
    assert len([path for path in compliance.paths() if path.endswith("/use")]) == 3
    assert (await desk.get("/v1/reviews")).json()["items"] == []
    lists = {one["name"]: one["rows"] for one in (await access_lists(desk, case.party_id)).json()["lists"]}
    assert len(lists["follow_ups"]) == 7
    assert "a warning that the plan can end" in lists["follow_ups"][4]["words"]["en"]


async def test_what_is_paid_waits_for_nobody_and_what_waits_too_long_is_counted(desk: Desk) -> None:
    case, plan = await signed(desk)
    for days in (-2, 6, 40, 55):
        await at(desk, FIRST + timedelta(days=days))
    late = ReviewWatch(FollowingDesk(PlanStore(SimpleNamespace()), FollowUpPolicies.load())).late  # type: ignore[arg-type]
    for days, counted in ((62, 0), (63, 1)):
        desk.clock.business = datetime.combine(FIRST + timedelta(days=days), time(4), tzinfo=UTC)
        async with desk.database.read_only() as uow:
            assert await late(uow) == counted
    assert [one["plan_id"] for one in (await desk.get("/v1/reviews")).json()["items"]] == [plan["plan_id"]]
    paid_in_full = paid(case, 2, "T-1", 200_000, day=FIRST + timedelta(days=63))
    await desk.deliver("case", ("case.payment_posted", paid_in_full))
    assert (await desk.get("/v1/reviews")).json()["items"] == []
    async with desk.database.read_only() as uow:
        assert await late(uow) == 0


async def test_nobody_is_contacted_without_a_permit_and_no_step_is_skipped(desk: Desk, compliance: Compliance) -> None:
    _, plan = await signed(desk)
    compliance.permit = {"decision": "deny"}
    for days in (6, 40, 80, 200):
        await at(desk, FIRST + timedelta(days=days))
    found = await follow_ups(desk, plan)
    assert (found["stage"], found["next_contact"], len(found["missed"])) == ("missed", "help", 3)
    assert "contact.recorded" not in await desk.types()


async def test_who_may_be_written_to_later_today_is_asked_for_again_then(desk: Desk, compliance: Compliance) -> None:
    _, plan = await signed(desk)
    day = FIRST + timedelta(days=6)
    morning = datetime(day.year, day.month, day.day, 1, tzinfo=UTC)
    compliance.permit = {"decision": "deny", "earliest_lawful": morning.isoformat()}
    await at(desk, day - timedelta(days=1), hour=16)  # midnight in Shanghai
    assert (await follow_ups(desk, plan))["next_contact"] == "help"
    compliance.permit = {"decision": "allow"}
    desk.clock.business = morning
    await desk.work()
    assert (await follow_ups(desk, plan))["next_contact"] is None


async def test_a_payment_while_the_permit_is_asked_for_gives_it_back(desk: Desk, compliance: Compliance) -> None:
    case, _ = await signed(desk)
    payment = paid(case, 2, "T-1", 100_000, day=FIRST)
    async with desk.database.unit_of_work() as uow:
        uow.intend(learn_holds(uow))
        uow.intend(next_look(uow, FollowUpPolicies.load()))
    await desk.work("plan.learn_holds")
    desk.clock.business = datetime(2026, 4, 8, 4, tzinfo=UTC)
    await desk.work("plan.follow_up_look")
    handler = next(each for each in desk.handlers if each.kind == "plan.follow_up_permit")
    asking = handler.call

    async def slow(intents: Any) -> Any:
        answers = await asking(intents)
        await desk.deliver("case", ("case.payment_posted", payment))
        return answers

    handler.call = slow  # type: ignore[method-assign]
    await desk.work()
    assert [path for path in compliance.paths() if path.endswith("/release")]
    assert "contact.recorded" not in await desk.types()


async def test_a_hold_pauses_and_a_suspended_case_is_left_alone(desk: Desk, compliance: Compliance) -> None:
    case, plan = await signed(desk)
    hold = held(case, "breathing_space", FIRST + timedelta(days=4))
    elsewhere = held(case, "deceased", FIRST, channels=["visit"]), held(case, "safety", FIRST)
    await desk.deliver("compliance", *(("compliance.hold_placed", one) for one in (hold, *elsewhere)))
    await at(desk, FIRST + timedelta(days=10))
    found = await follow_ups(desk, plan)
    assert (found["paused_by"], found["missed"], asked(compliance)) == (["breathing_space"], [], [])

    desk.clock.business = datetime(2026, 4, 22, 2, tzinfo=UTC)
    await desk.deliver("compliance", ("compliance.hold_ended", HoldEnded(**hold.model_dump())))
    base = {"case_id": case.case_id, "party_id": case.party_id, "cause": "books_differ"}
    await desk.deliver("case", ("case.suspended", CaseSuspended(**base, version=2)))
    await at(desk, date(2026, 4, 25))
    found = await follow_ups(desk, plan)
    assert (found["paused_by"], found["missed"], found["days_missed"]) == (["case_suspended"], [1], 6)
    assert asked(compliance) == []


async def merged_into_another(desk: Desk, case: CaseOpened) -> CaseOpened:
    other = await open_case(desk)
    merged = CasePartyMerged(
        party_id=case.party_id, merged_id=case.party_id, survivor_id=other.party_id, version=1,
        business_date=FIRST, merged_case_id=case.case_id, survivor_case_id=other.case_id,
    )  # fmt: skip
    await desk.deliver("case", ("case.party_merged", merged))
    return other


async def test_a_decision_waits_for_what_is_being_told_of_who_remains(desk: Desk) -> None:
    case, plan = await signed(desk)
    other = await merged_into_another(desk, case)
    async with desk.database.unit_of_work() as uow:
        await uow.lock_parties([other.party_id])  # a payment, say, that keeps the plan
        decision = asyncio.create_task(reviewed(desk, plan, decision="break"))
        async with asyncio.timeout(120):
            while not await uow.sql.fetchval(WAITING):
                assert not decision.done(), "decided without the lock of who remains"
                await asyncio.sleep(0)
        assert not decision.done()
    assert (await decision).json()["type"].endswith("plan-not-in-review")


async def test_messages_about_the_plan_of_somebody_who_is_another_go_to_who_remains(
    desk: Desk, compliance: Compliance
) -> None:
    case, plan = await signed(desk)
    other = await merged_into_another(desk, case)
    await at(desk, FIRST)
    (request,) = asked(compliance)
    assert (UUID(request["party_id"]), UUID(request["case_id"])) == (other.party_id, other.case_id)
    contact = next(data for name, data in await desk.events() if name == "contact.recorded")
    assert (contact["party_id"], contact["plan_id"]) == (str(other.party_id), plan["plan_id"])


async def test_holds_of_before_are_asked_for_and_until_then_nobody_is_looked_at(
    desk: Desk, compliance: Compliance
) -> None:
    case, plan = await signed(desk)
    async with desk.database.unit_of_work() as uow:
        uow.intend(next_look(uow, FollowUpPolicies.load()))
    desk.clock.business = datetime(2026, 4, 8, 4, tzinfo=UTC)
    await desk.work()
    assert asked(compliance) == [], "not known yet"

    ended = held(case, "complaint", FIRST, valid_to=datetime(2026, 4, 3, tzinfo=UTC))
    await desk.deliver("compliance", ("compliance.hold_ended", HoldEnded(**ended.model_dump())))
    since = "2026-03-20T00:00:00Z"
    compliance.stood = [
        {"hold_id": str(ended.hold_id), "kind": "complaint", "scope": "party", "valid_from": since},
        {"hold_id": str(uuid4()), "kind": "vulnerability", "scope": "party", "valid_from": since},
        {"hold_id": str(uuid4()), "kind": "stop_request", "scope": "contact_point", "valid_from": since},
    ]
    await at(desk, date(2026, 4, 9))
    assert (await follow_ups(desk, plan))["paused_by"] == ["vulnerability"]
    assert asked(compliance) == []


async def test_nobody_breaks_a_plan_by_payments_of_a_core_that_is_not_believed(desk: Desk) -> None:
    _, plan = await signed(desk)
    for days in (6, 40, 55):
        await at(desk, FIRST + timedelta(days=days))
    assert (await follow_ups(desk, plan))["stage"] == "in_review"
    for seconds, suspended in ((1, {"core-a": "books_differ"}), (2, {})):
        said = desk.clock.real + timedelta(seconds=seconds)
        beat = ServiceHeartbeat(
            service="intake", topic="case", partition=0, sent_at=said, low_watermark=said, suspended_feeds=suspended
        )
        async with desk.database.unit_of_work() as uow:
            await on_heartbeats(uow, [SimpleNamespace(data=beat)])  # type: ignore[list-item]
        answer = await reviewed(desk, plan, decision="break")
        assert answer.status_code == (409 if suspended else 200)
    assert answer.json()["state"] == "broken"
