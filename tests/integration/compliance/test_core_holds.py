"""Holds that a core has told of: compliance keeps them as they are known now, and permits follow."""

from datetime import timedelta
from typing import Any, get_args

from services.compliance.domain.holds import HOLD_OF_CORE, HOLD_OF_STOP, Hold
from services.compliance.store.holds import load_holds
from shared.events.case import CaseClosed, CaseHoldSeen, CaseOpened, PartyConsentsTold, PartyMinorityChanged
from shared.events.loan import Consent, HeldFor
from shared.events.stop import StopCause
from shared.ids import derived_id

from .conftest import Desk, visit_request


def seen(desk: Desk, case: CaseOpened, version: int, **changes: Any) -> CaseHoldSeen:
    """An insolvency from today on, without an end."""
    told = {
        "hold_ref": "H-1", "kind": "insolvency", "scope": "party", "debt_id": derived_id("debt", "core-a", "L-1"),
        "starts_on": desk.clock.business.date(), "ends_on": None,
    }  # fmt: skip
    return CaseHoldSeen(**{"case_id": case.case_id, "party_id": case.party_id, "version": version, **told, **changes})


async def holds_of(desk: Desk, case: CaseOpened) -> list[Hold]:
    async with desk.database.read_only() as uow:
        return (await load_holds(uow, [case.party_id])).get(case.party_id, [])


async def test_a_hold_of_the_core_revokes_and_refuses(desk: Desk) -> None:
    case = await desk.open_case()
    (granted,) = await desk.ask(visit_request(case))
    await desk.deliver("case", ("case.hold_seen", seen(desk, case, 2)))
    (revoked,) = await desk.events("compliance.permit_revoked")
    assert revoked["permit_id"] == granted["permit_id"]
    (refused,) = await desk.ask(visit_request(case))
    assert refused["decision"] == "deny"


async def test_what_is_known_now_takes_the_place_of_what_was_known(desk: Desk) -> None:
    case = await desk.open_case()
    await desk.deliver("case", ("case.hold_seen", seen(desk, case, 2)))
    past = desk.clock.business.date() - timedelta(days=3)
    await desk.deliver("case", ("case.hold_seen", seen(desk, case, 3, starts_on=past, ends_on=past)))
    before, now = sorted(await holds_of(desk, case), key=lambda hold: hold.source_ref)
    assert before.ended_at == desk.clock.business
    assert now.valid_to is not None
    assert now.valid_to < desk.clock.business
    (answer,) = await desk.ask(visit_request(case))
    assert answer["decision"] == "allow"


async def test_the_core_alone_does_not_end_what_two_people_end(desk: Desk) -> None:
    case = await desk.open_case()
    await desk.deliver("case", ("case.hold_seen", seen(desk, case, 2, kind="deceased")))
    past = desk.clock.business.date() - timedelta(days=3)
    await desk.deliver("case", ("case.hold_seen", seen(desk, case, 3, kind="deceased", starts_on=past, ends_on=past)))
    assert {(hold.kind, hold.until) for hold in await holds_of(desk, case)} == {("deceased", None)}


async def test_a_closed_case_revokes_what_is_planned_by_its_cause(desk: Desk) -> None:
    case = await desk.open_case()
    await desk.ask(visit_request(case))
    closed = CaseClosed(
        case_id=case.case_id, party_id=case.party_id, version=2, business_date=desk.clock.business.date(),
        cause="sold", overdue_totals=[],
    )  # fmt: skip
    await desk.deliver("case", ("case.closed", closed))
    (revoked,) = await desk.events("compliance.permit_revoked")
    assert revoked["cause"] == "sold"


def test_every_word_of_the_events_has_a_meaning() -> None:
    assert HOLD_OF_CORE.keys() == set(get_args(HeldFor))
    assert HOLD_OF_STOP.keys() == set(get_args(StopCause))


async def test_a_corrected_hold_keeps_the_earlier_knowledge(desk: Desk) -> None:
    """Valid time and recorded time: what was known of a day, and when; a later word replaces none of it."""
    case = await desk.open_case()
    day = desk.clock.business.date()
    await desk.deliver("case", ("case.hold_seen", seen(desk, case, 2, starts_on=day - timedelta(days=5))))
    first_known = desk.clock.real
    desk.clock.advance(timedelta(minutes=5))
    corrected = seen(desk, case, 3, starts_on=day - timedelta(days=2), ends_on=day - timedelta(days=1))
    await desk.deliver("case", ("case.hold_seen", corrected))
    holds = await holds_of(desk, case)
    assert [hold.valid_from.date() for hold in holds] == [day - timedelta(days=6), day - timedelta(days=3)]
    known_then = [hold for hold in holds if hold.recorded_real <= first_known]
    assert [(hold.valid_from.date(), hold.valid_to) for hold in known_then] == [(day - timedelta(days=6), None)]
    assert holds[0].ended_at == desk.clock.business, "it stood, as far as anybody knew, until the correction came"


async def test_nobody_speaks_with_a_minor_until_they_are_of_age(desk: Desk) -> None:
    case = await desk.open_case()
    (granted,) = await desk.ask(visit_request(case))
    day = desk.clock.business.date()
    young = PartyMinorityChanged(party_id=case.party_id, is_minor=True, seen_on=day)
    await desk.deliver("case", ("party.minority_changed", young))
    (revoked,) = await desk.events("compliance.permit_revoked")
    assert revoked["permit_id"] == granted["permit_id"]
    (refused,) = await desk.ask(visit_request(case))
    assert "BANK-MINOR" in {reason["rule"] for reason in refused["reasons"]}
    of_age = young.model_copy(update={"is_minor": False})
    await desk.deliver("case", ("party.minority_changed", of_age))
    (answer,) = await desk.ask(visit_request(case))
    assert "BANK-MINOR" not in {reason["rule"] for reason in answer["reasons"]}
    assert [hold.until is None for hold in await holds_of(desk, case)] == [False]


async def test_consents_of_the_core_are_facts_that_it_owns(desk: Desk) -> None:
    case = await desk.open_case()
    said = Consent(kind="electronic_contact", given=True, said_at=desk.clock.business, evidence="DOC-1")
    told = PartyConsentsTold(party_id=case.party_id, consents=[said])
    await desk.deliver("case", ("party.consents_told", told), ("party.consents_told", told))
    desk.clock.advance(timedelta(minutes=1))
    later = said.model_copy(update={"given": False, "said_at": desk.clock.business + timedelta(days=400)})
    await desk.deliver("case", ("party.consents_told", told.model_copy(update={"consents": [later]})))
    async with desk.database.read_only() as uow:
        rows = await uow.sql.fetch("SELECT name, owner, as_of FROM dossier_entry ORDER BY recorded_real, as_of")
    assert [(row["name"], row["owner"]) for row in rows] == [("electronic_consent", "core")] * len(rows)
    assert len(rows) == 2
    assert max(row["as_of"] for row in rows) <= desk.clock.business
