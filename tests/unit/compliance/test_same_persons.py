"""The other ids of a person: over as many pairs as join them, and only as far as every pair shares."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from services.compliance.domain.audited_on import Made
from services.compliance.domain.dossier import REFUSED_BY, Dossier, DossierEntry
from services.compliance.domain.facts import Counted, Inconvenient, PartyFacts
from services.compliance.domain.local_time import Span
from services.compliance.domain.same_persons import SamePerson, dossier_of, group_of, made_of_others

from .conftest import facts

A, B, C, D = (UUID(int=number) for number in range(1, 5))
T = datetime(2026, 3, 2, 9, tzinfo=UTC)


def hours(number: int) -> datetime:
    return T + timedelta(hours=number)


def pairs(*joined: tuple[UUID, UUID, bool, int, int | None]) -> dict[UUID, dict[UUID, SamePerson]]:
    """Each: two ids, whether it stands, since and until which hour."""
    found: dict[UUID, dict[UUID, SamePerson]] = {}
    for one, other, stands, since, until in joined:
        for own, far in ((one, other), (other, one)):
            word = SamePerson(far, stands, hours(since), None if until is None else hours(until))
            found.setdefault(own, {})[far] = word
    return found


def test_who_is_the_same_as_the_same_is_the_same() -> None:
    known = pairs((A, B, True, 1, None), (B, C, True, 2, None), (C, D, True, 0, None))
    for own in (A, B, C, D):
        assert {one.party_id for one in group_of(own, known)} == {A, B, C, D} - {own}
        assert all(one.stands for one in group_of(own, known))
    [far] = [one for one in group_of(A, known) if one.party_id == D]
    assert far.since_real == hours(2), "known since the latest word on the way"


def test_what_was_told_counts_as_far_as_every_pair_on_the_way_shares_it() -> None:
    known = pairs((A, B, False, 1, 5), (B, C, False, 3, 7))
    [_, far] = group_of(A, known)
    shared = [far.shares(hours(hour)) for hour in (2, 3, 5, 6)]
    assert (far.party_id, far.stands, shared) == (C, False, [False, True, True, False])


def test_pairs_that_stand_go_before_a_shorter_way_that_does_not() -> None:
    known = pairs((A, C, False, 1, 2), (A, B, True, 1, None), (B, C, True, 1, None))
    [_, far] = group_of(A, known)
    assert (far.party_id, far.stands) == (C, True)


def test_a_ring_ends() -> None:
    known = pairs((A, B, True, 1, None), (B, C, True, 1, None), (C, A, True, 1, None))
    assert [one.party_id for one in group_of(A, known)] == [B, C]


def test_of_what_is_only_reserved_nothing_counts_after_they_parted() -> None:
    assert SamePerson(B, True, hours(1), None).shares(None)
    assert not SamePerson(B, False, hours(1), hours(5)).shares(None)


def test_contacts_under_the_other_id_were_somebody_else_s_until_both_were_known_to_be_one() -> None:
    visit = Counted(channel="visit", purpose="collection", span=Span(T, hours(1)), zones=("UTC",), told_real=hours(2))
    made = {B: [Made(contact_id=C, counted=visit).judged(conduct=False, harm=False)]}
    [one] = made_of_others([SamePerson(B, True, hours(8), None)], made)
    then = [one.as_known_by(hours(hour)) for hour in (7, 8)]
    assert [known and (known.of_another, known.lawful) for known in then] == [(True, None), (False, True)]
    assert one.as_known_by(hours(1)) is None
    assert made_of_others([SamePerson(B, False, hours(3), hours(8))], made) == []


def told(party_id: UUID, name: Any, value: Any, *, hour: int, recorded: int | None = None) -> DossierEntry:
    moment = hours(hour if recorded is None else recorded)
    return DossierEntry(
        party_id=party_id, name=name, value=value, as_of=hours(hour), recorded_real=moment, owner="core"
    )  # fmt: skip


def no(channel: Any) -> tuple[Inconvenient, ...]:
    return (Inconvenient(channels=frozenset({channel})),)


def seen(own: list[DossierEntry], other: SamePerson, theirs: list[DossierEntry], **when: Any) -> PartyFacts:
    """What is known of A, at the tenth hour if nothing else is said."""
    dossier = dossier_of(Dossier(tuple(own)), [other], {B: Dossier(tuple(theirs))})
    return dossier.applied_to(facts(), **({"at": hours(10)} | when))


ONE = SamePerson(B, stands=True, since_real=hours(5), until_real=None)
PARTED = SamePerson(B, stands=False, since_real=hours(5), until_real=hours(7))


def test_wishes_under_both_ids_add_up_until_the_person_says_it_anew() -> None:
    own, theirs = told(A, "preferences", no("call"), hour=1), told(B, "preferences", no("sms"), hour=2)
    assert seen([own], ONE, [theirs]).inconvenient == (*no("call"), *no("sms"))
    assert seen([own], ONE, [theirs], known_by=hours(4)).inconvenient == no("call"), "nobody knew that they are one"
    assert seen([own, told(A, "preferences", (), hour=6)], ONE, [theirs]).inconvenient == ()
    assert seen([own, told(A, "preferences", (), hour=3)], ONE, [theirs]).inconvenient == no("sms"), "another's, then"
    assert seen([], ONE, [theirs]).inconvenient == no("sms")


def test_after_they_parted_only_what_was_told_meanwhile_may_be_theirs() -> None:
    before, meanwhile, since = (told(B, "preferences", no("sms"), hour=hour) for hour in (4, 6, 8))
    own = told(A, "preferences", no("call"), hour=1)
    assert seen([own], PARTED, [before]).inconvenient == seen([own], PARTED, [since]).inconvenient == no("call")
    assert seen([own], PARTED, [meanwhile]).inconvenient == (*no("call"), *no("sms"))
    assert seen([], PARTED, [meanwhile]).inconvenient is None, "it may have been another's: too little is known"


def test_a_refusal_under_another_id_goes_before_consent_under_this_one() -> None:
    consents, refuses = told(A, "electronic_consent", True, hour=1), told(B, "electronic_consent", False, hour=2)
    assert not seen([consents], ONE, [refuses]).told["electronic_consent"].value
    assert not seen([], ONE, [refuses]).told["electronic_consent"].value
    assert seen([told(A, "electronic_consent", True, hour=6)], ONE, [refuses]).told["electronic_consent"].value
    assert "electronic_consent" not in seen([], ONE, [told(B, "electronic_consent", True, hour=2)]).told
    written = told(B, "work_refusal_written", True, hour=2)
    assert seen([], ONE, [written]).told["work_refusal_written"].value


_NAMES = (
    "preferences",
    "electronic_consent",
    "work_refusal_written",
    "collector_badged",
    "product",
    "customer_request",
)
_VALUES = {
    "preferences": st.sampled_from([(), no("call"), no("sms")]), "product": st.sampled_from(["card", "consumer"]),
    "customer_request": st.just(frozenset({"call"})),
}  # fmt: skip


@st.composite
def words(draw: st.DrawFn, party_id: UUID) -> DossierEntry:
    name = draw(st.sampled_from(_NAMES))
    value = draw(_VALUES.get(name, st.booleans()))
    return told(party_id, name, value, hour=draw(st.integers(0, 9)), recorded=draw(st.integers(0, 9)))


@settings(max_examples=60)
@given(st.lists(words(A), max_size=4), st.lists(words(B), max_size=4), st.sampled_from([ONE, PARTED]))
def test_what_was_told_of_another_id_never_opens_anything(
    own: list[DossierEntry], theirs: list[DossierEntry], other: SamePerson
) -> None:
    alone, joint = seen(own, other, []), seen(own, other, theirs)
    assert (joint.overrides, joint.requested, joint.circumstances) == (
        alone.overrides, alone.requested, alone.circumstances
    )  # fmt: skip
    if alone.inconvenient is not None:
        assert joint.inconvenient is not None
        assert set(alone.inconvenient) <= set(joint.inconvenient)
    for name in alone.told.keys() | joint.told.keys():
        if joint.told.get(name) != alone.told.get(name):
            assert joint.told[name].value is REFUSED_BY[name]
