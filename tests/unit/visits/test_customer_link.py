"""Links and door codes cannot be made, moved or stretched by others."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.visits.domain.customer_link import (
    DOOR_CODE_LENGTH,
    LinkRefused,
    door_code,
    make_link,
    normal_code,
    read_link,
)

SECRET = b"s" * 32
MOMENT = datetime(2026, 3, 12, 1, tzinfo=UTC)


@given(visit_id=st.uuids(), seconds=st.integers(0, 2**33))
def test_round_trip(visit_id: UUID, seconds: int) -> None:
    expires_at = datetime.fromtimestamp(seconds, UTC)
    link = read_link(make_link(visit_id, expires_at=expires_at, secret=SECRET), secret=SECRET)
    assert (link.visit_id, link.expires_at) == (visit_id, expires_at)


@given(position=st.integers(0, 48), letter=st.sampled_from("ABCxyz019-_"))
def test_changed_link(position: int, letter: str) -> None:
    token = make_link(UUID(int=7), expires_at=MOMENT, secret=SECRET)
    changed = token[:position] + letter + token[position + 1 :]
    if changed != token:
        with pytest.raises(LinkRefused):
            read_link(changed, secret=SECRET)


@given(st.text(max_size=200))
def test_any_text(text: str) -> None:
    with pytest.raises(LinkRefused):
        read_link(text, secret=SECRET)


def test_other_secret() -> None:
    with pytest.raises(LinkRefused):
        read_link(make_link(uuid4(), expires_at=MOMENT, secret=SECRET), secret=b"t" * 32)


@given(st.uuids())
def test_door_code_survives_typing(visit_id: UUID) -> None:
    code = door_code(visit_id, secret=SECRET)
    typed = f"{code[:4]}-{code[4:]}".lower().replace("1", "l").replace("0", "o")
    assert len(code) == DOOR_CODE_LENGTH
    assert normal_code(typed) == code


def test_door_codes_differ() -> None:
    assert len({door_code(uuid4(), secret=SECRET) for _ in range(500)}) == 500
