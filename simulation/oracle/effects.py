"""Checks that nothing is lost: every input has its effect, every saga its end, every stop its revocation."""

from __future__ import annotations

from collections.abc import Iterator

from simulation.oracle.contacts import FINAL_TYPES
from simulation.oracle.record import CORE_TOPICS, Record, moment_of
from simulation.oracle.soundness import is_sound
from simulation.oracle.verdict import Breach, History, breach


def loans_become_cases(history: History) -> Iterator[Breach]:
    """Every sound statement of a late loan is in a case; later statements of a parked party wait and are not judged."""
    if not history.complete:
        return
    known = {
        loan["loan_ref"]
        for record in history.of("case.opened", "case.updated")
        for loan in record.data.get("loans", [])
    }
    parked: set[str] = set()
    for record in history.events:
        if record.topic not in CORE_TOPICS:
            continue
        if not is_sound(record):
            parked.add(record.key)
        elif record.type == "loan.overdue" and record.text("loan_ref") not in known and record.key not in parked:
            yield breach("input_without_effect", record, f"{record.text('loan_ref')} is in no case")


def cases_are_answered(history: History) -> Iterator[Breach]:
    """Every case that was announced is in intake's API, and the API knows no other."""
    if history.cases is None:
        return
    opened = {record.text("case_id"): record for record in history.of("case.opened")}
    for case_id, record in opened.items():
        if case_id not in history.cases:
            yield breach("case_without_effect", record, "intake's API does not know the case")
    if history.complete and opened:
        last = max(opened.values(), key=lambda record: record.arrived_at)
        for case_id in history.cases.keys() - opened.keys():
            yield breach("case_unannounced", last, f"the API shows case {case_id}, which was never opened on the topic")


def visits_come_to_an_end(history: History) -> Iterator[Breach]:
    """Every proposed visit is completed, declined, moved, withdrawn, recalled or aborted."""
    if not history.complete:
        return
    ended = {record.text("visit_id") for record in history.of(*FINAL_TYPES)}
    for record in history.of("visit.proposed"):
        if record.text("visit_id") not in ended:
            yield breach("visit_without_end", record, "has no final event")


def visits_are_chosen(history: History) -> Iterator[Breach]:
    """A visit is proposed to nobody for whom the bank's strategy had not chosen one before."""
    chosen: dict[str, Record] = {}
    for record in history.of("case.action_chosen"):
        if record.data.get("action") == "field_visit":
            chosen.setdefault(record.text("case_id"), record)
    for record in history.of("visit.proposed"):
        choice = chosen.get(record.text("case_id"))
        if choice is None or choice.arrived_at > record.arrived_at:
            yield breach("visit_not_chosen", record, "the strategy had chosen no visit")


def only_bad_records_are_dead(history: History) -> Iterator[Breach]:
    """The dead letters are exactly the core's unsound records: no good one is refused, no bad one swallowed."""
    inputs = {(record.topic, record.partition, record.offset): record for record in history.records}
    buried: set[tuple[str, str]] = set()
    for letter in history.records:
        if not letter.topic.endswith(".dlq"):
            continue
        place = (
            str(letter.data.get("topic")),
            int(letter.data.get("partition", -1)),
            int(letter.data.get("offset", -1)),
        )
        source = inputs.get(place)
        if source is None or is_sound_anywhere(source):
            yield breach("good_record_dead", letter, f"{place} could have been processed")
        else:
            buried.add(source.identity)
    if history.complete:
        for record in history.events:
            if record.topic in CORE_TOPICS and not is_sound(record) and record.identity not in buried:
                yield breach("bad_record_swallowed", record, "is in no dead-letter topic")


def is_sound_anywhere(record: Record) -> bool:
    """An internal record is always sound: services validate what they publish."""
    return record.topic not in CORE_TOPICS or is_sound(record)


def stops_revoke_permits(history: History) -> Iterator[Breach]:
    """A stop leaves no unused visit permit behind: used, released, revoked, or over before the stop."""
    if not history.complete:
        return
    settled = {
        record.text("permit_id")
        for record in history.of("compliance.permit_used", "compliance.permit_released", "compliance.permit_revoked")
    }
    stopped: dict[str, list[Record]] = {}
    for stop in history.of("party.stopped"):
        stopped.setdefault(stop.text("party_id"), []).append(stop)
    for permit in history.of("compliance.permit_granted"):
        if permit.text("channel") != "visit" or permit.text("permit_id") in settled:
            continue
        for stop in stopped.get(permit.text("party_id"), []):
            ends = moment_of(permit.data["window"]["end"])
            if permit.arrived_at < stop.arrived_at and stop.moment("since") < ends:
                yield breach("permit_survives_stop", permit, f"{stop.text('cause')} at {stop.place} left it alive")
                break
