"""A rule is passed only by whom it names, from then on, for a while, not often, and as a leaf."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from services.compliance.domain.overrides import OVERRIDES_PER_DAY

from .conftest import NOW, Desk, visit_request

EARLY = {"start": "2026-03-02T12:00:00Z", "end": "2026-03-02T12:30:00Z"}


def consent(party_id: UUID, **changes: Any) -> dict[str, Any]:
    """Agreed with a customer in New York: calls from seven in the morning on."""
    values = {
        "party_id": str(party_id), "rule": "US-REGF-TIME", "valid_from": NOW.isoformat(),
        "valid_to": (NOW + timedelta(days=30)).isoformat(), "opens": "07:00", "closes": "08:00",
        "evidence": "call-118",
    }  # fmt: skip
    return values | changes


def override(party_id: UUID, **changes: Any) -> dict[str, Any]:
    values = {
        "party_id": str(party_id), "rule": "US-REGF-14A", "valid_from": NOW.isoformat(),
        "valid_to": (NOW + timedelta(days=1)).isoformat(), "evidence": "ticket-2217",
        "reason": "The customer asked the branch for an answer today.",
    }  # fmt: skip
    return values | changes


async def american(desk: Desk) -> dict[str, Any]:
    """A call at seven in the morning in New York, everything else being lawful."""
    case = await desk.open_case(jurisdiction="US", time_zones=["America/New_York"])
    await desk.tell(case.party_id, collector="agency", validation_notice_sent=True, recipient="obligor", place="home")
    none = {"party_id": str(case.party_id), "wishes": [], "told_at": NOW.isoformat()}
    assert (await desk.post("/v1/preferences", none)).status_code == 200
    return visit_request(
        case, channel="call", jurisdiction="US", time_zones=["America/New_York"], window=EARLY, duration_minutes=10
    )


async def may_i(desk: Desk, asked: dict[str, Any]) -> dict[str, Any]:
    response = await desk.post("/v1/decisions", {"items": [asked | {"request_id": str(uuid4())}]})
    return response.json()["items"][0]  # type: ignore[no-any-return]


async def test_consent_opens_the_hours_agreed_to(desk: Desk) -> None:
    asked = await american(desk)
    before = await may_i(desk, asked)
    assert [(one["rule"], one["override"]) for one in before["reasons"]] == [("US-REGF-TIME", "consent")]
    response = await desk.post("/v1/consents", consent(asked["party_id"]))
    assert response.status_code == 201, response.text
    after = await may_i(desk, asked)
    assert after["decision"] == "allow"
    kept = (await desk.get(f"/v1/decisions/{after['decision_id']}")).json()["record"]
    (ruling,) = [one for one in kept["rules"] if one["rule"] == "US-REGF-TIME"]
    assert ruling["values"]["consent"] == response.json()["override_id"]


async def test_withdrawn_consent_revokes_the_permit(desk: Desk) -> None:
    asked = await american(desk)
    given = (await desk.post("/v1/consents", consent(asked["party_id"]))).json()
    (granted,) = await desk.ask(asked)
    assert granted["decision"] == "allow"
    desk.clock.business += timedelta(hours=1)
    response = await desk.post(f"/v1/consents/{given['override_id']}/withdraw", {})
    assert response.json()["withdrawn"] is True
    assert (await desk.events("compliance.permit_revoked"))[0]["permit_id"] == granted["permit_id"]
    assert (await may_i(desk, asked))["decision"] == "deny"


async def test_consent_is_not_backdated(desk: Desk) -> None:
    asked = await american(desk)
    body = consent(asked["party_id"], valid_from=(NOW - timedelta(hours=1)).isoformat())
    response = await desk.post("/v1/consents", body)
    assert (response.status_code, response.json()["type"].rsplit("/", 1)[1]) == (422, "override-backdated")


@pytest.mark.parametrize(
    ("path", "changes", "who_may"),
    [
        ("/v1/consents", {"rule": "US-REGF-14A", "opens": None, "closes": None}, "supervisor"),
        ("/v1/consents", {"rule": "BANK-INSOLVENCY", "opens": None, "closes": None}, None),
        ("/v1/consents", {"rule": "NO-SUCH-RULE"}, None),
        ("/v1/overrides", {"rule": "US-REGF-TIME"}, "consent"),
    ],
)
async def test_rule_is_passed_only_by_whom_it_names(
    desk: Desk, path: str, changes: dict[str, Any], who_may: str | None
) -> None:
    asked = await american(desk)
    body = (consent if path == "/v1/consents" else override)(asked["party_id"], **changes)
    response = await desk.post(path, body)
    assert (response.status_code, response.json()["type"].rsplit("/", 1)[1]) == (409, "not-overridable")
    assert response.json()["override"] == who_may


async def test_supervisor_passes_a_warning_with_a_leaf(desk: Desk) -> None:
    case = await desk.open_case(jurisdiction="US", time_zones=["America/New_York"])
    response = await desk.post("/v1/overrides", override(case.party_id), by="supervisor-7")
    assert response.status_code == 201, response.text
    await desk.sequencer.integrate()
    async with desk.database.read_only() as uow:
        kinds = await uow.sql.fetchval("SELECT array_agg(kind) FROM log_entry WHERE kind = 'override'")
        waiting = await uow.sql.fetchval("SELECT count(*) FROM log_pending")
        reason = await uow.sql.fetchval("SELECT sealed_reason FROM given_override")
    assert (kinds, waiting) == (["override"], 0)
    assert b"branch" not in bytes(reason)
    (listed,) = (await desk.get("/v1/overrides", by="supervisor")).json()["items"]
    assert (listed["by_whom"], listed["rule"]) == ("supervisor-7", "US-REGF-14A")


async def test_day_has_a_quota_per_person(desk: Desk) -> None:
    case = await desk.open_case()
    for _ in range(OVERRIDES_PER_DAY):
        assert (await desk.post("/v1/overrides", override(case.party_id), by="one")).status_code == 201
    response = await desk.post("/v1/overrides", override(case.party_id), by="one")
    assert (response.status_code, response.json()["type"].rsplit("/", 1)[1]) == (409, "override-quota-spent")
    assert (await desk.post("/v1/overrides", override(case.party_id), by="other")).status_code == 201
    desk.clock.business += timedelta(hours=24)
    later = {
        "valid_from": desk.clock.business.isoformat(),
        "valid_to": (desk.clock.business + timedelta(days=1)).isoformat(),
    }
    assert (await desk.post("/v1/overrides", override(case.party_id, **later), by="one")).status_code == 201


async def test_a_quota_is_of_a_person_not_of_a_client(desk: Desk) -> None:
    case = await desk.open_case()
    response = await desk.post("/v1/overrides", override(case.party_id), by="supervisor", client="supervisor")
    assert (response.status_code, response.json()["type"].rsplit("/", 1)[1]) == (403, "person-needed")


async def test_who_collects_overrides_nothing(desk: Desk) -> None:
    case = await desk.open_case()
    response = await desk.post("/v1/overrides", override(case.party_id), attributes={"collector_id": "c-1"})
    assert response.status_code == 403


async def test_override_lasts_seven_days_at_most(desk: Desk) -> None:
    case = await desk.open_case()
    body = override(case.party_id, valid_to=(NOW + timedelta(days=8)).isoformat())
    response = await desk.post("/v1/overrides", body)
    assert (response.status_code, response.json()["type"].rsplit("/", 1)[1]) == (422, "override-too-long")


async def test_permission_of_one_kind_is_not_withdrawn_as_the_other(desk: Desk) -> None:
    case = await desk.open_case()
    given = (await desk.post("/v1/overrides", override(case.party_id))).json()
    assert (await desk.post(f"/v1/consents/{given['override_id']}/withdraw", {})).status_code == 404
    assert (await desk.post(f"/v1/overrides/{given['override_id']}/withdraw", {})).json()["withdrawn"] is True
