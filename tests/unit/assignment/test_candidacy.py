"""Facts in any order lead to the same candidacy, and the default answer is 'do not visit'."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.assignment.domain import candidacy as parties
from services.assignment.domain.candidacy import Block, Candidacy, ChosenAction, refusal
from services.assignment.domain.visits import VisitState
from shared.events.case import CaseActionChosen, CaseOpened
from shared.money import Money
from tests.unit.assignment.builders import CASE, DAY, NOW, PARTY, POLICY, candidate, case, visit


def opened(version: int, *, days_past_due: int = 65, bucket: str = "B3") -> CaseOpened:
    return CaseOpened.model_validate(
        {
            "case_id": CASE, "party_id": PARTY, "version": version, "business_date": "2026-03-01", "bucket": bucket,
            "dpd_contractual": days_past_due, "dpd_effective": days_past_due,
            "overdue_totals": [{"amount_minor": 300_000, "currency": "CNY"}], "loans": [], "jurisdiction": "CN",
            "time_zones": ["Asia/Shanghai"], "language": "zh", "cell": case().cell,
        }
    )  # fmt: skip


def answer(candidacy: Candidacy) -> str | None:
    return refusal(candidacy, DAY, policy=POLICY, now=NOW)


def test_unknown_party_is_not_visited() -> None:
    assert answer(Candidacy(party_id=PARTY)) == "no_open_case"


def test_policy_says_yes() -> None:
    assert answer(candidate()) is None


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"bucket": "B1", "dpd_effective": 12}, "softer_channels_first"),
        ({"dpd_effective": 30}, "softer_channels_first"),
        ({"bucket": "B5"}, "softer_channels_first"),
        ({"overdue_totals": (Money(amount_minor=49_999, currency="CNY"),)}, "amount_too_small"),
        ({"overdue_totals": (Money(amount_minor=10**9, currency="EUR"),)}, "amount_too_small"),
        ({"cell": None}, "place_unknown"),
        ({"time_zones": ()}, "place_unknown"),
        ({"held": True}, "held"),
        ({"suspended": True}, "suspended"),
        ({"is_open": False}, "no_open_case"),
    ],
)
def test_every_missing_yes_is_a_no(changes: dict[str, Any], reason: str) -> None:
    assert answer(candidate(case=case(**changes))) == reason


def chosen(number: int, action: str) -> CaseActionChosen:
    return CaseActionChosen(
        case_id=CASE, party_id=PARTY, number=number, action=action, reasons=["step_due"], rule="visit",  # type: ignore[arg-type]
        strategy="s", strategy_version=1, strategy_sha256="0" * 64, arm="champion",
    )  # fmt: skip


def test_case_without_a_chosen_action_is_not_visited() -> None:
    assert answer(candidate(chosen=None)) == "no_action_chosen"
    other = ChosenAction(case_id=UUID(int=1), number=1, action="field_visit")
    assert answer(candidate(chosen=other)) == "no_action_chosen"


def test_newest_chosen_action_counts() -> None:
    letter = parties.action_chosen(candidate(), chosen(2, "letter"), policy=POLICY, now=NOW).candidacy
    assert answer(letter) == "strategy:letter"
    assert not parties.action_chosen(letter, chosen(1, "field_visit"), policy=POLICY, now=NOW).applied
    again = parties.action_chosen(letter, chosen(3, "field_visit"), policy=POLICY, now=NOW).candidacy
    assert answer(again) is None


@pytest.mark.parametrize("state", [VisitState.PROPOSED, VisitState.OFFERED, VisitState.AGREED])
def test_visit_that_is_no_longer_chosen_is_given_up(state: VisitState) -> None:
    step = parties.action_chosen(candidate(visit=visit(state)), chosen(2, "offer_help"), policy=POLICY, now=NOW)
    assert [event.type for event in step.events] == ["visit.withdrawn"]
    assert step.candidacy.visit is None


def test_older_version_is_ignored() -> None:
    known = candidate(case=case(version=5))
    assert not parties.case_known(known, opened(5), at=NOW, policy=POLICY, now=NOW).applied


def test_cure_closes_and_a_later_case_opens_again() -> None:
    cured = parties.case_cured(candidate(), CASE, 4, policy=POLICY, now=NOW).candidacy
    assert answer(cured) == "no_open_case"
    again = parties.case_known(cured, opened(5), at=NOW, policy=POLICY, now=NOW).candidacy
    assert answer(again) is None


def test_cure_on_the_express_topic_blocks_until_newer_facts() -> None:
    cure = Block(cause="cured", reference="c", since=NOW)
    blocked = parties.block(candidate(), cure, policy=POLICY, now=NOW).candidacy
    assert answer(blocked) == "stopped:cured"
    later = NOW + timedelta(seconds=1)
    again = parties.case_known(blocked, opened(9), at=later, policy=POLICY, now=later).candidacy
    assert answer(again) is None


def test_end_of_a_block_may_come_before_the_block() -> None:
    ended = parties.unblock(candidate(), cause="dispute", reference="d", at=NOW).candidacy
    late = Block(cause="dispute", reference="d", since=NOW - timedelta(days=1))
    assert answer(parties.block(ended, late, policy=POLICY, now=NOW).candidacy) is None


def test_parking_again_after_release_blocks_again() -> None:
    parked = Block(cause="parked", reference="intake", since=NOW)
    once = parties.block(candidate(), parked, policy=POLICY, now=NOW).candidacy
    free = parties.unblock(once, cause="parked", reference="intake", at=NOW + timedelta(minutes=1)).candidacy
    assert answer(free) is None
    twice = Block(cause="parked", reference="intake", since=NOW + timedelta(minutes=2))
    assert answer(parties.block(free, twice, policy=POLICY, now=NOW).candidacy) == "stopped:parked"


def test_payment_cools_for_its_days() -> None:
    paid = Block(cause="payment", reference="tx", since=NOW, until=NOW + timedelta(days=14))
    blocked = parties.block(candidate(), paid, policy=POLICY, now=NOW).candidacy
    assert answer(blocked) == "stopped:payment"
    assert refusal(blocked, date(2026, 3, 17), policy=POLICY, now=NOW + timedelta(days=14)) is None


def test_local_date_is_the_partys_own() -> None:
    evening = datetime(2026, 3, 1, 17, tzinfo=UTC)
    assert candidate().today(evening) == date(2026, 3, 2)


FACTS = st.permutations(
    ["opened-3", "cured-4", "chosen-1", "opened-6", "stop-a", "stop-b", "lift-b", "hold-c", "parked", "unparked"]
)


def apply(candidacy: Candidacy, fact: str) -> Candidacy:
    match fact.split("-"):
        case ["opened", version]:
            return parties.case_known(
                candidacy, opened(int(version)), at=NOW + timedelta(minutes=int(version)), policy=POLICY, now=NOW
            ).candidacy
        case ["chosen", number]:
            return parties.action_chosen(
                candidacy, chosen(int(number), "field_visit"), policy=POLICY, now=NOW
            ).candidacy
        case ["cured", version]:
            return parties.case_cured(candidacy, CASE, int(version), policy=POLICY, now=NOW).candidacy
        case ["stop", name]:
            return parties.block(
                candidacy, Block(cause="dispute", reference=name, since=NOW), policy=POLICY, now=NOW
            ).candidacy
        case ["lift", name]:
            return parties.unblock(candidacy, cause="dispute", reference=name, at=NOW + timedelta(hours=1)).candidacy
        case ["hold", name]:
            held = Block(cause="hardship", reference=name, since=NOW, until=NOW + timedelta(days=1))
            return parties.block(candidacy, held, policy=POLICY, now=NOW).candidacy
        case ["parked"]:
            parked = Block(cause="parked", reference="intake", since=NOW)
            return parties.block(candidacy, parked, policy=POLICY, now=NOW).candidacy
        case _:
            return parties.unblock(candidacy, cause="parked", reference="intake", at=NOW + timedelta(hours=1)).candidacy


@given(order=FACTS)
def test_facts_of_different_topics_commute(order: list[str]) -> None:
    # Facts of one topic keep their order; topics may interleave in any way.
    topics = [
        ["opened-3", "cured-4", "opened-6"],
        ["chosen-1"],
        ["stop-a", "parked", "unparked", "stop-b"],
        ["hold-c", "lift-b"],
    ]
    queues = {fact: queue for queue in map(list, topics) for fact in queue}
    taken = [queues[fact].pop(0) for fact in order]
    result = Candidacy(party_id=PARTY)
    for fact in taken:
        result = apply(result, fact)
    assert result.case is not None
    assert result.chosen == candidate().chosen
    assert (result.case.version, result.case.is_open) == (6, True)
    open_blocks = {(b.cause, b.reference) for b in result.blocks if b.active(NOW, result.case)}
    assert open_blocks == {("dispute", "a"), ("hardship", "c")}


def test_other_partys_case_id_is_a_new_case() -> None:
    known = candidate(case=case(case_id=UUID(int=1), version=9))
    step = parties.case_known(known, opened(1), at=NOW, policy=POLICY, now=NOW)
    assert step.candidacy.case is not None
    assert step.candidacy.case.case_id == CASE


def test_who_is_another_person_now_is_visited_no_more_until_the_case_opens_again() -> None:
    step = parties.given_up(candidate(), policy=POLICY, now=NOW)
    assert answer(step.candidacy) == "no_open_case"
    again = parties.case_known(step.candidacy, opened(9), at=NOW, policy=POLICY, now=NOW)
    assert answer(again.candidacy) is None


def test_the_borrowers_case_leads_and_the_one_bound_beside_is_linked() -> None:
    other, debt = UUID(int=3), UUID(int=4)
    loan = {
        "loan_id": UUID(int=5), "debt_id": debt, "loan_ref": "L-1", "product_class": "card",
        "overdue": {"amount_minor": 1, "currency": "CNY"}, "balance": {"amount_minor": 1, "currency": "CNY"},
        "oldest_due_date": "2026-01-01", "dpd_contractual": 60,
    }  # fmt: skip
    found = []
    for own, beside in (("borrower", "co_borrower"), ("co_borrower", "borrower")):
        obligors = [
            {"party_id": PARTY, "role": own, "liability": "joint"},
            {"party_id": other, "role": beside, "liability": "joint"},
        ]
        data = CaseOpened.model_validate(
            opened(4).model_dump() | {"loans": [loan | {"obligors": obligors}], "household": "a" * 32}
        )
        step = parties.case_known(Candidacy(party_id=PARTY), data, at=NOW, policy=POLICY, now=NOW)
        assert step.candidacy.case is not None
        found.append((step.candidacy.case.leads, step.candidacy.case.shared))
    assert found == [(lead, (f"debt:{debt}", "household:" + "a" * 32)) for lead in (True, False)]
