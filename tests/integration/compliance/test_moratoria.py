"""Holds on one loan, and moratoria that reach everyone jointly liable for the debt."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from services.compliance.moratorium_desk import REACH, reach_timer
from shared.events.case import CaseOpened, CasePartyUnmerged
from shared.messaging import intent_store
from shared.messaging.intents import TimerDue

from .conftest import Desk, visit_contact, visit_request
from .test_debts import loan, updated
from .test_holds import end, place
from .test_identity import merge
from .test_identity import told as told_of


async def carry(desk: Desk) -> int:
    """What the worker does with the intents that wait; how many there were."""
    timer = reach_timer(desk.instruments)
    async with desk.database.unit_of_work() as uow:
        leased = await intent_store.lease(uow, REACH, limit=50, lease_id=uuid4(), duration=timedelta(minutes=1))
    for intent in leased:
        async with desk.database.unit_of_work() as uow:
            await timer.commit(uow, [(intent, TimerDue())])
    return len(leased)


async def joint(desk: Desk) -> tuple[CaseOpened, CaseOpened, UUID, UUID]:
    """Two people with a debt that both are liable for, and one that only the first owes."""
    first = await desk.open_case()
    shared, own = uuid4(), uuid4()
    second = await desk.open_case(loans=[loan(first.party_id, debt_id=shared)])
    mine = [loan(second.party_id, debt_id=shared), loan(debt_id=own, loan_ref="L-2")]
    first = updated(first, loans=mine)
    await desk.deliver("case", ("case.updated", first))
    await carry(desk)
    return first, second, shared, own


async def decision(desk: Desk, case: CaseOpened, **changes: Any) -> str:
    (answer,) = (await desk.post("/v1/decisions", {"items": [visit_request(case, **changes)]})).json()["items"]
    return str(answer["decision"])


async def test_hold_on_one_loan_leaves_the_other_free(desk: Desk) -> None:
    case, _, shared, own = await joint(desk)
    hold = await place(desk, case, scope="loan", debt_id=str(shared))
    assert (hold["scope"], hold["debt_id"]) == ("loan", str(shared))
    assert await decision(desk, case, debt_ids=[str(own)]) == "allow"
    assert await decision(desk, case, debt_ids=[str(own), str(shared)]) == "deny"
    assert await decision(desk, case) == "deny", "not said: all loans of the person"
    assert await decision(desk, case, debt_ids=[str(uuid4())]) == "deny", "a debt that is not theirs narrows nothing"


async def test_hold_on_one_loan_revokes_only_what_is_about_it(desk: Desk) -> None:
    case, _, shared, own = await joint(desk)
    (about_own,) = await desk.ask(visit_request(case, channel="call", debt_ids=[str(own)]))
    (about_all,) = await desk.ask(visit_request(case, channel="call"))
    assert about_own["decision"] == about_all["decision"] == "allow", (about_own, about_all)
    await place(desk, case, scope="loan", debt_id=str(shared))
    states = [(await desk.get(f"/v1/permits/{one['permit_id']}")).json()["revoked"] for one in (about_own, about_all)]
    assert states == [False, True]


async def test_same_source_on_two_loans_is_two_holds(desk: Desk) -> None:
    case, _, shared, own = await joint(desk)
    holds = [await place(desk, case, scope="loan", debt_id=str(one)) for one in (shared, own, shared)]
    assert holds[0]["hold_id"] == holds[2]["hold_id"] != holds[1]["hold_id"]
    await end(desk, holds[0])
    assert await decision(desk, case, debt_ids=[str(shared)]) == "allow"
    assert await decision(desk, case) == "deny"


async def test_moratorium_reaches_the_jointly_liable_and_recalls_their_permits(desk: Desk) -> None:
    first, second, _, _ = await joint(desk)
    (permit,) = await desk.ask(visit_request(second))
    hold = await place(desk, first, kind="breathing_space")
    assert await decision(desk, second) == "deny", "read at once, before anything is carried"
    assert await carry(desk) == 1
    assert (await desk.get(f"/v1/permits/{permit['permit_id']}")).json()["revoke_cause"] == "breathing_space"
    assert [one["permit_id"] for one in await desk.events("compliance.permit_revoked")] == [permit["permit_id"]]
    await end(desk, hold)
    assert await decision(desk, second, channel="call") == "allow"


async def test_liability_that_becomes_known_later_is_reached_too(desk: Desk) -> None:
    first, second = await desk.open_case(), await desk.open_case()
    await place(desk, first, kind="insolvency")
    (permit,) = await desk.ask(visit_request(second))
    assert permit["decision"] == "allow"
    assert await carry(desk) == 0
    second = updated(second, loans=[loan(first.party_id)])
    await desk.deliver("case", ("case.updated", second))
    assert (await desk.get(f"/v1/permits/{permit['permit_id']}")).json()["revoke_cause"] == "BANK-INSOLVENCY"
    assert await carry(desk) == 1
    assert await decision(desk, second, channel="call", versions={"case": 2}) == "deny"


async def test_moratorium_that_is_over_recalls_nothing_of_who_turns_out_to_be_liable(desk: Desk) -> None:
    first, second = await desk.open_case(), await desk.open_case()
    await end(desk, await place(desk, first, kind="insolvency"))
    (permit,) = await desk.ask(visit_request(second))
    await desk.deliver("case", ("case.updated", updated(second, loans=[loan(first.party_id)])))
    assert await carry(desk) == 1
    assert not (await desk.get(f"/v1/permits/{permit['permit_id']}")).json()["revoked"]


async def test_loan_of_one_person_alone_carries_nothing(desk: Desk) -> None:
    await desk.open_case(loans=[loan()])
    assert await carry(desk) == 0


async def test_contact_with_the_jointly_liable_under_a_backdated_moratorium_is_harm(desk: Desk) -> None:
    first, second, _, _ = await joint(desk)
    (permit,) = await desk.ask(visit_request(second))
    contact = visit_contact(second, permit, started_real=desk.clock.real)
    await desk.deliver("contact", ("contact.recorded", contact))
    desk.clock.business = contact.started_at + timedelta(hours=3)
    desk.clock.real += timedelta(minutes=2)
    await place(desk, first, kind="breathing_space", valid_from=(contact.started_at - timedelta(days=1)).isoformat())
    await carry(desk)
    found = {one["rule"]: (one["conduct"], one["harm"]) for one in (await desk.get("/v1/findings")).json()["items"]}
    assert found == {"BANK-MORATORIUM": (False, True)}


async def test_debt_named_without_its_scope_is_refused(desk: Desk) -> None:
    case = await desk.open_case()
    body = {"party_id": str(case.party_id), "kind": "dispute", "valid_from": "2026-03-02T02:00:00Z", "source_ref": "s"}
    for changes in ({"scope": "loan"}, {"debt_id": str(uuid4())}, {"scope": "contact_point"}):
        assert (await desk.post("/v1/holds", body | changes)).status_code == 422


async def test_list_shows_what_reaches_a_person_and_names_nobody(desk: Desk) -> None:
    first, second, shared, _ = await joint(desk)
    own = await place(desk, second, kind="dispute", source_ref="s-2")
    hold = await place(desk, first, kind="breathing_space", source_ref="register-7")
    response = await desk.get("/v1/holds", party_id=str(second.party_id))
    items = response.json()["items"]
    assert [(one["kind"], one["through_debt_id"]) for one in items] == [
        ("dispute", None), ("breathing_space", str(shared))
    ]  # fmt: skip
    assert (items[0]["hold_id"], items[1]["scope"]) == (own["hold_id"], "loan")
    for name in (str(first.party_id), hold["hold_id"], "register-7"):
        assert name not in response.text
    page = (await desk.get("/v1/holds", party_id=str(second.party_id), limit=1)).json()
    rest = (await desk.get("/v1/holds", party_id=str(second.party_id), limit=1, cursor=page["next"])).json()
    assert [one["hold_id"] for one in page["items"] + rest["items"]] == [one["hold_id"] for one in items]
    await end(desk, hold)
    items = (await desk.get("/v1/holds", party_id=str(second.party_id))).json()["items"]
    assert [one["kind"] for one in items] == ["dispute"]


async def test_other_services_hear_of_what_reaches_people_and_of_its_end(desk: Desk) -> None:
    first, second, shared, _ = await joint(desk)
    hold = await place(desk, first, kind="mental_health_crisis", source_ref="amhp-3", valid_to="2026-05-01T00:00:00Z")
    await carry(desk)
    own, reached = await desk.events("compliance.hold_placed")
    assert (own["party_id"], own["kind"], own["scope"]) == (str(first.party_id), "breathing_space", "collection")
    assert (reached["party_id"], reached["debt_id"], reached["through_debt"]) == (
        str(second.party_id), str(shared), True
    )  # fmt: skip
    for event in (own, reached):
        assert not {"mental_health_crisis", "amhp-3"} & set(map(str, event.values()))
    assert not {str(first.party_id), hold["hold_id"]} & set(map(str, reached.values()))
    await carry(desk)
    await end(desk, hold)
    assert await carry(desk) == 1
    ended = [one for one in await desk.events("compliance.hold_ended") if one["through_debt"]]
    assert [(one["hold_id"], one["source_ref"]) for one in ended] == [(reached["hold_id"], reached["source_ref"])]
    assert ended[0]["valid_to"] == "2026-04-01T02:00:00Z", "thirty days after the treatment"
    assert len(await desk.events("compliance.hold_placed")) == 2


async def test_who_is_no_longer_liable_is_told_to_be_free(desk: Desk) -> None:
    first, second, shared, _ = await joint(desk)
    await place(desk, first, kind="breathing_space")
    await carry(desk)
    for case in (first, second):
        await desk.deliver("case", ("case.updated", updated(case, loans=[loan(debt_id=shared)])))
    await carry(desk)
    (ended,) = await desk.events("compliance.hold_ended")
    assert (ended["party_id"], ended["through_debt"]) == (str(second.party_id), True)


async def part(desk: Desk, merged: CaseOpened, survivor: CaseOpened) -> None:
    """Two people again; what is told from now on is each one's own."""
    for own in (survivor, merged):
        await desk.deliver("case", told_of(CasePartyUnmerged, own, merged, survivor, version=2))
    desk.clock.real += timedelta(seconds=1)


async def test_moratorium_of_who_turns_out_to_be_an_obligor_reaches_the_others_until_they_part(desk: Desk) -> None:
    first, second, _, _ = await joint(desk)
    third = await desk.open_case()
    await place(desk, third, kind="breathing_space")
    (permit,) = await desk.ask(visit_request(second))
    assert (permit["decision"], await carry(desk)) == ("allow", 0)
    desk.clock.real += timedelta(seconds=1)
    await merge(desk, first, third)
    assert await decision(desk, second, channel="call") == "deny"
    assert await carry(desk) == 2, "a word under each key"
    assert (await desk.get(f"/v1/permits/{permit['permit_id']}")).json()["revoke_cause"] == "breathing_space"
    assert [one["party_id"] for one in await desk.events("compliance.hold_placed") if one.get("through_debt")] == [
        str(second.party_id)
    ]
    await part(desk, first, third)
    await carry(desk)
    assert await decision(desk, second, channel="call") == "allow"
    assert [one["party_id"] for one in await desk.events("compliance.hold_ended")] == [str(second.party_id)]


async def test_moratorium_told_while_two_were_one_holds_for_both_and_reaches_whoever_owes_with_either(
    desk: Desk,
) -> None:
    first, second, _, _ = await joint(desk)
    third = await desk.open_case()
    await merge(desk, first, third)
    await carry(desk)
    (permit,) = await desk.ask(visit_request(second))
    assert permit["decision"] == "allow"
    hold = await place(desk, third, kind="breathing_space")
    assert await carry(desk) == 1
    assert (await desk.get(f"/v1/permits/{permit['permit_id']}")).json()["revoked"]
    await part(desk, first, third)
    await carry(desk)
    assert await decision(desk, second, channel="call") == "deny", "nobody can say of whom it was told"
    await end(desk, hold)
    assert await carry(desk) == 1
    assert await decision(desk, second, channel="call") == "allow"


async def test_moratorium_reaches_the_other_id_of_an_obligor_while_both_are_one(desk: Desk) -> None:
    first, second, _, _ = await joint(desk)
    third = await desk.open_case()
    await merge(desk, first, third)
    await carry(desk)
    (permit,) = await desk.ask(visit_request(third, channel="call"))
    assert permit["decision"] == "allow"
    await place(desk, second, kind="insolvency")
    assert await decision(desk, third) == "deny"
    await carry(desk)
    assert (await desk.get(f"/v1/permits/{permit['permit_id']}")).json()["revoked"]
    await part(desk, first, third)
    await carry(desk)
    assert await decision(desk, third) == "allow"
    assert await decision(desk, first) == "deny"
