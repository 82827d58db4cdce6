"""The other ids of a person: over as many pairs as join them, and only as far as every pair shares."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from services.compliance.store.same_persons import SamePerson, group_of

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
