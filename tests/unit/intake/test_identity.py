"""Two references of a core that are one person: merged and unmerged, whatever comes before, meanwhile and after."""

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from services.intake.domain.announcement import debt_id_of
from services.intake.domain.assessment import assess, stops, suspensions
from services.intake.domain.groups import members_of
from services.intake.domain.policy import DelinquencyPolicy
from services.intake.domain.rolling import deltas
from tests.unit.intake.facts import DAY, cured, death, due, hold, hold_end, obligors, overdue, payment, person
from tests.unit.intake.identities import IDS, REFERENCES, People, merged, unmerged


def lives(*facts):
    people = People()
    for fact in facts:
        people.hear(fact)
    return people


def test_the_survivor_has_both_loans_and_the_other_case_ends():
    people = lives(
        person(1), overdue(1, due(40, 500), loan="L-1"), overdue(1, due(10, 300), loan="L-2", party="P-2"),
        merged(9, "P-1", "P-2"),
    )  # fmt: skip
    survivor = people.lead_of("P-2")
    assert survivor.party_id == IDS["P-1"]
    assert survivor.case.overdue_minor == (("CNY", 800),)
    assert survivor.case.suspended == ("merging",)
    assert people.told[IDS["P-2"]].case.status == "closed"


def test_both_are_stopped_and_told_before_the_case_follows():
    people = lives(person(1), overdue(1), overdue(1, loan="L-2", party="P-2"))
    people.events.clear()
    people.hear(merged(9, "P-1", "P-2"))
    assert people.events_of("P-1") == ["party.stopped", "case.party_merged", "case.updated", "case.suspended"]
    assert people.events_of("P-2") == ["party.stopped", "case.party_merged"]
    told = [event.data for event in people.events if event.type == "case.party_merged"]
    assert {(one.merged_id, one.survivor_id, one.version) for one in told} == {(IDS["P-2"], IDS["P-1"], 1)}


def test_the_second_step_releases():
    people = lives(person(1), overdue(1), overdue(1, loan="L-2", party="P-2"), merged(9, "P-1", "P-2"))
    people.settle()
    assert people.lead_of("P-1").case.suspended == ()
    assert people.events_of("P-1")[-1] == "case.released"


def test_a_late_event_follows_the_alias():
    people = lives(
        person(1), overdue(1, due(40, 500)), overdue(1, due(10, 300), loan="L-2", party="P-2"),
        merged(9, "P-1", "P-2"), payment(2, 300, due(10, 300, 300), loan="L-2", party="P-2"),
    )  # fmt: skip
    assert people.lead_of("P-2").case.overdue_minor == (("CNY", 500),)
    assert {"case.payment_posted", "case.loan_cured"} <= set(people.events_of("P-1"))


def test_one_loan_under_both_keys_is_one_loan_and_leaves_one_place():
    people = lives(
        person(1), overdue(1, due(40, 500), party="P-2"), merged(9, "P-1", "P-2"),
        overdue(2, due(41, 400), party="P-1", business_date=DAY + timedelta(days=1)),
    )  # fmt: skip
    assert people.lead_of("P-1").case.overdue_minor == (("CNY", 400),)
    assert [book.loans["L-1"].place for book in people.told.values() if "L-1" in book.loans].count(None) == 1


def test_the_roll_still_sums_to_one_when_both_knew_the_loan():
    before = lives(overdue(1, due(40, 500)), overdue(1, due(40, 500), party="P-2"))
    places = {key: book.loans["L-1"] for key, book in before.told.items() if book.loans}
    before.hear(merged(9, "P-1", "P-2"))
    moves = deltas((places[key], before.told[key].loans["L-1"]) for key in places)
    assert sum(amount.loans for cell, amount in moves.items() if cell.measure == "stock") == 0
    assert {cell.state: amount.loans for cell, amount in moves.items() if cell.measure == "stock"} == {
        "B2": -1, "merged": 1,
    }  # fmt: skip


def test_holds_of_both_and_the_death_of_either_count():
    people = lives(
        person(1), overdue(1), overdue(1, loan="L-2", party="P-2"), hold(2, loan="L-2", party="P-2"), death(3),
        merged(9, "P-2", "P-1"),
    )  # fmt: skip
    book = people.lead_of("P-1")
    assert {"deceased", "on_hold"} <= set(book.case.suspended)


def test_unmerged_each_has_what_came_under_its_own_reference():
    people = lives(
        person(1), overdue(1, due(40, 500)), overdue(1, due(10, 300), loan="L-2", party="P-2"),
        merged(9, "P-1", "P-2"), payment(2, 300, due(10, 300, 100), loan="L-2", party="P-2"),
        unmerged(12, "P-1", "P-2"),
    )  # fmt: skip
    people.settle()
    assert people.lead_of("P-1").case.overdue_minor == (("CNY", 500),)
    assert people.lead_of("P-2").case.overdue_minor == (("CNY", 200),)
    assert people.lead_of("P-2").case.status == "open"
    assert people.events_of("P-2")[-4:] == ["case.party_unmerged", "case.opened", "case.suspended", "case.released"]


def test_a_loan_that_both_know_goes_back_to_whom_it_stood_for():
    people = lives(
        person(1), overdue(1, due(10, 300), loan="L-2", party="P-2"), merged(9, "P-1", "P-2"),
        payment(2, 300, due(10, 300, 300), loan="L-2", party="P-1"),
        overdue(3, due(41, 400), loan="L-2", party="P-1", business_date=DAY + timedelta(days=1)),
        unmerged(12, "P-1", "P-2", ),
    )  # fmt: skip
    assert people.lead_of("P-2").case.overdue_minor == (("CNY", 400),)
    assert people.lead_of("P-1").case.overdue_minor == ()


def test_a_hold_is_told_again_of_whom_it_belongs_to():
    people = lives(
        person(1), overdue(1), overdue(1, loan="L-2", party="P-2"), merged(9, "P-1", "P-2"),
        hold(2, loan="L-2", party="P-2"), unmerged(12, "P-1", "P-2"),
    )  # fmt: skip
    told = [event.party_id for event in people.events if event.type == "case.hold_seen"]
    assert told == [IDS["P-1"], IDS["P-2"]]


def test_after_an_unmerge_each_side_tells_the_holds_of_its_own_loans():
    people = lives(
        person(1), overdue(1), overdue(1, loan="L-2", party="P-2"), merged(9, "P-1", "P-2"), hold(2),
        hold(3, loan="L-2", party="P-2", hold_ref="H-2"), unmerged(12, "P-1", "P-2"),
    )  # fmt: skip
    assert _told_after_the_last_change(people) == {("P-1", "H-1"), ("P-2", "H-2")}


def test_who_is_another_one_than_before_tells_the_new_one_of_the_holds():
    people = lives(
        person(1), overdue(1), overdue(1, loan="L-2", party="P-2"), overdue(1, loan="L-3", party="P-3"),
        merged(9, "P-1", "P-2"), hold(3, loan="L-2", party="P-2"), merged(10, "P-3", "P-2"),
    )  # fmt: skip
    assert _told_after_the_last_change(people) == {("P-3", "H-1")}


def _told_after_the_last_change(people):
    last = max(number for number, event in enumerate(people.events) if event.type.startswith("case.party_"))
    references = {party_id: reference for reference, party_id in IDS.items()}
    return {
        (references[event.party_id], event.data.hold_ref)
        for event in people.events[last:]
        if event.type == "case.hold_seen"
    }


def test_a_chain_ends_at_its_end():
    people = lives(overdue(1, party="P-1"), merged(1, "P-2", "P-1"), merged(2, "P-3", "P-2"))
    assert people.lead_of("P-1").party_id == IDS["P-3"]
    assert people.lead_of("P-1").case.overdue_minor == (("CNY", 500),)


def test_who_was_given_somebody_for_a_moment_is_released_with_the_rest():
    people = lives(person(1), overdue(1), merged(5, "P-1", "P-2"), merged(6, "P-3", "P-2"))
    people.settle()
    assert people.lead_of("P-1").case.suspended == ()
    assert people.events_of("P-1").count("case.released") == 1


def test_a_ring_is_broken_at_its_oldest_statement():
    for order in ((0, 1), (1, 0)):
        said = [merged(1, "P-2", "P-1"), merged(2, "P-1", "P-2")]
        people = lives(*(said[number] for number in order))
        assert people.lead_of("P-2").party_id == IDS["P-1"]
        assert people.lead_of("P-1").party_id == IDS["P-1"]


def test_a_repeated_merge_says_nothing():
    people = lives(person(1), overdue(1), merged(9, "P-1", "P-2"))
    people.events.clear()
    people.hear(merged(9, "P-1", "P-2"))
    assert people.events == []


def test_a_loan_that_leaves_its_borrower_leaves_the_case():
    people = lives(person(1), overdue(1, due(40, 500)), overdue(2, due(40, 300), loan="L-2"), obligors(3, "P-9"))
    assert people.lead_of("P-1").case.overdue_minor == (("CNY", 300),)
    assert {"case.loan_cured", "party.stopped"} <= set(people.events_of("P-1"))


_kinds = st.sampled_from(["overdue"] * 4 + ["payment", "payment", "cured", "hold", "hold_end", "person", "death"])


@st.composite
def _history(draw, *, shared):
    facts = []
    for sequence in range(1, draw(st.integers(3, 9))):
        party = draw(st.sampled_from(REFERENCES[:2]))
        day = DAY + timedelta(days=sequence // 3)
        loan = draw(st.sampled_from(["L-1", "L-2"])) + ("" if shared else party)
        more = {"loan": loan, "party": party, "business_date": day}
        items = [due(draw(st.integers(-2, 130)), draw(st.integers(1, 900)), draw(st.integers(0, 900)))]
        match draw(_kinds):
            case "overdue":
                facts.append(overdue(sequence, *items, **more))
            case "payment":
                left = draw(st.sampled_from([[], items]))
                facts.append(payment(sequence, 100, *left, ref=f"T-{loan}", cleared=draw(st.booleans()), **more))
            case "cured":
                facts.append(cured(sequence, **more))
            case "hold":
                facts.append(hold(sequence, starts_on=day, **more))
            case "hold_end":
                facts.append(hold_end(sequence, ended_on=day, **more))
            case "person":
                facts.append(person(sequence, party=party))
            case _:
                facts.append(death(sequence, party=party))
    return facts


def _end(facts):
    people = lives(*facts)
    people.settle()
    found = {}
    for lead in people.leads():
        book = people.book(lead)
        told = {
            one: {ref: (loan.terms, loan.statement, _holds(loan)) for ref, loan in people.told[one].loans.items()}
            for one in members_of(lead, {one: people._lead(one) for one in people.told})
        }
        if not book.loans:  # a case that somebody had meanwhile is history
            found[lead] = (told, book.person, None)
            continue
        state = assess(book, DAY + timedelta(days=9), DelinquencyPolicy())
        money = {ref: (one.receipt, one.reversal) for ref, one in book.movements.items()}
        loans = tuple(replace(one, loan_id=lead) for one in state.loans)
        found[lead] = (told, book.person, money, replace(state, loans=loans), suspensions(book, state), stops(book),
                       () if book.case is None else book.case.suspended)  # fmt: skip
    return found


def _holds(loan):
    if loan.standing is None:
        return ()
    return tuple(replace(one, told=None) for one in loan.standing.holds)


@settings(max_examples=100, deadline=None)
@given(facts=_history(shared=True), random=st.randoms(use_true_random=False))
def test_a_merge_before_during_and_after_the_facts_of_both_keys_ends_the_same(facts, random):
    straight = _end([*facts, merged(50, "P-1", "P-2"), merged(50, "P-3", "P-1")])
    shuffled = [*facts, merged(50, "P-1", "P-2"), merged(50, "P-3", "P-1")] * 3
    random.shuffle(shuffled)
    assert _end(shuffled) == straight


@settings(max_examples=100, deadline=None)
@given(facts=_history(shared=False), random=st.randoms(use_true_random=False))
def test_an_unmerge_restores_what_each_would_be(facts, random):
    never = _end(facts)
    shuffled = [*facts, merged(50, "P-1", "P-2"), unmerged(51, "P-1", "P-2")] * 2
    random.shuffle(shuffled)
    found = _end(shuffled)
    for reference in ("P-1", "P-2"):
        assert found[IDS[reference]][:2] == never[IDS[reference]][:2]
        assert found[IDS[reference]][3:6] == never[IDS[reference]][3:6]


@st.composite
def _words(draw):
    """Merges and unmerges among three references, chains and rings included; of one reference the last counts."""
    words = []
    for sequence in range(50, 50 + draw(st.integers(2, 5))):
        into, given_up = draw(st.permutations(REFERENCES))[:2]
        words.append(draw(st.sampled_from([merged, merged, unmerged]))(sequence, into, given_up))
    return words


@settings(max_examples=100, deadline=None)
@given(facts=_history(shared=False), words=_words(), random=st.randoms(use_true_random=False))
def test_words_of_who_is_who_among_the_facts_of_all_keys_end_the_same_in_any_order(facts, words, random):
    straight = _end([*facts, *words])
    shuffled = [*facts, *words] * 2
    random.shuffle(shuffled)
    assert _end(shuffled) == straight


@settings(max_examples=100, deadline=None)
@given(facts=_history(shared=False), words=_words(), random=st.randoms(use_true_random=False))
def test_every_hold_was_told_under_the_key_of_whom_it_belongs_to_now(facts, words, random):
    mixed = [*facts, *words]
    random.shuffle(mixed)
    people = lives(*mixed)
    shown = {}
    for event in people.events:
        if event.type == "case.hold_seen":
            shown[event.party_id, event.data.debt_id, event.data.hold_ref] = (event.data.starts_on, event.data.ends_on)
    leads = {party_id: people._lead(party_id) for party_id in people.told}
    for lead in people.leads():
        book = people.book(lead)
        loans = [] if book.case is None else [one for one in book.loans.values() if one.standing is not None]
        for loan, seen in ((held, one) for held in loans for one in held.standing.holds if one.span is not None):
            debt_id = debt_id_of("core-a", loan.loan_ref)
            assert seen.span in {shown.get((one, debt_id, seen.reference)) for one in members_of(lead, leads)}


@pytest.mark.parametrize(("into", "given_up"), [("P-1", "P-2"), ("P-2", "P-1")])
def test_two_merges_at_once_end_the_same(into, given_up):
    one, other = merged(5, into, given_up), merged(6, "P-3", given_up)
    assert _end([overdue(1), one, other]) == _end([overdue(1), other, one])
