"""Event ids made in bulk."""

from __future__ import annotations

from uuid import RFC_4122, UUID

from shared.ids import event_id, event_id_texts


def test_bulk_ids_are_distinct_and_of_version_7() -> None:
    made = [UUID(text) for text in event_id_texts(500)]
    assert len(set(made)) == 500
    assert {(item.version, item.variant) for item in made} == {(7, RFC_4122)}


def test_bulk_ids_follow_earlier_ones_in_time() -> None:
    before = event_id()
    [bulk] = event_id_texts(1)
    assert UUID(bulk).int >> 80 >= before.int >> 80
