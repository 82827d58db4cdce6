"""`report.html`: the run on one self-contained page, from the services' answers and the raw events."""

from __future__ import annotations

import asyncio
import json
from html import escape
from pathlib import Path
from typing import Any, Final

import h3

from simulation.api import Api
from simulation.display import funnel
from simulation.evidence import Head, is_proved, party_leaves
from simulation.oracle import History
from simulation.oracle.record import CORE_TOPICS, Record
from simulation.platform import Platform
from simulation.report_page import PAGE, bars, route_map, table, timeline
from simulation.summary import Outcome, counted, differences

# What is told of an event in the customer's story, besides its type.
_TOLD: Final[dict[str, tuple[str, ...]]] = {
    "case.opened": ("bucket", "dpd_contractual", "overdue_totals"),
    "case.payment_posted": ("transaction_ref", "amount"),
    "case.cured": ("cause",),
    "visit.proposed": ("field_day", "window"),
    "visit.offered": ("window", "answer_by"),
    "visit.agreed": ("answered_at",),
    "visit.assigned": ("stop_number", "window", "permit_id"),
    "visit.checked_in": ("checked_in_at", "distance_m", "permit_id"),
    "visit.completed": ("outcome", "checked_out_at"),
    "plan.proposed": ("kind", "total", "monthly_surplus"),
    "plan.signed": ("kind", "total", "instalments"),
    "plan.payment_matched": ("amount", "paid_total"),
    "plan.completed": ("cause", "paid_total"),
    "contact.recorded": ("channel", "purpose", "outcome"),
    "compliance.permit_granted": ("channel", "purpose", "window"),
    "compliance.hold_placed": ("kind",),
    "compliance.contact_audited": ("verdict", "leaf_index"),
    "party.stopped": ("cause", "scope"),
}


_STORY_NOTE: Final = "From overdue to cure: decision and permit behind each contact, and the proof of its leaf."


async def write_report(api: Api, platform: Platform, outcome: Outcome, path: Path) -> Path:
    """Write the page; returns its path. Raises UnexpectedAnswer, OSError."""
    summaries = outcome.figures.summaries
    field_day = (await api.get("assignment", f"/v1/field-days/{outcome.told.field_days[0]}")).expected()
    party = chosen_party(outcome.history)
    page = PAGE.substitute(
        lead=escape(
            "Simulated portfolio: statistics of the UCI credit-card data, people and places made up and labelled "
            f"synthetic. Run prefix {platform.prefix or '(none)'}."
        ),
        verdict=_verdict(outcome),
        funnel=bars(funnel(summaries)),
        day=escape(str(field_day["day"])),
        routes_note=escape(_routes_note(field_day)),
        map=route_map([_route_of(route) for route in field_day["routes"]]),
        refusals=_refusals(outcome),
        acts=table(
            ("tried", "must be", "answer", "held"),
            [(act.tried, act.must, act.answer, act.held) for act in outcome.told.acts],
        ),
        recalls=_recalls(summaries),
        story_note=_STORY_NOTE if party else "No customer went the whole way in this run.",
        story=await _story(api, outcome, party) if party else "",
    )
    await asyncio.to_thread(path.write_text, page, encoding="utf-8")
    return path


def chosen_party(history: History) -> str | None:
    """The first party that signed a plan at the door and cured."""
    cured = {record.text("party_id") for record in history.of("case.cured")}
    visited = {record.text("party_id") for record in history.of("visit.completed")}
    for record in history.of("plan.signed"):
        if record.text("party_id") in cured & visited:
            return record.text("party_id")
    return None


def _verdict(outcome: Outcome) -> str:
    rows: list[tuple[str, str]] = [
        ("Oracle", str(outcome.verdict)),
        ("Audit log", outcome.log.whole.said.replace("\n", "; ")),
        ("Copy with one flipped byte", outcome.log.damaged.said.replace("\n", "; ")),
        ("Differences with the core's books", str(differences(outcome.figures))),
        ("Newest checkpoint", outcome.figures.checkpoint),
    ]
    state = "held" if outcome.holds else "broken"
    word = "Everything holds." if outcome.holds else "Something is off: " + " · ".join(outcome.faults)
    return f'<p class="{state}">{escape(word)}</p>' + table(("what", "what was found"), rows)


def _routes_note(field_day: dict[str, Any]) -> str:
    figures = field_day["figures"]
    return (
        f"{figures['routes']} pairs, {figures['planned_visits']} visits, {figures['km']} km (estimate of the travel "
        "model). Stops are drawn at the centres of their 500 m cells; squares are where pairs set out."
    )


def _route_of(route: dict[str, Any]) -> list[tuple[float, float]]:
    home = (route["home"]["lat"], route["home"]["lon"]) if route["home"] else None
    stops = [h3.cell_to_latlng(stop["cell"]) for stop in sorted(route["stops"], key=lambda stop: stop["stop_number"])]
    return [home, *stops, home] if home else [*stops]


def _refusals(outcome: Outcome) -> str:
    summaries = outcome.figures.summaries
    decided = table(
        ("rule", "citation", "refused"),
        [(each["rule"], each["citation"], int(each["count"])) for each in summaries["compliance"]["refused_by_rule"]],
    )
    at_the_door = counted(summaries["visits"]["refused_check_ins_by_reason"])
    return decided + f'<p class="note">Check-ins refused at the door: {escape(at_the_door)}</p>'


def _recalls(summaries: dict[str, dict[str, Any]]) -> str:
    rows = []
    for name, figures in (
        ("visit recalled", summaries["visits"]["recalls"]),
        ("permit revoked", summaries["compliance"]["recalls"]),
    ):
        values = [
            f"{figures[part]:.0f} ms" if figures[part] is not None else "-" for part in ("p50_ms", "p95_ms", "p99_ms")
        ]
        rows.append((name, int(figures["count"]), *values))
    return table(("effect", "count", "p50", "p95", "p99"), rows)


async def _story(api: Api, outcome: Outcome, party: str) -> str:
    leaves = await party_leaves(api, party)
    head = Head.parse(outcome.figures.checkpoint)
    decisions = {}
    for record in outcome.history.of("compliance.permit_granted"):
        if record.text("party_id") == party:
            decision = record.text("decision_id")
            decisions[decision] = (await api.get("compliance", f"/v1/decisions/{decision}")).expected()
    events = [
        record
        for record in outcome.history.events
        if record.topic not in CORE_TOPICS and record.text("party_id") == party and record.type in _TOLD
    ]
    return timeline(
        [
            (
                record.headers.get("ce_time", ""),
                record.type,
                _words(record),
                _evidence(record, leaves=leaves, head=head, decisions=decisions),
            )
            for record in sorted(events, key=lambda record: (record.headers.get("ce_time", ""), record.arrived_at))
        ]
    )


def _words(record: Record) -> str:
    parts = [f"{name} {_short(record.data[name])}" for name in _TOLD[record.type] if record.data.get(name) is not None]
    return "; ".join(parts)


def _short(value: Any) -> str:
    if isinstance(value, dict) and "amount_minor" in value:
        return f"{value['currency']} {value['amount_minor'] / 100:,.2f}"
    if isinstance(value, dict) and "start" in value:
        return f"{value['start']} to {value['end']}"
    if isinstance(value, list):
        return ", ".join(_short(each) for each in value)
    if isinstance(value, dict):
        return " ".join(_short(each) for each in value.values())
    return str(value)


def _evidence(record: Record, *, leaves: list[dict[str, Any]], head: Head, decisions: dict[str, Any]) -> str:
    if record.type == "compliance.permit_granted":
        return json.dumps(decisions.get(record.text("decision_id"), {}).get("record", {}), indent=1, ensure_ascii=False)
    if record.type == "visit.assigned":
        return record.text("permit")
    if record.type == "contact.recorded":
        for leaf in leaves:
            if leaf["record"].get("contact_id") == record.text("contact_id"):
                word = "proved" if is_proved(leaf, head) else "NOT PROVED"
                proof = json.dumps(leaf["proof"], indent=1)
                return f"leaf {leaf['proof']['leaf_index']}, inclusion {word} under the newest checkpoint\n{proof}"
        return "no leaf"
    return ""
