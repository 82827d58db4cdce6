"""A permit is that of the contact that began first, in whatever order uses and records are told, and however often."""

from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from services.compliance.domain.permits import Permit, recorded, use

from .conftest import at

CONTACTS = [UUID(int=number) for number in range(1, 5)]
tellings = st.tuples(st.booleans(), st.sampled_from([*CONTACTS, None]), st.integers(0, 5))


def told(permit: Permit, *, as_record: bool, contact_id: UUID | None, minute: int) -> Permit:
    if as_record and contact_id is not None:
        return recorded(permit, contact_id=contact_id, used_at=at(14, minute))
    return use(permit, contact_id=contact_id, used_at=at(14, minute))


@settings(max_examples=200, deadline=None)
@given(st.data(), st.lists(tellings, min_size=1, max_size=6))
def test_order_and_repetition_change_nothing(
    permit: Permit, data: st.DataObject, all_told: list[tuple[bool, UUID | None, int]]
) -> None:
    again = data.draw(st.lists(st.sampled_from(all_told), max_size=2))
    shuffled = data.draw(st.permutations([*all_told, *again]))
    first = second = permit
    for as_record, contact_id, minute in all_told:
        first = told(first, as_record=as_record, contact_id=contact_id, minute=minute)
    for as_record, contact_id, minute in shuffled:
        second = told(second, as_record=as_record, contact_id=contact_id, minute=minute)
    named = [(at(14, minute), contact_id) for _, contact_id, minute in all_told if contact_id is not None]
    assert (first.contact_id, first.state, first.unnamed_use) == (second.contact_id, second.state, second.unnamed_use)
    if named:
        assert (first.used_at, first.contact_id) == (second.used_at, second.contact_id) == min(named)
        assert [one for one in CONTACTS if first.second_use(one, at(15))] == [
            one for one in CONTACTS if one != first.contact_id
        ]
