"""The other ids of a person: over as many pairs as join them, and only as far as every pair shares."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from services.compliance.domain.audited_on import Made
from services.compliance.domain.facts import Counted
from services.compliance.domain.local_time import Span
from services.compliance.domain.same_persons import SamePerson, group_of, made_of_others

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
