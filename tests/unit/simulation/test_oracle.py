"""The oracle finds nothing in a valid history, and each seeded mutant by its own rule."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from simulation.oracle import History, judge

_SPEC = importlib.util.spec_from_file_location("oracle_story", Path(__file__).with_name("story.py"))
assert _SPEC is not None
assert _SPEC.loader is not None
story = importlib.util.module_from_spec(_SPEC)
sys.modules["oracle_story"] = story
_SPEC.loader.exec_module(story)


def swapped_sequence(history: History) -> History:
    """Wrong relay order: the second event of a visit leaves before the first."""
    records = list(history.records)
    first, second = [
        index for index, record in enumerate(records) if record.topic == "visit" and "visits" in record.identity[0]
    ][:2]
    one, two = records[first], records[second]
    records[first] = replace(two, offset=one.offset)
    records[second] = replace(one, offset=two.offset)
    return replace(history, records=records)


def dropped_on_the_way(history: History) -> History:
    """An event was numbered and never arrived."""
    gone = next(record for record in history.records if record.type == "compliance.permit_used")
    return replace(history, records=[record for record in history.records if record is not gone])


def same_identity_other_bytes(history: History) -> History:
    posted = next(record for record in history.records if record.type == "case.payment_posted")
    forged = replace(posted, offset=90, value=posted.value.replace(b"5000", b"4000"))
    return replace(history, records=[*history.records, forged])


def _of_nobody() -> dict[str, str]:
    return {"event": "plan.signed", "reference": "plan-9"}


def again(history: History, name: str, **members: object) -> History:
    """Inbox off: an effect happens twice, under a new identity."""
    told = story.Story()
    told.records = list(history.records)
    source = next(record for record in history.records if record.type == name)
    count = sum(record.stream == source.stream for record in history.records)
    headers = source.headers | {"ce_id": "again", "ce_sequence": str(count + 1)}
    copy = replace(source, offset=99, headers=headers, value=story.json.dumps(source.data | members).encode())
    return replace(history, records=[*history.records, replace(copy, arrived_at=copy.arrived_at + timedelta(days=1))])


def second_visit(history: History) -> History:
    """A second check-in of the same party three days later, lawful in every other way."""
    later = story.iso(story.START + timedelta(days=3))
    return again(history, "visit.checked_in", permit_id="permit-2", checked_in_at=later)


def late_check_in(history: History) -> History:
    """The customer cured before the visit and the recall came too late."""
    door = next(record for record in history.records if record.type == "visit.checked_in")
    arrived = story.iso(door.moment("checked_in_real") - timedelta(seconds=2.1))
    return story.changed(history, "party.stopped", last=True, arrived_at=arrived)


def unrevoked(history: History) -> History:
    """A permit granted before a stop that nobody used, released or revoked."""
    told = story.Story()
    data = story.permit("permit-9", "visit", hours=48)
    record = told.tell("/services/compliance", "compliance", "compliance.permit_granted", data, about="other")
    fitting = replace(record, offset=91, headers=record.headers | {"ce_id": "id-unrevoked"})
    return replace(history, records=[*history.records, fitting])


def buried_alive(history: History) -> History:
    good = next(record for record in history.records if record.type == "loan.overdue")
    return story.changed(history, "dead", offset=good.offset)


def leaked_name(history: History) -> History:
    return story.changed(history, "case.opened", note={"who": ["Wang (synthetic)"]})


def other_key(history: History) -> History:
    records = [replace(record, key="party-2") if record.type == "case.cured" else record for record in history.records]
    return replace(history, records=records)


MUTANTS: list[tuple[str, Callable[[History], History]]] = [
    ("sequence", dropped_on_the_way),
    ("sequence", swapped_sequence),
    ("identity", same_identity_other_bytes),
    ("key", other_key),
    ("personal_data", leaked_name),
    ("contact_without_permit", lambda history: story.without(history, "compliance.permit_granted", last=True)),
    ("contact_without_permit", lambda history: story.changed(history, "contact.recorded", permit_id=None)),
    (
        "contact_with_foreign_permit",
        lambda history: story.changed(history, "compliance.permit_granted", channel="call"),
    ),
    (
        "contact_outside_window",
        lambda history: story.changed(history, "contact.recorded", started_at="2026-03-02T04:00:00Z"),
    ),
    ("permit_used_twice", lambda history: again(history, "visit.checked_in")),
    ("permit_used_twice", lambda history: again(history, "contact.recorded", contact_id="contact-2")),
    ("contact_without_leaf", lambda history: story.without(history, "compliance.contact_audited", last=True)),
    ("contact_audited_twice", lambda history: again(history, "compliance.contact_audited", leaf_index=5)),
    ("leaf_shared", lambda history: story.changed(history, "compliance.contact_audited", last=True, leaf_index=0)),
    ("leaf_outside_log", lambda history: replace(history, tree_size=1)),
    ("leaf_not_proved", lambda history: replace(history, leaves={story.OFFER: 0})),
    ("budget_exceeded", second_visit),
    ("visit_after_stop", late_check_in),
    ("saga", lambda history: story.without(history, "visit.assigned")),
    ("saga", lambda history: story.changed(history, "visit.assigned", permit_id="permit-7")),
    ("saga", lambda history: story.without(history, "visit.agreed")),
    ("money_posted_twice", lambda history: again(history, "case.payment_posted")),
    ("money_lost", lambda history: story.without(history, "case.payment_posted")),
    ("money_invented", lambda history: story.changed(history, "case.payment_posted", transaction_ref="T-9")),
    ("money_changed", lambda history: story.changed(history, "case.payment_posted", amount=story.money(4_999))),
    ("plan_money", lambda history: again(history, "plan.payment_matched")),
    ("plan_sum", lambda history: story.changed(history, "plan.signed", total=story.money(4_000))),
    ("books", lambda history: replace(history, cases={story.CASE: 1})),
    ("books", lambda history: replace(history, core_overdue={"L-1": 0, "L-2": 700})),
    ("plan_told_back", lambda history: replace(history, told_back=[])),
    ("plan_told_back", lambda history: replace(history, told_back=[*history.told_back, history.told_back[0]])),
    ("plan_told_back", lambda history: replace(history, told_back=[*history.told_back, _of_nobody()])),
    ("input_without_effect", lambda history: replace(story.without(history, "case.opened"), cases={})),
    ("case_without_effect", lambda history: replace(history, cases={})),
    ("case_unannounced", lambda history: replace(history, cases={story.CASE: 0, "case-2": 0})),
    ("visit_without_end", lambda history: story.without(history, "visit.completed")),
    ("visit_not_chosen", lambda history: story.without(history, "case.action_chosen")),
    ("visit_not_chosen", lambda history: story.changed(history, "case.action_chosen", action="letter")),
    ("good_record_dead", buried_alive),
    ("bad_record_swallowed", lambda history: story.without(history, "dead")),
    ("permit_survives_stop", unrevoked),
]


def test_valid_history_has_no_breach() -> None:
    verdict = judge(story.valid_history())
    assert verdict.passed, str(verdict)


def test_redelivery_is_no_breach() -> None:
    history = story.valid_history()
    again_on_the_topic = [replace(record, offset=record.offset + 1_000) for record in history.records]
    assert judge(replace(history, records=[*history.records, *again_on_the_topic])).passed


@pytest.mark.parametrize(
    ("rule", "mutate"), MUTANTS, ids=[f"{index}-{rule}" for index, (rule, _) in enumerate(MUTANTS)]
)
def test_mutant_is_found(rule: str, mutate: Callable[[History], History]) -> None:
    verdict = judge(mutate(story.valid_history()))
    assert rule in {breach.rule for breach in verdict.breaches}, str(verdict)


def test_first_breach_is_the_earliest() -> None:
    history = story.changed(story.valid_history(), "case.payment_posted", amount=story.money(1))
    verdict = judge(story.changed(history, "visit.assigned", permit_id="permit-7"))
    assert verdict.first is not None
    assert verdict.first.rule == "saga"
    assert "visit.checked_in" in verdict.first.place


def test_unfinished_history_may_have_open_ends() -> None:
    history = story.without(
        story.without(story.valid_history(), "visit.completed"), "compliance.contact_audited", last=True
    )
    rules = {breach.rule for breach in judge(replace(history, complete=False, leaves=None)).breaches}
    assert rules == set()


def test_check_in_within_freshness_is_no_breach() -> None:
    history = story.valid_history()
    door = next(record for record in history.records if record.type == "visit.checked_in")
    just_before = story.iso(door.moment("checked_in_real") - timedelta(seconds=1.9))
    assert judge(story.changed(history, "party.stopped", last=True, arrived_at=just_before)).passed
