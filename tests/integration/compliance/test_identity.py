"""Two ids that are one person: contacts and holds of both count, permits are revoked, in whatever order it is heard."""

import itertools
from datetime import timedelta
from typing import Any

from services.compliance.store.facts import load_facts
from shared.events.case import CaseIdentity, CaseOpened, CasePartyMerged, CasePartyUnmerged, CaseReleased, CaseSuspended
from shared.events.contact import ContactRecorded
from shared.events.stop import PartyStopped

from .conftest import Desk, opened_case, visit_contact, visit_request
from .test_core_holds import seen
from .test_sharing import carry


def told(model: type[CaseIdentity], own: CaseOpened, merged: CaseOpened, survivor: CaseOpened, version: int = 1) -> Any:
    """The word under the key of `own`."""
    name = "case.party_merged" if model is CasePartyMerged else "case.party_unmerged"
    data = model(
        party_id=own.party_id, merged_id=merged.party_id, survivor_id=survivor.party_id, version=version,
        merged_case_id=merged.case_id, survivor_case_id=survivor.case_id, business_date=own.business_date,
    )  # fmt: skip
    return name, data


async def merge(desk: Desk, merged: CaseOpened, survivor: CaseOpened) -> None:
    for own in (survivor, merged):
        await desk.deliver("case", told(CasePartyMerged, own, merged, survivor))


async def counted(desk: Desk, case: CaseOpened) -> int:
    async with desk.database.unit_of_work() as uow:
        facts = await load_facts(uow, desk.instruments.cipher, [case.party_id])
    return len(facts[case.party_id].counted)


async def held(desk: Desk, case: CaseOpened) -> set[str]:
    async with desk.database.unit_of_work() as uow:
        facts = await load_facts(uow, desk.instruments.cipher, [case.party_id])
    return {hold.kind for hold in facts[case.party_id].holds if hold.until is None}


def stopped(desk: Desk, case: CaseOpened) -> tuple[str, PartyStopped]:
    return "party.stopped", PartyStopped(
        party_id=case.party_id, cause="stop_request", scope="party", since=desk.clock.business,
        arrived_at=desk.clock.real, reference="r-1",
    )  # fmt: skip


async def test_permits_of_both_are_revoked_and_the_one_given_up_gets_none(desk: Desk) -> None:
    first, second = await desk.open_case(), await desk.open_case()
    await desk.ask(visit_request(first), visit_request(second))
    await merge(desk, second, first)
    revoked = await desk.events("compliance.permit_revoked")
    assert {one["party_id"] for one in revoked} == {str(first.party_id), str(second.party_id)}
    given_up, remains = await desk.ask(visit_request(second), visit_request(first))
    assert given_up["decision"] == "deny"
    counts = [one["values"]["count"] for one in remains["reasons"] if "count" in one.get("values", {})]
    assert max(counts) == 2, "what a revoked permit reserved counts, whichever id it was granted for"


async def test_the_sum_of_contacts_and_the_union_of_holds(desk: Desk) -> None:
    first, second = await desk.open_case(), await desk.open_case()
    for case in (first, second):
        await desk.deliver("contact", ("contact.recorded", visit_contact(case, None)))
    await desk.deliver("stop", stopped(desk, second))
    assert (await counted(desk, first), await held(desk, first)) == (1, set())
    await merge(desk, second, first)
    assert (await counted(desk, first), await held(desk, first)) == (2, {"stop_request"})
    (refused,) = await desk.ask(visit_request(first))
    assert refused["decision"] == "deny"


async def test_a_contact_told_late_on_a_permit_of_before_is_held_against_those_under_the_other_id(desk: Desk) -> None:
    homes = ("a" * 32, "b" * 32)
    first, second = [await desk.open_case(household=home) for home in homes]
    (permit,) = await desk.ask(visit_request(second))
    early = visit_contact(second, permit)
    use = {"used_at": early.started_at.isoformat(), "contact_id": str(early.contact_id)}
    assert (await desk.post(f"/v1/permits/{permit['permit_id']}/use", use)).status_code == 200
    await merge(desk, second, first)
    later = visit_contact(first, None, **at(days=3))
    await desk.deliver("contact", ("contact.recorded", later))
    await carry(desk)
    assert not await limits_found(desk, later)
    await desk.deliver("contact", ("contact.recorded", early))
    await carry(desk)
    assert await limits_found(desk, later)


def at(*, days: int) -> dict[str, Any]:
    """Times of a visit so many days after the usual one."""
    usual = visit_contact(opened_case(), None)
    return {name: getattr(usual, name) + timedelta(days=days) for name in ("started_at", "ended_at")}


async def limits_found(desk: Desk, contact: ContactRecorded) -> bool:
    found = await desk.events("compliance.violation_found")
    return any(one["contact_id"] == str(contact.contact_id) and one["rule"] == "BANK-VISIT-30D" for one in found)


async def test_whatever_the_order_the_same_counts(desk: Desk) -> None:
    found = []
    for order in itertools.permutations(range(4)):
        first, second = opened_case(), opened_case()
        steps = [
            ("case", told(CasePartyMerged, first, second, first)),
            ("case", told(CasePartyMerged, second, second, first)),
            ("contact", ("contact.recorded", visit_contact(second, None))),
            ("stop", stopped(desk, second)),
        ]
        await desk.deliver("case", ("case.opened", first))
        await desk.deliver("case", ("case.opened", second))
        for number in order:
            topic, step = steps[number]
            await desk.deliver(topic, step)
        found.append((await counted(desk, first), await held(desk, first), await counted(desk, second)))
    assert set(map(str, found)) == {str((1, {"stop_request"}, 1))}


async def test_what_was_told_meanwhile_counts_for_both_after_the_unmerge(desk: Desk) -> None:
    first, second = await desk.open_case(), await desk.open_case()
    await desk.deliver("contact", ("contact.recorded", visit_contact(second, None)))
    desk.clock.real += desk.clock.real.resolution * 1000
    await merge(desk, second, first)
    await desk.deliver("contact", ("contact.recorded", visit_contact(first, None)))
    for own in (second, first):
        await desk.deliver("case", told(CasePartyUnmerged, own, second, first, version=2))
    desk.clock.real += desk.clock.real.resolution * 1000
    await desk.deliver("contact", ("contact.recorded", visit_contact(first, None)))
    assert (await counted(desk, first), await counted(desk, second)) == (2, 2)


async def test_after_the_unmerge_the_holds_of_the_core_are_told_again_and_each_keeps_its_own(desk: Desk) -> None:
    first, second = await desk.open_case(), await desk.open_case()
    desk.clock.real += desk.clock.real.resolution * 1000
    await merge(desk, second, first)
    await desk.deliver("case", ("case.hold_seen", seen(desk, first, 2)))
    await desk.deliver("case", ("case.hold_seen", seen(desk, first, 3, kind="dispute", hold_ref="H-2")))
    for own in (second, first):
        await desk.deliver("case", told(CasePartyUnmerged, own, second, first, version=2))
    assert (await held(desk, first), await held(desk, second)) == ({"insolvency", "dispute"},) * 2, "nobody can say yet"
    desk.clock.real += desk.clock.real.resolution * 1000
    await desk.deliver("case", ("case.hold_seen", seen(desk, second, 2)))
    await desk.deliver("case", ("case.hold_seen", seen(desk, first, 4, kind="dispute", hold_ref="H-2")))
    await carry(desk)
    assert (await held(desk, first), await held(desk, second)) == ({"dispute"}, {"insolvency"})


async def test_an_unmerge_heard_before_its_merge_stays(desk: Desk) -> None:
    first, second = await desk.open_case(), await desk.open_case()
    await desk.deliver("case", told(CasePartyUnmerged, second, second, first, version=2))
    await desk.deliver("case", told(CasePartyMerged, first, second, first))
    desk.clock.real += desk.clock.real.resolution * 1000
    await desk.deliver("contact", ("contact.recorded", visit_contact(second, None)))
    assert await counted(desk, first) == 0


async def test_the_suspension_ends_and_contact_is_possible_again(desk: Desk) -> None:
    first, second = await desk.open_case(), await desk.open_case()
    await merge(desk, second, first)
    identity = {"case_id": first.case_id, "party_id": first.party_id, "cause": "merging"}
    await desk.deliver("case", ("case.suspended", CaseSuspended(version=2, **identity)))
    (refused,) = await desk.ask(visit_request(first))
    await desk.deliver("case", ("case.released", CaseReleased(version=3, **identity)))
    (granted,) = await desk.ask(visit_request(first))
    assert (refused["decision"] != "allow", granted["decision"]) == (True, "allow")


async def test_a_late_contact_under_the_old_id_takes_back_what_it_leaves_no_room_for(desk: Desk) -> None:
    first, second = await desk.open_case(), await desk.open_case()
    await merge(desk, second, first)
    await carry(desk)
    (granted,) = await desk.ask(visit_request(first))
    earlier = desk.clock.business.replace(hour=1)
    for minute in range(0, 40, 10):
        start = earlier.replace(minute=minute)
        late = visit_contact(second, None, channel="visit", started_at=start, ended_at=start.replace(minute=minute + 5))
        await desk.deliver("contact", ("contact.recorded", late))
    await carry(desk)
    assert (await desk.get(f"/v1/permits/{granted['permit_id']}")).json()["revoked"]


async def test_a_stop_under_the_old_id_takes_back_what_was_granted_under_the_other(desk: Desk) -> None:
    first, second = await desk.open_case(), await desk.open_case()
    await merge(desk, second, first)
    (allowed,) = await desk.ask(visit_request(first))
    assert allowed["decision"] == "allow"
    await desk.deliver("stop", stopped(desk, second))
    await carry(desk)
    revoked = await desk.events("compliance.permit_revoked")
    assert [one["party_id"] for one in revoked] == [str(first.party_id)]


async def test_each_chain_names_the_other_person_and_only_its_key_opens_it(desk: Desk) -> None:
    first, second = await desk.open_case(), await desk.open_case()
    await merge(desk, second, first)
    async with desk.database.read_only() as uow:
        rows = await uow.sql.fetch("SELECT leaf_id, party_id, leaf FROM log_entry WHERE party_id IS NOT NULL")
    leaves = [row for row in rows if b'"kind":"identity"' in bytes(row["leaf"])]
    assert {row["party_id"] for row in leaves} == {first.party_id, second.party_id}
    assert not any(str(second.party_id).encode() in bytes(row["leaf"]) for row in leaves)


async def test_three_ids_of_one_person_count_together_and_any_of_them_ends_a_hold(desk: Desk) -> None:
    first, second, third = [await desk.open_case() for _ in range(3)]
    await desk.ask(visit_request(first))
    await desk.deliver("contact", ("contact.recorded", visit_contact(third, None)))
    await desk.deliver("case", ("case.hold_seen", seen(desk, third, 2)))
    await merge(desk, second, first)
    await merge(desk, third, second)
    await carry(desk)
    assert (await counted(desk, first), await counted(desk, third)) == (2, 2)
    assert await held(desk, first) == {"insolvency"}
    past = desk.clock.business.date() - timedelta(days=1)
    await desk.deliver("case", ("case.hold_seen", seen(desk, first, 3, starts_on=past, ends_on=past)))
    assert await held(desk, first) == {"insolvency"}, "the id under which it stands is not locked yet"
    await carry(desk)
    assert await held(desk, first) == await held(desk, third) == set()


async def unmerge(desk: Desk, merged: CaseOpened, survivor: CaseOpened) -> None:
    for own in (merged, survivor):
        await desk.deliver("case", told(CasePartyUnmerged, own, merged, survivor, version=2))


async def wish(desk: Desk, case: CaseOpened, *channels: str) -> None:
    said = [{"wish": "never", "channels": list(channels)}] if channels else []
    body = {"party_id": str(case.party_id), "wishes": said, "told_at": desk.clock.business.isoformat()}
    assert (await desk.post("/v1/preferences", body)).status_code == 200


async def refusals(desk: Desk, case: CaseOpened) -> list[str]:
    """What refuses an evening call in London."""
    (answer,) = await desk.ask(london_call(case))
    return [one["rule"] for one in answer["reasons"]]


def london_call(case: CaseOpened) -> dict[str, Any]:
    window = {"start": "2026-03-02T16:00:00Z", "end": "2026-03-02T16:30:00Z"}
    return visit_request(case, channel="call", jurisdiction="GB", time_zones=["Europe/London"], window=window)


async def londoners(desk: Desk) -> list[CaseOpened]:
    return [await desk.open_case(jurisdiction="GB", time_zones=["Europe/London"]) for _ in range(2)]


async def test_a_wish_under_another_id_binds_while_both_are_one_person(desk: Desk) -> None:
    first, second = await londoners(desk)
    await wish(desk, second, "call")
    await wish(desk, first)
    desk.clock.real += timedelta(seconds=1)
    await merge(desk, second, first)
    assert await refusals(desk, first) == ["UK-CONC-TIMES-WISH"]
    await unmerge(desk, second, first)
    assert await refusals(desk, first) == []


async def test_a_wish_told_later_under_another_id_revokes_what_was_granted(desk: Desk) -> None:
    first, second = await londoners(desk)
    for case in (first, second):
        await wish(desk, case)
    await merge(desk, second, first)
    (granted,) = await desk.ask(london_call(first))
    desk.clock.business += timedelta(minutes=1)
    await wish(desk, second, "call")
    await carry(desk)
    permit = (await desk.get(f"/v1/permits/{granted['permit_id']}")).json()
    assert permit["revoke_cause"] == "UK-CONC-TIMES-WISH"
    desk.clock.real += timedelta(seconds=1)
    desk.clock.business += timedelta(minutes=1)
    await wish(desk, first)
    assert "UK-CONC-TIMES-WISH" not in await refusals(desk, first), "the person's own later word stands in its place"


async def verdicts(desk: Desk, contact: ContactRecorded) -> list[tuple[bool, bool, str]]:
    """Conduct, harm and state of the limit on visits, as they stand for that contact."""
    items = (await desk.get("/v1/findings", party_id=str(contact.party_id))).json()["items"]
    return [
        (one["conduct"], one["harm"], one["state"])
        for one in items
        if (one["rule"], one["contact_id"]) == ("BANK-VISIT-30D", str(contact.contact_id))
    ]


async def test_contacts_of_before_a_merge_are_judged_together_and_apart_again(desk: Desk) -> None:
    """Nobody knew that both are one: too many visits are harm, nobody's misconduct; after the unmerge not even that."""
    first, second = [await desk.open_case(household=home) for home in ("a" * 32, "b" * 32)]
    early, later = visit_contact(second, None), visit_contact(first, None, **at(days=3))
    for made in (early, later):
        await desk.deliver("contact", ("contact.recorded", made))
    await carry(desk)
    assert await verdicts(desk, later) == []
    desk.clock.real += timedelta(seconds=1)
    await merge(desk, second, first)
    await carry(desk)
    assert await verdicts(desk, later) == [(False, True, "open")]
    assert await verdicts(desk, early) == []
    desk.clock.real += timedelta(seconds=1)
    await unmerge(desk, second, first)
    await carry(desk)
    assert [one[1] for one in await verdicts(desk, later)] == [False]


async def test_what_was_told_meanwhile_is_counted_once_for_each_after_the_unmerge(desk: Desk) -> None:
    """They still share the key of the pair: the contact must not count as their own and as another's, too."""
    first, second = await desk.open_case(), await desk.open_case()
    await merge(desk, second, first)
    desk.clock.real += timedelta(seconds=1)
    for minute in (0, 1, 2):
        moment = desk.clock.business - timedelta(minutes=10 - minute)
        told_of = visit_contact(first, None, channel="sms", crew=[], started_at=moment, ended_at=moment)
        await desk.deliver("contact", ("contact.recorded", told_of))
    desk.clock.real += timedelta(seconds=1)
    await unmerge(desk, second, first)
    await carry(desk)
    for case in (first, second):
        (answer,) = await desk.ask(visit_request(case, channel="sms", duration_minutes=0))
        counts = {one["values"].get("count") for one in answer["reasons"] if one["rule"] == "BANK-SMS-WEEK"}
        assert counts == {3}, (case is first, answer["reasons"])
