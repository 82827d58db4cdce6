"""Permits over HTTP: one budget, one permit; what is unknown is never allowed."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from services.compliance.permit_desk import decide_permits
from services.compliance.schemas.permits import PermitRequest
from shared.events.visit import VisitProposed
from shared.security.signing import SignatureInvalidError, SigningKey, verify_document

from .conftest import Desk, opened_case, visit_contact, visit_request
from .test_recalls import checked_in, granted


def rules(answer: dict[str, Any]) -> list[str]:
    return [reason["rule"] for reason in answer["reasons"]]


async def test_lawful_visit_is_allowed_and_signed(desk: Desk) -> None:
    case = await desk.open_case()
    request = visit_request(case)
    (answer,) = await desk.ask(request)
    assert answer["decision"] == "allow", answer
    keys = (await desk.get("/v1/permit-keys")).json()["keys"]
    claims = verify_document(answer["permit"], keys, kind="permit+jwt")
    assert claims["sub"] == str(case.party_id)
    assert claims["jti"] == answer["permit_id"]
    assert claims["crew"] == request["crew"]
    assert claims["exp"] - claims["nbf"] == 2 * 3600


async def test_foreign_signature_is_detected(desk: Desk, tmp_path: Any) -> None:
    case = await desk.open_case()
    (answer,) = await desk.ask(visit_request(case))
    keys = (await desk.get("/v1/permit-keys")).json()["keys"]
    claims = verify_document(answer["permit"], keys, kind="permit+jwt")
    forged = SigningKey.open(tmp_path / "other", "permit").sign_document(claims, kind="permit+jwt")
    with pytest.raises(SignatureInvalidError):
        verify_document(forged, keys, kind="permit+jwt")
    header, payload, signature = answer["permit"].split(".")
    with pytest.raises(SignatureInvalidError):
        verify_document(f"{header}.{payload[:-2]}AA.{signature}", keys, kind="permit+jwt")


async def test_fifty_at_once_get_one_permit(desk: Desk) -> None:
    case = await desk.open_case()
    answers = await asyncio.gather(*(desk.ask(visit_request(case)) for _ in range(50)))
    decisions = [answer[0]["decision"] for answer in answers]
    assert decisions.count("allow") == 1
    assert decisions.count("deny") == 49


async def test_two_in_one_batch_get_one_permit(desk: Desk) -> None:
    case = await desk.open_case()
    first, second = await desk.ask(visit_request(case), visit_request(case))
    assert (first["decision"], second["decision"]) == ("allow", "deny")
    assert rules(second) == ["BANK-VISIT-30D"]
    assert second["earliest_lawful"] == "2026-04-01T00:00:00Z"


async def test_same_request_again_is_the_same_permit(desk: Desk) -> None:
    case = await desk.open_case()
    request = visit_request(case)
    (first,) = await desk.ask(request)
    (again,) = await desk.ask(request | {"versions": {"case": 1}})
    assert again["permit"] == first["permit"]
    (other,) = await desk.ask(request | {"device_id": "device-2"})
    assert "REQUEST-REUSED" in rules(other)


async def test_use_after_release_counts_again_and_is_a_finding(desk: Desk) -> None:
    case = await desk.open_case()
    [permit] = await desk.ask(visit_request(case))
    await desk.post(f"/v1/permits/{permit['permit_id']}/release", {"cause": "customer_moved"})
    use = {"contact_id": str(uuid4()), "used_at": "2026-03-02T06:10:00Z"}
    response = await desk.post(f"/v1/permits/{permit['permit_id']}/use", use)
    assert response.status_code == 409
    assert (await desk.get(f"/v1/permits/{permit['permit_id']}")).json()["state"] == "used"
    found = (await desk.get("/v1/findings", party_id=str(case.party_id))).json()["items"]
    assert [one["rule"] for one in found] == ["PERMIT-RELEASED"]
    [again] = await desk.ask(visit_request(case))
    assert "BANK-VISIT-30D" in rules(again)


async def test_check_in_after_release_counts_again_and_its_contact_is_a_finding(desk: Desk) -> None:
    case = await desk.open_case()
    permit = await granted(desk, case)
    await desk.post(f"/v1/permits/{permit['permit_id']}/release", {"cause": "window_ended"})
    await desk.deliver("visit", ("visit.checked_in", checked_in(desk, case, permit)))
    assert (await desk.get(f"/v1/permits/{permit['permit_id']}")).json()["state"] == "used"
    await desk.deliver("contact", ("contact.recorded", visit_contact(case, permit)))
    found = (await desk.get("/v1/findings", party_id=str(case.party_id))).json()["items"]
    assert "PERMIT-RELEASED" in {one["rule"] for one in found}


async def test_released_reservation_frees_the_budget(desk: Desk) -> None:
    case = await desk.open_case()
    (first,) = await desk.ask(visit_request(case))
    response = await desk.post(f"/v1/permits/{first['permit_id']}/release", {"cause": "customer_moved"})
    assert response.json()["state"] == "released"
    (second,) = await desk.ask(visit_request(case))
    assert second["decision"] == "allow"


async def test_permit_never_lapses_to_free(desk: Desk) -> None:
    case = await desk.open_case()
    await desk.ask(visit_request(case))
    desk.clock.business += timedelta(days=10)
    later = {"start": "2026-03-12T06:00:00Z", "end": "2026-03-12T08:00:00Z"}
    (second,) = await desk.ask(visit_request(case, window=later))
    assert rules(second) == ["BANK-VISIT-30D"]


async def test_replacing_swaps_the_reservation(desk: Desk) -> None:
    case = await desk.open_case()
    (first,) = await desk.ask(visit_request(case))
    moved = {"start": "2026-03-03T06:00:00Z", "end": "2026-03-03T08:00:00Z"}
    (second,) = await desk.ask(visit_request(case, window=moved, replaces=first["permit_id"]))
    assert second["decision"] == "allow", second
    assert (await desk.get(f"/v1/permits/{first['permit_id']}")).json()["state"] == "released"


async def test_unknown_party_needs_facts(desk: Desk) -> None:
    (answer,) = await desk.ask(visit_request(opened_case(), versions={}))
    assert answer["decision"] == "needs-fact"
    assert "FACTS-PARTY" in rules(answer)
    assert "permit" not in answer or answer["permit"] is None


async def test_stale_feeders_need_facts(desk: Desk) -> None:
    case = await desk.open_case()
    desk.clock.real += timedelta(seconds=31)
    (answer,) = await desk.ask(visit_request(case))
    assert (answer["decision"], rules(answer)) == ("needs-fact", ["FACTS-FRESH"])


async def test_missing_balance_needs_facts(desk: Desk) -> None:
    case = await desk.open_case()
    desk.balances.silent.add(case.party_id)
    (answer,) = await desk.ask(visit_request(case))
    assert (answer["decision"], rules(answer)) == ("needs-fact", ["FACTS-BALANCE"])


async def test_paid_balance_is_denied(desk: Desk) -> None:
    case = await desk.open_case()
    desk.balances.overdue_minor = 0
    (answer,) = await desk.ask(visit_request(case))
    assert (answer["decision"], rules(answer)) == ("deny", ["FACTS-BALANCE"])


async def test_unseen_version_alone_is_409(desk: Desk) -> None:
    case = await desk.open_case()
    response = await desk.post("/v1/permits", {"items": [visit_request(case, versions={"case": 2})]})
    assert response.status_code == 409
    assert response.json()["type"].endswith("facts-behind")
    assert response.headers["retry-after"] == "1"


async def test_unseen_version_fails_only_its_item(desk: Desk) -> None:
    behind, fresh = await desk.open_case(), await desk.open_case()
    first, second = await desk.ask(visit_request(behind, versions={"case": 2}), visit_request(fresh))
    assert (first["decision"], second["decision"]) == ("needs-fact", "allow")


async def test_version_that_arrived_is_seen(desk: Desk) -> None:
    case = await desk.open_case()
    request = visit_request(case, versions={"case": 1, "visit": 3})
    proposed = VisitProposed(
        visit_id=request["subject_id"],
        case_id=case.case_id,
        party_id=case.party_id,
        version=3,
        field_day="2026-03-02",
        window=request["window"],
        duration_minutes=30,
        pair_id=uuid4(),
        crew=request["crew"],
        device_id="device-1",
        cell="88309a5915fffff",
        jurisdiction="CN",
        case_version=1,
    )
    await desk.deliver("visit", ("visit.proposed", proposed))
    (answer,) = await desk.ask(request)
    assert answer["decision"] == "allow", answer


async def test_third_person_who_cannot_be_recognised_is_not_asked(desk: Desk) -> None:
    case = await desk.open_case()
    (answer,) = await desk.ask(visit_request(case, channel="third_party_location"))
    assert answer["decision"] == "deny"  # the gate is closed: nobody failed to reach the debtor
    assert {"BANK-THIRD-PERSON", "CN-CBA2026-LOSTCONTACT", "CN-GBT45251-CONTACTS"} <= set(rules(answer))


async def test_second_use_is_refused_and_found(desk: Desk) -> None:
    case = await desk.open_case()
    (answer,) = await desk.ask(visit_request(case))
    path = f"/v1/permits/{answer['permit_id']}/use"
    first = {"used_at": "2026-03-02T06:05:00Z", "contact_id": str(uuid4())}
    second = {"used_at": "2026-03-02T06:06:00Z", "contact_id": str(uuid4())}
    assert (await desk.post(path, first)).json()["state"] == "used"
    assert (await desk.post(path, first)).status_code == 200
    assert (await desk.post(path, second)).status_code == 409
    assert await reused(desk) == {second["contact_id"]: (True, "open")}


async def reused(desk: Desk) -> dict[str, tuple[bool, str]]:
    findings = (await desk.get("/v1/findings", rule="PERMIT-REUSED")).json()["items"]
    return {one["contact_id"]: (one["conduct"], one["state"]) for one in findings}


async def test_a_use_that_began_earlier_takes_the_permit_though_it_is_told_later(desk: Desk) -> None:
    case = await desk.open_case()
    permit = await granted(desk, case)
    path = f"/v1/permits/{permit['permit_id']}/use"
    uses = [{"used_at": f"2026-03-02T06:{minute}:00Z", "contact_id": str(uuid4())} for minute in (20, 10, 30)]
    assert [(await desk.post(path, one)).status_code for one in uses] == [200, 200, 409]
    late, early, last = (str(one["contact_id"]) for one in uses)
    assert await reused(desk) == {late: (True, "open"), last: (True, "open")}
    record = visit_contact(case, permit, contact_id=UUID(last), started_at=datetime(2026, 3, 2, 6, 5, tzinfo=UTC))
    await desk.deliver("contact", ("contact.recorded", record))
    assert await reused(desk) == {late: (True, "open"), last: (False, "dismissed"), early: (True, "open")}
    view = (await desk.get(f"/v1/permits/{permit['permit_id']}")).json()
    assert (view["state"], view["contact_id"]) == ("recorded", last)


async def test_a_contact_that_began_earlier_takes_the_permit_from_one_that_was_recorded(desk: Desk) -> None:
    case = await desk.open_case()
    permit = await granted(desk, case)
    first, told_first = (
        visit_contact(case, permit, started_at=at, ended_at=at + timedelta(minutes=5))
        for at in (datetime(2026, 3, 2, 6, minute, tzinfo=UTC) for minute in (2, 10))
    )
    await desk.deliver("contact", ("contact.recorded", told_first))
    assert await reused(desk) == {}
    await desk.deliver("contact", ("contact.recorded", first))
    assert await reused(desk) == {str(told_first.contact_id): (True, "open")}


async def test_decision_shows_every_rule(desk: Desk) -> None:
    case = await desk.open_case()
    (answer,) = await desk.ask(visit_request(case))
    record = (await desk.get(f"/v1/decisions/{answer['decision_id']}")).json()["record"]
    asked = {rule["rule"] for rule in record["rules"]}
    assert {"CN-GBT45251-HOURS", "CN-CBA2026-VISIT-2P", "CN-CARD2011-70-STOP", "BANK-VISIT-30D"} <= asked
    assert all(rule["citation"] for rule in record["rules"])


async def test_windows_are_the_lawful_hours_that_remain(desk: Desk) -> None:
    case = await desk.open_case()
    item = {
        "party_id": str(case.party_id), "channel": "visit", "purpose": "collection", "jurisdiction": "CN",
        "time_zones": ["Asia/Shanghai"], "days": ["2026-03-02", "2026-03-03", "2026-03-01"], "duration_minutes": 30,
    }  # fmt: skip
    (answer,) = (await desk.post("/v1/windows", {"items": [item]})).json()["items"]
    assert answer["windows"] == [
        {"start": "2026-03-02T02:00:00Z", "end": "2026-03-02T14:00:00Z"},
        {"start": "2026-03-03T00:00:00Z", "end": "2026-03-03T14:00:00Z"},
    ]
    assert [reason["rule"] for reason in answer["refused"]] == ["WINDOW-FITS"]


async def test_number_of_statements_does_not_grow_with_the_batch(desk: Desk) -> None:
    counts = []
    for size in (2, 60):
        cases = [opened_case() for _ in range(size)]
        await desk.deliver("case", *(("case.opened", case) for case in cases))
        requests = [PermitRequest.model_validate(visit_request(case)) for case in cases]
        balances = await desk.balances.confirm((case.party_id, case.case_id) for case in cases)
        statements: list[object] = []
        async with desk.database.unit_of_work() as uow:
            await uow.lock_parties({case.party_id for case in cases})
            uow.sql.add_query_logger(statements.append)
            answers = await decide_permits(uow, desk.instruments, requests, balances)
            await uow.sql.flush()
            uow.sql.remove_query_logger(statements.append)
        assert {answer.decision for answer in answers} == {"allow"}
        counts.append(len(statements))
    # The first batch also asks the server for its types, once per connection.
    assert counts[1] <= counts[0] < 34


async def test_nobody_of_a_suspended_core_is_contacted_until_it_is_released(desk: Desk) -> None:
    theirs, others, unsaid = await desk.open_case(core="a"), await desk.open_case(core="b"), await desk.open_case()
    await desk.hear(suspended={"a": "books_differ"})
    answers = await desk.ask(*(visit_request(case) for case in (theirs, others, unsaid)))
    assert [one["decision"] for one in answers] == ["needs-fact", "allow", "needs-fact"]
    assert [one["detail"] for one in answers[0]["reasons"]] == [
        "facts_stale: the feed is suspended of a (books_differ)"
    ]
    await desk.hear()
    (answer,) = await desk.ask(visit_request(theirs))
    assert answer["decision"] == "allow"
