"""Past decisions judged again: the same to the byte by their own rules; by new rules, what would have changed."""

import json
import random
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, get_args
from uuid import UUID

import pytest
from msgspec import structs

from services.compliance.domain.canonical import Json, canonical
from services.compliance.domain.facts import (
    Balance,
    Circumstances,
    Counted,
    Freshness,
    Inconvenient,
    Override,
    PartyFacts,
    Question,
    Told,
)
from services.compliance.domain.frames import told
from services.compliance.domain.holds import Hold, HoldKind
from services.compliance.domain.judged_on import DeskRefusal, JudgedOn
from services.compliance.domain.local_time import Span
from services.compliance.domain.packs import PackError, RuleBook
from services.compliance.domain.replay import Rehearsal, Replayed, as_if_in_force, replay
from services.compliance.domain.rule_parts import FactName
from services.compliance.domain.rulings import Answer
from services.compliance.rule_archive import RulePart, hash_of, present_parts, read_archived
from services.compliance.rule_book import packs_of, read_packs, rule_book, with_versions
from shared.events.contact import Channel, Purpose

from .conftest import REAL, at, facts, question

PLACES = {
    "CN": "Asia/Shanghai", "GB": "Europe/London", "US-MA": "America/New_York", "US-NY": "America/New_York",
    "IN": "Asia/Kolkata", "AU": "Australia/Sydney", "HK": "Asia/Hong_Kong", "SG": "Asia/Singapore",
    "DE": "Europe/Berlin",
}  # fmt: skip
PARTS = present_parts(None)
OVERRIDABLE = [rule for pack in rule_book().packs for rule in pack.rule if rule.override != "none"]


def party_of(draw: random.Random) -> UUID:
    return UUID(int=draw.getrandbits(128))


def a_case(draw: random.Random) -> JudgedOn:
    """A question about a person, lawful or not; now and then something is not known or was refused by the desk."""
    place = draw.choice(list(PLACES))
    zone = PLACES[place]
    now = datetime(2026, 3, 1, tzinfo=UTC) + timedelta(minutes=draw.randrange(400 * 1_440))
    start = now + timedelta(minutes=draw.randrange(4 * 1_440))
    party, case, minutes = party_of(draw), party_of(draw), draw.choice([5, 30, 120])
    asked = Question(
        party_id=party, case_id=case, subject_id=party_of(draw), channel=draw.choice(get_args(Channel)),
        purpose=draw.choice(("collection", *get_args(Purpose))), jurisdiction=place, zones=(zone,),
        span=Span(start, start + timedelta(minutes=minutes + draw.choice([0, 30]))),
        duration=timedelta(minutes=minutes),
        crew=(UUID(int=1), UUID(int=2))[: draw.randrange(1, 3)], device_id=draw.choice([None, "d"]), place_cell="c",
        versions={"case": draw.randrange(4)}, keys={"debt": frozenset({"a"})}, now=now, real_now=REAL,
    )  # fmt: skip
    contacts = tuple(a_contact(draw, now, zone) for _ in range(draw.randrange(12)))
    known = PartyFacts(
        party_id=party, known=draw.random() < 0.97, case_id=case, case_open=draw.random() < 0.97, case_version=2,
        jurisdiction=place, zones=(zone,), history_known_from=date(2023, 1, 1), counted=contacts,
        versions={("visit", asked.subject_id): 1},
        holds=tuple(a_hold(draw, party, now) for _ in range(draw.randrange(3))),
        freshness=Freshness(watermarks={"intake": REAL - timedelta(seconds=draw.choice([0, 0, 0, 60]))}),
        balance=Balance(as_of=REAL, overdue_minor={"CNY": draw.choice([0, 1, 1, 1])}, digest="d"),
        circumstances=Circumstances(collector="creditor", product=draw.choice([None, "card"]), place="home"),
        told={name: Told(value=True, as_of=now) for name in get_args(FactName) if draw.random() < 0.9},
        overrides={rule.id: (an_override(draw, rule.override, now),) for rule in draw.sample(OVERRIDABLE, 2)},
        inconvenient=draw.choice([None, (), (Inconvenient(channels=frozenset({"call", "sms"})),)]),
        letter=draw.choice([None, frozenset({"amount_owed"})]),
    )  # fmt: skip
    refused_by: DeskRefusal | None = draw.choice([None, None, None, "request_reused", "not_replaceable"])
    replaces = draw.choice([None, *(one.permit_id for one in contacts)])
    return JudgedOn(question=asked, facts=known, replaces=replaces, refused_by=refused_by)


def a_contact(draw: random.Random, now: datetime, zone: str) -> Counted:
    start = now - timedelta(minutes=draw.randrange(60 * 1_440))
    return Counted(
        channel=draw.choice(get_args(Channel)), purpose="collection", span=Span(start, start + timedelta(minutes=5)),
        zones=(zone,), conversation=draw.random() < 0.3, lawful=draw.choice([None, True, False]),
        permit_id=draw.choice([None, party_of(draw)]),
    )  # fmt: skip


def a_hold(draw: random.Random, party: UUID, now: datetime) -> Hold:
    begins = now + timedelta(hours=draw.randrange(-2_000, 50))
    return Hold(
        hold_id=party_of(draw), party_id=party, kind=draw.choice(get_args(HoldKind)), scope="party", valid_from=begins,
        valid_to=begins + timedelta(hours=draw.randrange(1, 900)), source_ref="s", recorded_real=REAL,
    )  # fmt: skip


def an_override(draw: random.Random, by: Any, now: datetime) -> Override:
    return Override(by=by, evidence=party_of(draw), valid=Span(now, now + timedelta(days=draw.randrange(1, 5))))


def recorded(judged_on: JudgedOn, book: RuleBook, *, number: int = 7) -> tuple[bytes, bytes, bytes]:
    """The record, what it was judged on, and the frame that it names."""
    content = judged_on.encoded()
    request: dict[str, Json] = {"channel": judged_on.question.channel, "note": "ü"}
    decision = judged_on.decide(book)
    assert decision.frame is not None
    record = judged_on.record(decision, content, book=book, decision_id=UUID(int=number), request=request)
    return record, content, decision.frame.content


def recorded_before_frames(judged_on: JudgedOn, book: RuleBook) -> tuple[bytes, bytes]:
    content = judged_on.encoded()
    request: dict[str, Json] = {"channel": judged_on.question.channel, "note": "ü"}
    decision = judged_on.decide(book)
    return judged_on.record_again(
        decision, content, book=book, decision_id=UUID(int=7), request=request, frame=None
    ), content  # fmt: skip


def test_ten_thousand_decisions_come_out_the_same_to_the_byte() -> None:
    """Decided by the loaded rules; judged again on the kept bytes by the rules read from their kept sources."""
    loaded = rule_book()
    archived = read_archived(loaded.rule_set, PARTS)
    assert archived.changed_code == ()
    draw, answers = random.Random("ten thousand decisions"), set()
    for number in range(10_000):
        record, content, frame = recorded(a_case(draw), loaded, number=number)
        again = replay(record, content, archived.book, frame=frame)
        assert (again.state, again.record) == ("identical", record), (number, again.detail)
        answers.add(json.loads(record)["answer"])
    assert answers == {"allow", "deny", "needs-fact"}


def test_decisions_of_before_frames_come_out_the_same_to_the_byte() -> None:
    loaded, draw = rule_book(), random.Random("before frames")
    for _ in range(200):
        record, content = recorded_before_frames(a_case(draw), loaded)
        assert b'"frame"' not in record
        assert replay(record, content, loaded) == Replayed("identical", record)


def test_frame_of_other_code_is_gone_on_with() -> None:
    """Which answers are usual may change with the program: an old record keeps its frame, to the byte."""
    judged_on, loaded = a_case(random.Random("other code")), rule_book()
    record, content, frame = recorded(judged_on, loaded)
    bare = json.loads(frame)
    for rule in bare["rules"]:
        rule.pop("usual", None)
    older = canonical(bare)
    kept = json.loads(record)
    again = judged_on.record_again(
        judged_on.decide(loaded), content, book=loaded, decision_id=UUID(int=7), request=kept["request"], frame=older
    )
    assert again != record
    assert told(json.loads(again), older) == told(kept, frame)
    assert replay(again, content, loaded, frame=older) == Replayed("identical", again)


def test_record_without_its_frame_is_damaged() -> None:
    record, content, _ = sound()
    assert replay(record, content, rule_book()).state == "damaged"


def changed(content: bytes, name: str, value: Any) -> bytes:
    return canonical({**json.loads(content), name: value})


def sound() -> tuple[bytes, bytes, bytes]:
    return recorded(JudgedOn(question=question(), facts=facts()), rule_book())


def test_other_facts_than_those_named_are_damage() -> None:
    record, content, frame = sound()
    again = replay(record, changed(content, "replaces", str(UUID(int=3))), rule_book(), frame=frame)
    assert again == Replayed("damaged", None, "the facts are not those that the record names")


def test_unreadable_facts_are_damage() -> None:
    record, _, frame = sound()
    digest = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"  # of nothing
    assert replay(changed(record, "judged_on", digest), b"", rule_book(), frame=frame).state == "damaged"


@pytest.mark.parametrize(
    ("name", "value"), [("answer", "deny"), ("earliest_lawful", {"at": "x"}), ("decided_at", "x"), ("facts", {})]
)
def test_changed_record_is_named(name: str, value: Any) -> None:
    record, content, frame = sound()
    again = replay(changed(record, name, value), content, rule_book(), frame=frame)
    assert (again.state, again.record, again.detail) == ("differs", record, name)


def test_changed_ruling_is_named() -> None:
    record, content, frame = sound()
    rules = json.loads(record)["rules"]
    place, said = rules[0]
    said["values"] = {"count": 99}
    again = replay(changed(record, "rules", rules), content, rule_book(), frame=frame)
    assert (again.state, again.detail) == ("differs", json.loads(frame)["rules"][place]["rule"])


def test_changed_ruling_of_before_frames_is_named() -> None:
    record, content = recorded_before_frames(JudgedOn(question=question(), facts=facts()), rule_book())
    rules = json.loads(record)["rules"]
    rules[0]["citation"] = "another law"
    again = replay(changed(record, "rules", rules), content, rule_book())
    assert (again.state, again.detail) == ("differs", rules[0]["rule"])


def test_record_of_other_rules_is_not_judged_by_these() -> None:
    record, content, _ = sound()
    with pytest.raises(ValueError, match="other rules"):
        replay(changed(record, "rule_set", "0"), content, rule_book())


def test_parts_make_the_rule_set() -> None:
    assert hash_of(PARTS) == rule_book().rule_set
    assert {part.kind for part in PARTS} == {"pack", "code", "tzdata"}


def test_changed_source_is_not_taken_for_the_rules() -> None:
    parts = [RulePart(one.kind, one.name, one.content + b"\n") for one in PARTS[:1]] + list(PARTS[1:])
    with pytest.raises(PackError, match="not its sources"):
        read_archived(rule_book().rule_set, parts)


def test_other_code_is_named() -> None:
    parts = tuple(
        RulePart(part.kind, part.name, part.content + b"# then\n") if part.name == "domain/decisions.py" else part
        for part in PARTS
    )
    assert read_archived(hash_of(parts), parts).changed_code == ("domain/decisions.py",)


def new_policy(*changes: tuple[bytes, bytes]) -> RuleBook:
    """The loaded rules with another version of the bank's policy, in effect long after every contact."""
    packs = packs_of(None)
    content = packs["bank-policy.toml"]
    for old, new in ((b"version = 1", b"version = 2"), *changes):
        assert old in content
        content = content.replace(old, new, 1)
    return read_packs(with_versions(packs, {"new": content}))


def rehearsed(new: RuleBook, *cases: JudgedOn, present: RuleBook | None = None) -> Rehearsal:
    rehearsal = Rehearsal(as_if_in_force(new, ["bank-policy"]), present or rule_book(), ["jurisdiction", "product"])
    for one in cases:
        decision = one.decide(rule_book())
        rules = [ruling.rule.id for ruling in decision.refusals]
        rehearsal.judge(one, answer=decision.answer, refused_by=rules)
    return rehearsal


def visited(days_ago: int) -> Counted:
    start = at(14) - timedelta(days=days_ago)
    return Counted(channel="visit", purpose="collection", span=Span(start, start), zones=("Asia/Shanghai",))


LONG_AGO = JudgedOn(question=question(), facts=facts(counted=(visited(40),)))
LATELY = JudgedOn(question=question(), facts=facts(counted=(visited(20),)))
STRICTER = ((b'"local_dates_30"', b'"local_dates_45"'),)
LOOSER = ((b'"local_dates_30"', b'"local_dates_15"'),)


def test_same_rules_change_nothing() -> None:
    rehearsal = rehearsed(new_policy(), LONG_AGO, LATELY)
    assert {name: rehearsal.total(name) for name in ("decisions", "refused", "allowed", "reason")} == {
        "decisions": 2, "refused": 0, "allowed": 0, "reason": 0,
    }  # fmt: skip


def test_stricter_pack_refuses_what_was_allowed() -> None:
    rehearsal = rehearsed(new_policy(*STRICTER), LONG_AGO, LATELY)
    assert (rehearsal.total("refused"), rehearsal.refusing) == (1, {"BANK-VISIT-30D": 1})
    assert set(rehearsal.cells) == {("visit", "CN", "-")}


def test_looser_pack_allows_what_was_refused() -> None:
    rehearsal = rehearsed(new_policy(*LOOSER), LONG_AGO, LATELY)
    assert (rehearsal.total("allowed"), rehearsal.freeing) == (1, {"BANK-VISIT-30D": 1})


def test_pack_is_judged_as_if_it_had_always_been_in_force() -> None:
    late = new_policy(*STRICTER)
    packs = tuple(
        pack.model_copy(
            update={
                "effective_from": date(2090, 1, 1),
                "rule": tuple(rule.model_copy(update={"effective_from": date(2090, 1, 1)}) for rule in pack.rule),
            }
        )
        if pack.id == "bank-policy"
        else pack
        for pack in late.packs
    )
    assert rehearsed(replace(late, packs=packs), LONG_AGO).total("refused") == 1


def test_what_the_present_rules_change_too_is_not_owed_to_the_pack() -> None:
    stricter = new_policy(*STRICTER)
    rehearsal = rehearsed(stricter, LONG_AGO, present=stricter)
    assert (rehearsal.total("refused"), rehearsal.total("before_this_pack"), rehearsal.refusing) == (0, 1, {})


def test_people_are_counted_once() -> None:
    other = JudgedOn(question=structs.replace(question(), party_id=UUID(int=5)), facts=facts(party_id=UUID(int=5)))
    (cell,) = rehearsed(new_policy(), LONG_AGO, LATELY, other).cells.values()
    assert (cell.decisions, cell.people) == (3, 2)


def test_refusal_for_another_reason_is_counted_apart() -> None:
    rehearsal = Rehearsal(rule_book(), new_policy(), [])
    assert rehearsal.judge(LATELY, answer=Answer.NEEDS_FACT, refused_by=["X"]) == "reason"
