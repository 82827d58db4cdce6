"""A later fact finds the permit and revokes it, and holds keep contact away until the last one ends."""

from datetime import timedelta
from uuid import UUID, uuid4

from shared.events.case import CaseCured, CaseOpened, CasePaymentPosted, CaseReleased, CaseSuspended
from shared.events.plan import PlanBroken, PlanSigned
from shared.events.stop import PartyParked, PartyStopped, PartyUnparked
from shared.events.visit import VisitCheckedIn, VisitRecalled
from shared.money import Money
from shared.security.signing import verify_document

from .conftest import CREW, Desk, opened_case, visit_request


async def granted(desk: Desk, case: CaseOpened) -> dict[str, str]:
    request = visit_request(case)
    (answer,) = await desk.ask(request)
    assert answer["decision"] == "allow", answer
    return {"visit_id": request["subject_id"], **answer}


def stopped(desk: Desk, case: CaseOpened, cause: str = "stop_request") -> PartyStopped:
    return PartyStopped(
        party_id=case.party_id,
        cause=cause,
        scope="party",
        since=desk.clock.business,
        arrived_at=desk.clock.real - timedelta(milliseconds=40),
        reference="r-1",
    )


def checked_in(desk: Desk, case: CaseOpened, permit: dict[str, str]) -> VisitCheckedIn:
    return VisitCheckedIn(
        visit_id=UUID(permit["visit_id"]),
        case_id=case.case_id,
        party_id=case.party_id,
        version=5,
        permit_id=UUID(permit["permit_id"]),
        checked_in_at=desk.clock.business,
        checked_in_real=desk.clock.real,
        crew_present=CREW,
        distance_m=3,
    )


def signed(desk: Desk, case: CaseOpened, plan_id: UUID, hold_id: UUID | None = None) -> PlanSigned:
    return PlanSigned(
        plan_id=plan_id,
        case_id=case.case_id,
        party_id=case.party_id,
        version=2,
        kind="instalments",
        instalments=[],
        total=Money(amount_minor=1, currency="CNY"),
        signed_at=desk.clock.business,
        hold_id=hold_id or uuid4(),
        document_sha256="0" * 64,
    )


async def test_stop_revokes_with_both_real_times(desk: Desk) -> None:
    case = await desk.open_case()
    permit = await granted(desk, case)
    await desk.deliver("stop", ("party.stopped", stopped(desk, case)))
    (event,) = await desk.events("compliance.permit_revoked")
    assert (event["permit_id"], event["cause"], event["used"]) == (permit["permit_id"], "stop_request", False)
    assert event["fact_arrived_at"] < event["revoked_at"]
    assert (await desk.get("/v1/summary")).json()["recalls"] == {
        "count": 1, "p50_ms": 40, "p95_ms": 40, "p99_ms": 40
    }  # fmt: skip


async def test_an_incident_of_the_feed_revokes_and_leaves_no_hold_that_would_outlive_it(desk: Desk) -> None:
    case = await desk.open_case()
    permit = await granted(desk, case)
    await desk.deliver("stop", ("party.stopped", stopped(desk, case, "feed_suspended")))
    (event,) = await desk.events("compliance.permit_revoked")
    assert (event["permit_id"], event["cause"]) == (permit["permit_id"], "feed_suspended")
    assert await desk.events("compliance.hold_placed") == []


async def test_stop_request_denies_from_then_on(desk: Desk) -> None:
    case = await desk.open_case()
    body = {
        "party_id": str(case.party_id), "channel_heard": "visit", "heard_at": "2026-03-02T02:00:00Z",
        "detail_code": "stop",
    }  # fmt: skip
    assert (await desk.post("/v1/stop-requests", body)).status_code == 201
    (answer,) = await desk.ask(visit_request(case))
    assert [reason["rule"] for reason in answer["reasons"]] == ["BANK-STOP", "CN-CC-1033-STOP"]
    assert len(await desk.events("party.stopped")) == 1


async def test_stop_request_of_an_unknown_party_is_accepted(desk: Desk) -> None:
    body = {
        "party_id": str(opened_case().party_id), "channel_heard": "sms", "heard_at": "2026-03-02T02:00:00Z",
        "detail_code": "stop",
    }  # fmt: skip
    assert (await desk.post("/v1/stop-requests", body)).status_code == 201


async def test_payment_revokes(desk: Desk) -> None:
    case = await desk.open_case()
    await granted(desk, case)
    payment = CasePaymentPosted(
        case_id=case.case_id,
        party_id=case.party_id,
        version=2,
        loan_id=uuid4(),
        transaction_ref="t-1",
        amount=Money(amount_minor=100, currency="CNY"),
        value_date=case.business_date,
        booked_at=desk.clock.business,
        cleared=True,
        payer_ref="p-1",
    )
    await desk.deliver("case", ("case.payment_posted", payment))
    (event,) = await desk.events("compliance.permit_revoked")
    assert event["cause"] == "payment"


async def test_cure_revokes_and_closes_the_case(desk: Desk) -> None:
    case = await desk.open_case()
    await granted(desk, case)
    cured = CaseCured(
        case_id=case.case_id,
        party_id=case.party_id,
        version=3,
        business_date=case.business_date,
        cause="payment",
        overdue_totals=[],
    )
    await desk.deliver("case", ("case.cured", cured))
    assert [event["cause"] for event in await desk.events("compliance.permit_revoked")] == ["cured"]
    (answer,) = await desk.ask(visit_request(case))
    assert "FACTS-CASE" in [reason["rule"] for reason in answer["reasons"]]


async def test_used_permit_gets_a_notice_to_end(desk: Desk) -> None:
    case = await desk.open_case()
    permit = await granted(desk, case)
    await desk.deliver("visit", ("visit.checked_in", checked_in(desk, case, permit)))
    await desk.deliver("stop", ("party.stopped", stopped(desk, case)))
    (event,) = await desk.events("compliance.permit_revoked")
    assert event["used"] is True


async def test_new_zone_revokes(desk: Desk) -> None:
    case = await desk.open_case()
    await granted(desk, case)
    moved = case.model_copy(update={"version": 2, "time_zones": ["Asia/Urumqi"]})
    await desk.deliver("case", ("case.opened", moved))
    assert [event["cause"] for event in await desk.events("compliance.permit_revoked")] == ["facts_changed"]


async def test_another_home_revokes_visits_to_the_one_before(desk: Desk) -> None:
    case = await desk.open_case(household="a" * 32)
    await granted(desk, case)
    removed = case.model_copy(update={"version": 2, "household": "b" * 32})
    await desk.deliver("case", ("case.opened", removed))
    assert [event["cause"] for event in await desk.events("compliance.permit_revoked")] == ["facts_changed"]


async def test_device_list_holds_the_revoked_permit(desk: Desk) -> None:
    case = await desk.open_case()
    permit = await granted(desk, case)
    before = (await desk.get("/v1/revocations", device_id="device-1")).json()
    await desk.deliver("stop", ("party.stopped", stopped(desk, case)))
    after = (await desk.get("/v1/revocations", device_id="device-1")).json()
    assert after["number"] > before["number"]
    keys = (await desk.get("/v1/permit-keys")).json()["keys"]
    document = verify_document(after["signed"], keys, kind="revocations+jwt")
    assert document["permit_ids"] == [permit["permit_id"]]
    assert document["as_of"] is not None


async def test_recalled_visit_gives_the_budget_back(desk: Desk) -> None:
    case = await desk.open_case()
    permit = await granted(desk, case)
    recalled = VisitRecalled(
        visit_id=UUID(permit["visit_id"]),
        case_id=case.case_id,
        party_id=case.party_id,
        version=6,
        cause="payment",
        fact_arrived_at=desk.clock.real,
        recalled_at=desk.clock.real,
        state_before="assigned",
    )
    await desk.deliver("visit", ("visit.recalled", recalled))
    assert (await desk.get(f"/v1/permits/{permit['permit_id']}")).json()["state"] == "released"


async def test_parked_party_needs_facts_until_it_is_released(desk: Desk) -> None:
    case = await desk.open_case()
    await granted(desk, case)
    parked = PartyParked(party_id=case.party_id, service="intake", cause="schema", topic="loan", partition=0, offset=1)
    await desk.deliver("stop", ("party.parked", parked))
    assert [event["cause"] for event in await desk.events("compliance.permit_revoked")] == ["facts_incomplete"]
    sms = {"channel": "sms", "purpose": "appointment_admin", "crew": []}
    (answer,) = await desk.ask(visit_request(case, **sms))
    assert answer["decision"] == "needs-fact"
    await desk.deliver("stop", ("party.unparked", PartyUnparked(party_id=case.party_id, service="intake")))
    (answer,) = await desk.ask(visit_request(case, **sms))
    assert answer["decision"] == "allow", answer


async def test_suspended_case_is_held_until_it_is_released(desk: Desk) -> None:
    case = await desk.open_case()
    fact = {"case_id": case.case_id, "party_id": case.party_id, "version": 1, "cause": "facts_incomplete"}
    await desk.deliver("case", ("case.suspended", CaseSuspended(**fact)))
    (answer,) = await desk.ask(visit_request(case))
    assert answer["decision"] == "needs-fact"
    await desk.deliver("case", ("case.released", CaseReleased(**fact)))
    (answer,) = await desk.ask(visit_request(case))
    assert answer["decision"] == "allow", answer


async def test_plan_holds_until_it_is_broken(desk: Desk) -> None:
    case = await desk.open_case()
    plan_id = uuid4()
    hold = {
        "party_id": str(case.party_id), "kind": "plan_active", "scope": "collection", "source_ref": f"{plan_id}:1",
        "valid_from": "2026-03-02T02:00:00Z", "reason": "plan",
    }  # fmt: skip
    placed = await desk.post("/v1/holds", hold)
    assert placed.status_code == 201
    fact = signed(desk, case, plan_id, UUID(placed.json()["hold_id"]))
    await desk.deliver("plan", ("plan.signed", fact))
    assert len(await desk.events("compliance.hold_placed")) == 1
    (answer,) = await desk.ask(visit_request(case))
    assert [reason["rule"] for reason in answer["reasons"]] == ["BANK-PLAN", "CN-CARD2011-70-STOP"]
    assert answer["lawful_after"] == "plan.broken"
    broken = PlanBroken(plan_id=plan_id, case_id=case.case_id, party_id=case.party_id, version=9, missed=[1])
    await desk.deliver("plan", ("plan.broken", broken))
    (answer,) = await desk.ask(visit_request(case))
    assert answer["decision"] == "allow"


async def test_contact_resumes_when_the_last_hold_ends(desk: Desk) -> None:
    case = await desk.open_case()
    body = {"party_id": str(case.party_id), "kind": "dispute", "valid_from": "2026-03-02T02:00:00Z"}
    first = (await desk.post("/v1/holds", body | {"source_ref": "c-1"})).json()
    second = (await desk.post("/v1/holds", body | {"source_ref": "c-2"})).json()
    again = (await desk.post("/v1/holds", body | {"source_ref": "c-2"})).json()
    assert again["hold_id"] == second["hold_id"] != first["hold_id"]
    await desk.post(f"/v1/holds/{first['hold_id']}/end", {"cause": "settled", "evidence": "letter-1"})
    assert (await desk.ask(visit_request(case)))[0]["decision"] == "deny"
    body = {"cause": "settled", "evidence": "letter-2"}
    ended = await desk.post(f"/v1/holds/{second['hold_id']}/end", body)
    assert ended.json()["state"] == "ended"
    assert (await desk.ask(visit_request(case)))[0]["decision"] == "allow"


async def test_plan_signed_without_a_hold_gets_one(desk: Desk) -> None:
    case = await desk.open_case()
    await granted(desk, case)
    await desk.deliver("plan", ("plan.signed", signed(desk, case, uuid4())))
    assert [event["kind"] for event in await desk.events("compliance.hold_placed")] == ["plan_active"]
    assert [event["cause"] for event in await desk.events("compliance.permit_revoked")] == ["plan_active"]
