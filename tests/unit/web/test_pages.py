"""Cursors: what goes in comes out, nothing else is accepted."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.web.pages import decode_cursor, encode_cursor
from shared.web.problems import InvalidCursor


@given(st.datetimes(timezones=st.just(UTC)), st.uuids(), st.text(), st.integers())
def test_key_survives(moment: datetime, party: UUID, text: str, number: int) -> None:
    cursor = encode_cursor("list", moment, party, text, number)
    assert decode_cursor(cursor, "list", datetime, UUID, str, int) == (moment, party, text, number)


@given(st.text(max_size=60))
def test_any_text_is_refused_or_a_problem(text: str) -> None:
    with pytest.raises(InvalidCursor):
        decode_cursor(text, "list", int)


def test_cursor_of_another_list() -> None:
    with pytest.raises(InvalidCursor):
        decode_cursor(encode_cursor("cases|state=open", 1), "cases|state=closed", int)


def test_cursor_with_another_key() -> None:
    with pytest.raises(InvalidCursor):
        decode_cursor(encode_cursor("cases", 1, 2), "cases", int)
