"""What another system kept is taken over once, and nobody is contacted before two people have accepted it."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from cli.approving import Approver
from services.compliance.domain.cutovers import CutoverTerms, Stage, sign
from shared.events.case import CaseOpened

from .conftest import NOW, Desk, visit_contact, visit_request
from .test_told_of_erased import erased

TODAY = date(2026, 3, 2)
ROOT = "/v1/cutovers/old-2026"
LAST_YEAR = date(2025, 2, 1)


@pytest.fixture
def signers(desk: Desk, tmp_path: Path) -> list[Approver]:
    """Two people with registered keys."""
    people = [Approver.open(tmp_path / one, one) for one in ("Ann Ames", "Bob Bell")]
    registered = tuple(one.registration(TODAY) for one in people)
    object.__setattr__(desk.instruments, "approver_keys", registered)
    return people


def signed(people: list[Approver], stage: Stage, said: Any, on: date) -> list[dict[str, Any]]:
    return [
        sign(stage, said, approver=one.person, on=on, key=one.key.vkey, signs=one.signing.sign_bytes).model_dump(
            mode="json"
        )
        for one in people
    ]


def terms(**changes: Any) -> CutoverTerms:
    values: dict[str, Any] = {
        "cutover_id": "old-2026", "core": "core", "business_date": TODAY, "history_from": LAST_YEAR, "places": ["CN"],
        "manifest_sha256": "a" * 64, "dry_run_sha256": "b" * 64, "expected": {"contact": 1},
    }  # fmt: skip
    return CutoverTerms(**(values | changes))


def today(desk: Desk) -> date:
    return desk.clock.real.date()


async def begin(desk: Desk, people: list[Approver], **changes: Any) -> Any:
    said = terms(**changes)
    on = max(today(desk), TODAY)
    body = {"terms": said.model_dump(mode="json"), "signatures": signed(people, "begin", said.document(), on)}
    return await desk.post("/v1/cutovers", body)


async def accept(desk: Desk, people: list[Approver]) -> Any:
    said = {"cutover_id": "old-2026", "read_back_sha256": "c" * 64}
    signatures = signed(people, "accept", said, max(today(desk), TODAY))
    return await desk.post(f"{ROOT}/accept", {"read_back_sha256": "c" * 64, "signatures": signatures})


def contact(case: CaseOpened, reference: str = "k-1", **changes: Any) -> dict[str, Any]:
    began = NOW - timedelta(days=3)
    values = {
        "party_id": str(case.party_id), "channel": "visit", "started_at": began.isoformat(),
        "ended_at": (began + timedelta(minutes=20)).isoformat(), "outcome": "met", "reached": "debtor",
    }  # fmt: skip
    return {"kind": "contact", "record_ref": reference, "contact": values | changes}


async def send(desk: Desk, *items: dict[str, Any]) -> list[str]:
    answer = await desk.post(f"{ROOT}/records", {"items": list(items)})
    assert answer.status_code == 200, answer.text
    return [one["status"] for one in answer.json()["items"]]


async def everything(desk: Desk, signers: list[Approver]) -> CaseOpened:
    """A person whose one past contact was imported."""
    assert (await begin(desk, signers)).status_code == 201
    case = await desk.open_case()
    assert (await desk.post(f"{ROOT}/parties", {"party_ids": [str(case.party_id)]})).json() == {"parties": 1}
    assert await send(desk, contact(case)) == ["imported"]
    return case


async def test_nobody_is_granted_a_permit_before_the_cut_over_attests(desk: Desk, signers: list[Approver]) -> None:
    case = await everything(desk, signers)
    (answer,) = await desk.ask(visit_request(case))
    assert answer["decision"] == "needs-fact"
    assert "party.history_known_from" in {one["lawful_after"] for one in answer["reasons"]}
    assert (await desk.post(f"{ROOT}/attestations", {"party_ids": [str(case.party_id)]})).status_code == 409
    assert (await accept(desk, signers)).json()["state"] == "accepted"
    taken = await desk.post(f"{ROOT}/attestations", {"party_ids": [str(case.party_id)]})
    assert taken.json() == {"parties": 1}
    (answer,) = await desk.ask(visit_request(case))
    assert answer["decision"] == "deny", "the old system's visit of three days ago counts"
    closed = (await desk.post(f"{ROOT}/close", {})).json()
    assert (closed["state"], closed["parties"], closed["attested"]) == ("closed", 1, 1)
    assert (await desk.post(f"{ROOT}/records", {"items": [contact(case, "k-2")]})).status_code == 409


async def test_a_person_left_out_stays_refused_and_is_listed(desk: Desk, signers: list[Approver]) -> None:
    case = await everything(desk, signers)
    await accept(desk, signers)
    await desk.post(f"{ROOT}/close", {})
    assert (await desk.get(f"{ROOT}/unattested")).json()["items"] == [{"party_id": str(case.party_id)}]
    assert (await desk.ask(visit_request(case)))[0]["decision"] == "needs-fact"


async def test_it_begins_under_two_registered_people_only(desk: Desk, signers: list[Approver]) -> None:
    assert (await begin(desk, signers[:1])).json()["type"].endswith("cutover-not-signed")
    assert (await begin(desk, [signers[0], signers[0]])).status_code == 403
    stranger = Approver.open(desk.database.settings.key_folder / "x", "Eve Else")
    assert (await begin(desk, [signers[0], stranger])).status_code == 403
    assert (await begin(desk, signers)).status_code == 201
    assert (await begin(desk, signers)).status_code == 201, "begun again it goes on"
    assert (await begin(desk, signers, manifest_sha256="d" * 64)).status_code == 409


async def test_contacts_must_reach_as_far_back_as_any_rule_looks(desk: Desk, signers: list[Approver]) -> None:
    needed = (await desk.get("/v1/look-back", place="CN", on="2026-03-02")).json()
    assert needed["needed_from"] is not None
    late = date.fromisoformat(needed["needed_from"]) + timedelta(days=1)
    answer = await begin(desk, signers, history_from=late)
    assert (answer.status_code, answer.json()["rule"]) == (422, needed["rule"])


async def test_each_record_is_imported_once_and_a_bad_one_harms_no_other(desk: Desk, signers: list[Approver]) -> None:
    case = await everything(desk, signers)
    future = contact(case, "k-2", started_at="2027-01-01T00:00:00Z", ended_at="2027-01-01T00:00:00Z")
    held = {
        "party_id": str(case.party_id), "kind": "hardship", "valid_from": NOW.isoformat(), "source_ref": "h-1",
    }  # fmt: skip
    told = {"party_id": str(case.party_id), "channel": "web", "received_at": NOW.isoformat(), "reference": "c-1"}
    items = [
        contact(case),
        future,
        {"kind": "contact", "record_ref": "k-3"},
        {"kind": "hold", "record_ref": "h-1", "hold": held},
        {"kind": "hold", "record_ref": "h-1", "hold": held},
        {"kind": "complaint", "record_ref": "c-1", "complaint": told},
        {
            "kind": "third_person", "record_ref": "t-1",
            "inquiry": {"contact_point": "+8613800000001", "asked_on": "2026-02-01", "asked": 1, "refused": True},
        },
    ]  # fmt: skip
    expected = ["repeated", "refused", "refused", "imported", "repeated", "imported", "imported"]
    assert await send(desk, *items) == expected
    assert await send(desk, *items) == ["repeated", "refused", "refused", *["repeated"] * 4]
    view = (await desk.get(ROOT)).json()
    assert view["held"] == {"hold": 1, "complaint": 1, "contact": 1, "third_person": 1}
    checked = await desk.http.post("/v1/cutover-checks", json={"items": items}, headers=desk._headers())
    assert [one["status"] for one in checked.json()["items"]] == ["good", "refused", "refused", *["good"] * 4]


async def test_what_differs_from_what_was_announced_is_not_accepted(desk: Desk, signers: list[Approver]) -> None:
    assert (await begin(desk, signers, expected={"contact": 2})).status_code == 201
    case = await desk.open_case()
    await send(desk, contact(case))
    answer = await accept(desk, signers)
    assert answer.status_code == 409
    assert answer.json()["differences"] == [{"kind": "contact", "announced": 2, "held": 1, "erased": 0}]


async def test_who_was_erased_meanwhile_does_not_keep_the_others_waiting(desk: Desk, signers: list[Approver]) -> None:
    assert (await begin(desk, signers, expected={"contact": 2})).status_code == 201
    case, gone = await desk.open_case(), await erased(desk)
    items = contact(case), contact(gone, "k-2")
    assert await send(desk, *items) == ["imported", "erased"]
    assert await send(desk, *items) == ["repeated", "erased"], "counted once"
    view = (await desk.get(ROOT)).json()
    assert (view["held"]["contact"], view["erased"]) == (1, {"contact": 1})
    assert (await accept(desk, signers)).json()["state"] == "accepted"


async def test_what_another_cut_over_of_the_same_system_imported_counts_once(
    desk: Desk, signers: list[Approver]
) -> None:
    assert (await begin(desk, signers, system="old")).status_code == 201
    case = await desk.open_case()
    assert await send(desk, contact(case)) == ["imported"]
    assert (await begin(desk, signers, cutover_id="again-2026", system="old")).status_code == 201
    body = {"items": [contact(case), contact(case, outcome="no_answer")]}
    answer = (await desk.post("/v1/cutovers/again-2026/records", body)).json()["items"]
    assert [one["status"] for one in answer] == ["repeated", "repeated"]
    assert (await desk.get("/v1/cutovers/again-2026")).json()["held"]["contact"] == 1
    changed = {"items": [contact(case, "k-1b", outcome="no_answer")]}
    assert (await desk.post("/v1/cutovers/again-2026/records", changed)).json()["items"][0]["status"] == "imported"
    assert (await begin(desk, signers, cutover_id="other-2026", system="another")).status_code == 201
    answer = (await desk.post("/v1/cutovers/other-2026/records", {"items": [contact(case)]})).json()["items"]
    assert answer[0]["status"] == "imported", "references of two systems are not the same"


async def test_an_imported_contact_opens_no_finding_and_is_announced_to_nobody(
    desk: Desk, signers: list[Approver]
) -> None:
    case = await everything(desk, signers)
    assert (await desk.get("/v1/findings", party_id=str(case.party_id))).json()["items"] == []
    await desk.sequencer.integrate()
    assert await desk.events("compliance.contact_audited") == []
    await desk.deliver("contact", ("contact.recorded", visit_contact(case, None)))
    found = (await desk.get("/v1/findings", party_id=str(case.party_id))).json()["items"]
    contacts = {one["contact_id"] for one in found}
    async with desk.database.read_only() as uow:
        imported: UUID = await uow.sql.fetchval("SELECT contact_id FROM contact_audit WHERE verdict = 'imported'")
    assert contacts - {str(imported)} == contacts != set()
