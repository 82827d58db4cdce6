"""Checks of contact: permits, leaves, the visit budget, visits after a stop, the saga's order."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from typing import Final
from zoneinfo import ZoneInfo

from simulation.oracle.record import Record, moment_of
from simulation.oracle.verdict import Breach, History, breach

BUDGET_DATES: Final = 30
"""Bank policy: one visit per 30 local dates."""
FINAL_TYPES: Final = (
    "visit.completed", "visit.declined", "visit.moved", "visit.withdrawn", "visit.recalled", "visit.aborted",
)  # fmt: skip
"""After `visit.moved` the wish lives on in another visit: this one is over."""
_DEFAULT_ZONE: Final = "Asia/Shanghai"
# These end contact until somebody lifts them; a payment or an SOS only voids what was granted before it.
_LASTING_CAUSES: Final = frozenset({"cured", "deceased", "stop_request", "plan_signed", "represented", "complaint"})


def contacts_have_permits(history: History) -> Iterator[Breach]:
    """Every contact has a granted permit of its party and channel, and starts inside the permit's window."""
    granted = {record.text("permit_id"): record for record in history.of("compliance.permit_granted")}
    for contact in history.of("contact.recorded"):
        permit = granted.get(contact.text("permit_id"))
        if permit is None:
            yield breach(
                "contact_without_permit", contact, f"permit {contact.text('permit_id') or 'none'} was never granted"
            )
            continue
        for name in ("party_id", "channel"):
            if permit.text(name) != contact.text(name):
                yield breach("contact_with_foreign_permit", contact, f"{name} differs from the permit's")
        window = permit.data["window"]
        if not moment_of(window["start"]) <= contact.moment("started_at") < moment_of(window["end"]):
            yield breach("contact_outside_window", contact, f"started {contact.text('started_at')}, permit {window}")


def permits_are_used_once(history: History) -> Iterator[Breach]:
    """One permit, one check-in, one recorded contact, one reported use."""
    for name in ("visit.checked_in", "contact.recorded", "compliance.permit_used"):
        used: dict[str, Record] = {}
        for record in history.of(name):
            permit = record.text("permit_id")
            if permit and permit in used:
                yield breach("permit_used_twice", record, f"permit {permit} was used at {used[permit].place}")
            used[permit] = record


def contacts_have_leaves(history: History) -> Iterator[Breach]:
    """Every contact was audited once, into a leaf of its own that the log can prove."""
    audited: dict[str, Record] = {}
    places: dict[int, str] = {}
    for audit in history.of("compliance.contact_audited"):
        contact, leaf = audit.text("contact_id"), int(audit.data.get("leaf_index", -1))
        if contact in audited:
            yield breach("contact_audited_twice", audit, f"contact {contact} was audited at {audited[contact].place}")
        if places.setdefault(leaf, contact) != contact:
            yield breach("leaf_shared", audit, f"leaf {leaf} belongs to contact {places[leaf]}")
        if history.tree_size is not None and leaf >= history.tree_size:
            yield breach("leaf_outside_log", audit, f"leaf {leaf}, log size {history.tree_size}")
        if history.leaves is not None and history.leaves.get(contact) != leaf:
            yield breach("leaf_not_proved", audit, f"the log proves leaf {history.leaves.get(contact)}, not {leaf}")
        audited[contact] = audit
    if history.complete:
        for record in history.of("contact.recorded"):
            if record.text("contact_id") not in audited:
                yield breach("contact_without_leaf", record, "was never audited")


def visit_budget_is_kept(history: History) -> Iterator[Breach]:
    """No party is visited twice within 30 local dates."""
    zones = {
        record.text("party_id"): record.data.get("time_zones") or []
        for record in history.of("case.opened", "case.updated")
    }
    visited: dict[str, list[date]] = {}
    for visit in history.of("visit.checked_in"):
        party = visit.text("party_id")
        zone = ZoneInfo(next(iter(zones.get(party, [])), _DEFAULT_ZONE))
        day = visit.moment("checked_in_at").astimezone(zone).date()
        for earlier in visited.setdefault(party, []):
            if abs((day - earlier).days) < BUDGET_DATES:
                yield breach("budget_exceeded", visit, f"party {party} was visited on {earlier} and on {day}")
        visited[party].append(day)


def no_visit_after_stop(history: History) -> Iterator[Breach]:
    """No check-in later than F after a stopping fact reached our topic.

    A payment or an SOS voids permits granted before it; cure, death, a stop request or a signed plan forbid any
    check-in until the case opens anew or the hold ends.
    """
    granted = {record.text("permit_id"): record.arrived_at for record in history.of("compliance.permit_granted")}
    lifted = _lifting_times(history)
    stops: dict[str, list[Record]] = {}
    for stop in history.of("party.stopped"):
        stops.setdefault(stop.text("party_id"), []).append(stop)
    for visit in history.of("visit.checked_in"):
        party, moment = visit.text("party_id"), visit.moment("checked_in_real")
        for stop in stops.get(party, []):
            arrived, cause = stop.moment("arrived_at"), stop.text("cause")
            if moment <= arrived + history.freshness:
                continue
            void = granted.get(visit.text("permit_id"), arrived) <= arrived
            lasting = cause in _LASTING_CAUSES and not any(arrived < lift <= moment for lift in lifted.get(party, []))
            if void or lasting:
                late = (moment - arrived).total_seconds()
                yield breach("visit_after_stop", visit, f"{late:.1f} s after {cause} ({stop.place})")


def visits_follow_the_saga(history: History) -> Iterator[Breach]:
    """Check-in follows assignment under the same permit, completion follows check-in, and nothing follows an end.

    Until assigned, assignment and visits may both end a visit in the same moment; only steps *towards* the door are
    judged.
    """
    by_visit: dict[str, list[Record]] = {}
    for record in history.events:
        if record.topic == "visit" and record.text("visit_id"):
            by_visit.setdefault(record.text("visit_id"), []).append(record)
    for records in by_visit.values():
        yield from _steps(sorted(records, key=lambda record: (record.partition, record.offset)))


def _steps(records: list[Record]) -> Iterator[Breach]:
    permit, done, ended = "", set[str](), ""
    for record in records:
        name = record.type
        if name == "visit.assigned":
            permit = record.text("permit_id")
        if name == "visit.checked_in" and (not permit or permit != record.text("permit_id")):
            yield breach("saga", record, f"checked in under {record.text('permit_id')}, assigned {permit or 'nothing'}")
        for needed, after in _PREDECESSORS.get(name, ()):
            if needed not in done:
                yield breach("saga", record, f"{after} without {needed}")
        if ended and name in ("visit.checked_in", "visit.completed", "visit.agreed"):
            yield breach("saga", record, f"after {ended}")
        done.add(name)
        ended = name if name in FINAL_TYPES else ended


_PREDECESSORS: Final = {
    "visit.offered": (("visit.proposed", "offered"),),
    "visit.agreed": (("visit.offered", "agreed"),),
    "visit.assigned": (("visit.agreed", "assigned"),),
    "visit.checked_in": (("visit.assigned", "checked in"),),
    "visit.completed": (("visit.checked_in", "completed"),),
}


def _lifting_times(history: History) -> dict[str, list[datetime]]:
    """When contact with a party could become lawful again."""
    lifted: dict[str, list[datetime]] = {}
    for record in history.of("case.opened", "case.payment_reversed", "compliance.hold_ended", "plan.broken"):
        lifted.setdefault(record.text("party_id"), []).append(record.arrived_at)
    return lifted
