"""What is owed because of a cause, by which law, by when, and how it is answered."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from msgspec import structs

from services.compliance.domain.duties import INSTITUTION, OwedToCauses, standing
from services.compliance.domain.duty_causes import (
    SOME_DEBT,
    Answer,
    AnswerTimeWrong,
    Cause,
    CauseAnswered,
    CauseKind,
    CauseNotKnown,
    Grounds,
    RelativesNotEntitled,
    notices_begun,
    owed_by,
    taken,
)
from services.compliance.domain.facts import Circumstances, Freshness, PartyFacts, Told
from services.compliance.domain.packs import RuleBook

from .conftest import PARTY

NOW = datetime(2027, 1, 14, 9, tzinfo=UTC)
GROUNDS = Grounds(kinship_proof="F-1", own_interest="F-2", arranged_otherwise=False)


def owed(book: RuleBook, kind: CauseKind, *places: str, **told: str) -> dict[str, timedelta]:
    circumstances = Circumstances(**told)  # type: ignore[arg-type]
    found = owed_by(book, kind, places=places, caused_at=NOW, circumstances=circumstances)
    return {one.rule: one.due_at - NOW for one in found}


def cause(book: RuleBook, kind: CauseKind, place: str) -> Cause:
    return Cause(
        cause_id=uuid4(), kind=kind, places=(place,), caused_at=NOW, reference="F-7", by_whom="rights-1", said={},
        owed=owed_by(book, kind, places=(place,), caused_at=NOW),
    )  # fmt: skip


def given(rule: str, **changes: object) -> Answer:
    answer = Answer(rule=rule, outcome="done", answered_at=NOW, reference="F-8", by_whom="rights-1", grounds=GROUNDS)
    return replace(answer, **changes)  # type: ignore[arg-type]


def party(place: str, **told: bool) -> PartyFacts:
    known = {name: Told(value=value, as_of=NOW) for name, value in told.items()}
    return PartyFacts(
        party_id=PARTY,
        known=True,
        jurisdiction=place,
        told=known,
        freshness=Freshness(watermarks={}),  # type: ignore[arg-type]
    )


def test_california_confirms_in_ten_working_days_and_answers_in_45(book: RuleBook) -> None:
    # Thursday the 14th; ten working days later it is Thursday the 28th.
    assert owed(book, "request", "US-CA") == {
        "US-CA-CCPA-CONFIRM": timedelta(days=14, hours=15), "US-CA-CCPA-REQUEST": timedelta(days=45),
    }  # fmt: skip
    assert owed(book, "request", "CN") == {"BANK-CN-REQUEST": timedelta(days=15)}
    assert owed(book, "request", "BR") == {"RIGHTS-CLOCK": timedelta(days=28)}
    # Where the place is not known, the strictest of all places.
    assert owed(book, "request").keys() == {"US-CA-CCPA-CONFIRM", "BANK-CN-REQUEST"}


def test_a_breach_is_told_by_every_law_of_its_places_and_by_the_bank_where_no_law_says_when(book: RuleBook) -> None:
    assert owed(book, "data_breach", "SG", "EU") == {
        "SG-PDPA-BREACH": timedelta(days=3, hours=15), "EU-GDPR-BREACH": timedelta(hours=72),
        "BANK-BREACH-PEOPLE": timedelta(days=7, hours=15),
    }  # fmt: skip
    california = owed(book, "data_breach", "US-CA")
    assert california.keys() == {"US-CA-BREACH-PEOPLE", "US-CA-BREACH-AG", "US-BANK-INCIDENT"}
    # Where the places are not known, all laws ask.
    assert {"CN-CSIR-4", "SG-PDPA-BREACH", "US-CA-BREACH-AG"} <= owed(book, "data_breach").keys()


def test_of_what_waits_for_one_rule_the_earliest_counts(book: RuleBook) -> None:
    late = OwedToCauses(rule="EU-GDPR-BREACH", waiting=2, late=1, due_at=NOW - timedelta(hours=1))
    found = standing(book, now=NOW, watched=[], waiting=[], causes=[late])
    [duty] = [one for one in found if (one.rule.id, one.subject) == ("EU-GDPR-BREACH", INSTITUTION)]
    assert (duty.waiting, duty.late, duty.due_at, duty.owner) == (2, 1, late.due_at, "data_protection")
    assert duty.found() is not None


def test_a_relative_is_given_something_only_of_the_deceased_and_on_grounds(book: RuleBook) -> None:
    asked = cause(book, "relatives_request", "CN")
    assert [one.rule for one in asked.owed] == ["CN-PIPL-49"]
    for answer, deceased in (
        (given("CN-PIPL-49"), False),
        (given("CN-PIPL-49", grounds=None), True),
        (given("CN-PIPL-49", grounds=replace(GROUNDS, arranged_otherwise=True)), True),
    ):
        with pytest.raises(RelativesNotEntitled):
            taken(asked, answer, now=NOW, deceased=deceased)
    assert taken(asked, given("CN-PIPL-49"), now=NOW, deceased=True).outcome == "done"
    assert taken(asked, given("CN-PIPL-49", outcome="refused"), now=NOW, deceased=False).outcome == "refused"


def test_an_answer_is_never_changed_nor_given_before_its_cause(book: RuleBook) -> None:
    asked = cause(book, "request", "CN")
    after = taken(asked, given("BANK-CN-REQUEST"), now=NOW, deceased=False)
    answered = replace(asked, owed=(after,))
    assert taken(answered, given("BANK-CN-REQUEST"), now=NOW, deceased=False) == after
    with pytest.raises(CauseAnswered):
        taken(answered, given("BANK-CN-REQUEST", outcome="refused"), now=NOW, deceased=False)
    for moment in (NOW - timedelta(seconds=1), NOW + timedelta(seconds=1)):
        with pytest.raises(AnswerTimeWrong):
            taken(asked, given("BANK-CN-REQUEST", answered_at=moment), now=NOW, deceased=False)
    with pytest.raises(CauseNotKnown):
        taken(asked, given("CN-PIPL-49"), now=NOW, deceased=True)


def test_who_was_reached_is_told_what_the_debt_is(book: RuleBook) -> None:
    def begun(facts: PartyFacts, *debts: UUID, reached: bool = True) -> tuple[str, ...]:
        return notices_begun(book, facts, about=frozenset(map(str, debts)), reached=reached, at=NOW)

    new_york, noticed = party("US-NY"), party("US-NY", validation_notice_sent=True)
    assert begun(new_york) == (SOME_DEBT,)
    assert begun(new_york, reached=False) == begun(noticed) == begun(party("CN")) == ()
    assert begun(party("US-NY", validation_notice_sent=False))
    # Regulation F binds agencies, and in California the bank, too.
    creditor = Circumstances(collector="creditor")
    assert not begun(structs.replace(new_york, circumstances=creditor))
    assert begun(structs.replace(party("US-CA"), circumstances=creditor))
    old, new = UUID(int=1), UUID(int=2)
    assert begun(new_york, old, new) == (str(old), str(new)), "each debt has a notice of its own"
    assert begun(structs.replace(noticed, unnoticed=frozenset({new})), old, new) == (str(new),)
    assert begun(structs.replace(noticed, unnoticed=frozenset({new})), old) == ()
    assert owed(book, "first_communication", "US-NY") == {"US-REGF-VALID-SEND": timedelta(days=5, hours=15)}
