"""What a decision was judged on is kept whole: every field of it, as it was."""

import base64
import types
import zlib
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints
from uuid import UUID

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from services.compliance.domain.canonical import canonical
from services.compliance.domain.facts import Counted, PartyFacts, Question
from services.compliance.domain.judged_on import (
    JudgedOn,
    UnreadableFactsError,
    decode,
    packed,
    refused_of_debts,
    unpacked,
)
from services.compliance.domain.local_time import Span

from .conftest import at, facts, question

ATOMS: dict[Any, st.SearchStrategy[Any]] = {
    bool: st.booleans(),
    int: st.integers(-(2**53), 2**53),
    str: st.text(max_size=8),
    UUID: st.uuids(),
    date: st.dates(),
    time: st.times(),
    datetime: st.datetimes(timezones=st.just(UTC)),
    timedelta: st.timedeltas(timedelta(days=-4_000), timedelta(days=4_000)),
    type(None): st.none(),
}


def any_of(hint: Any) -> st.SearchStrategy[Any]:
    """Values of a type, every field of every part of them drawn; a field that is added is drawn as well."""
    if hint in ATOMS:
        return ATOMS[hint]
    origin, parts = get_origin(hint), get_args(hint)
    if origin is Literal:
        return st.sampled_from(parts)
    if origin in (Union, types.UnionType):
        return st.one_of([any_of(part) for part in parts])
    if origin is tuple and parts[-1] is ...:
        return st.lists(any_of(parts[0]), max_size=2).map(tuple)
    if origin is tuple:
        return st.tuples(*map(any_of, parts))
    if origin is frozenset:
        return st.frozensets(any_of(parts[0]), max_size=2)
    if origin is Mapping:
        return st.dictionaries(any_of(parts[0]), any_of(parts[1]), max_size=2)
    if origin is None and not (is_dataclass(hint) or issubclass(hint, msgspec.Struct | Span)):
        return any_of(getattr(hint, "__value__", hint.__class__))
    names = hint._fields if issubclass(hint, tuple) else _names(hint)
    hints = get_type_hints(hint)
    return st.builds(hint, **{name: any_of(hints[name]) for name in names})


def _names(hint: Any) -> list[str]:
    if issubclass(hint, msgspec.Struct):
        return list(hint.__struct_fields__)
    return [one.name for one in fields(hint) if one.init]


@settings(deadline=None, max_examples=80)
@given(judged_on=st.deferred(lambda: any_of(JudgedOn)))
def test_everything_comes_back(judged_on: JudgedOn) -> None:
    """Fields that are added later are drawn too: one that the codec forgets fails here."""
    content = judged_on.encoded()
    again = decode(content)
    assert again == judged_on
    assert again.facts.counted == judged_on.facts.counted
    assert again.encoded() == content
    assert canonical(msgspec.json.decode(content)) == content
    assert unpacked(packed(content)) == content


def test_every_part_is_drawn() -> None:
    """The property above rests on it."""
    drawn: set[str] = set()

    @settings(deadline=None, max_examples=100, database=None, derandomize=True)
    @given(known=any_of(PartyFacts), asked=any_of(Question), contact=any_of(Counted))
    def look(known: PartyFacts, asked: Question, contact: Counted) -> None:
        for one in (known, asked, contact):
            drawn.update(name for name in _names(type(one)) if getattr(one, name) not in (None, (), {}, False, 0))

    look()
    assert drawn >= {*_names(PartyFacts), *_names(Question), *_names(Counted)}


def past_call(**changes: Any) -> Counted:
    values: dict[str, Any] = {
        "channel": "call",
        "purpose": "collection",
        "span": Span(at(9), at(10)),
        "zones": ("UTC",),
    }
    return Counted(**(values | changes))


def kept(judged_on: JudgedOn) -> dict[str, Any]:
    return msgspec.json.decode(judged_on.encoded())  # type: ignore[no-any-return]


def test_fields_that_came_later_read_as_not_known_then() -> None:
    judged_on = JudgedOn(question=question(), facts=facts(counted=(past_call(thread="t"),)))
    older = kept(judged_on)
    del older["facts"]["third_person"], older["question"]["keys"], older["replaces"]
    place = older["counted_as"].index("place")
    older["counted_as"].pop(place)
    older["facts"]["counted"][0].pop(place)
    assert decode(canonical(older)) == judged_on


def test_contacts_are_read_by_name_whatever_their_order() -> None:
    judged_on = JudgedOn(question=question(), facts=facts(counted=(past_call(conversation=False, lawful=True),)))
    turned = kept(judged_on)
    turned["counted_as"].reverse()
    turned["facts"]["counted"][0].reverse()
    assert decode(canonical(turned)) == judged_on


@pytest.mark.parametrize("content", [b"", b"{}", b'{"format":2}', b"[1]", packed(b"{}").encode()])
def test_what_this_codec_did_not_write_is_refused(content: bytes) -> None:
    with pytest.raises(UnreadableFactsError):
        decode(content)


@pytest.mark.parametrize("change", [{"format": 2}, {"facts": {}}, {"counted_as": ["channel"]}])
def test_later_formats_and_missing_parts_are_refused(change: dict[str, Any]) -> None:
    content = kept(JudgedOn(question=question(), facts=facts(counted=(past_call(),))))
    with pytest.raises(UnreadableFactsError):
        decode(canonical(content | change))


def test_what_older_versions_packed_is_read() -> None:
    content = JudgedOn(question=question(), facts=facts()).encoded()
    assert unpacked(base64.b64encode(zlib.compress(content, 1)).decode()) == content


@pytest.mark.parametrize("text", ["", "%", "AAAA", "lz4:", "lz4:%", "lz4:AAAA", "lz4://///w=="])
def test_what_was_not_packed_is_refused(text: str) -> None:
    with pytest.raises(UnreadableFactsError):
        unpacked(text)


def test_whatever_changes_the_facts_changes_the_bytes() -> None:
    known = facts(counted=(past_call(),))
    one = JudgedOn(question=question(), facts=known).encoded()
    assert one != JudgedOn(question=question(), facts=structs.replace(known, held=True)).encoded()
    assert one != JudgedOn(question=question(), facts=facts(counted=(past_call(lawful=True),))).encoded()
    assert one != JudgedOn(question=question(), facts=known, refused_by="request_reused").encoded()


def test_nothing_is_collected_of_a_debt_that_is_not_collected_any_more() -> None:
    owed, sold, strange = UUID(int=1), UUID(int=2), UUID(int=3)
    known = facts(debts=frozenset({owed, sold}), keys={"debt": frozenset({str(owed)})})
    assert refused_of_debts([owed, sold], "collection", known) == "not_collected"
    assert refused_of_debts([sold], "reply", known) is None
    assert refused_of_debts([owed, strange], "collection", known) is None
    moved = structs.replace(known, transferred=frozenset({sold}))
    assert refused_of_debts([owed, sold], "plan_service", moved) == "transferred"
    assert refused_of_debts([owed], "plan_service", moved) is None
    assert refused_of_debts([sold], "statutory_notice", moved) is None, "that it was sold must be told"
    assert refused_of_debts([owed], "reply", facts(guaranteed=frozenset({owed}))) == "nothing_demanded"
