"""A small valid history: two debtors, a visit with a signed plan, a cure, a parked party. Mutants are made from it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from simulation.oracle import History
from simulation.oracle.record import Record

START = datetime(2026, 3, 2, 1, tzinfo=UTC)
REAL = datetime(2026, 11, 23, 12, tzinfo=UTC)
PARTY, CASE, VISIT, PLAN, PERMIT, OFFER_PERMIT = "party-1", "case-1", "visit-1", "plan-1", "permit-1", "permit-0"
CONTACT, OFFER = "contact-1", "contact-0"
CORE_PARTY = "bank|core-a|P-1"


def iso(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def money(amount: int) -> dict[str, Any]:
    return {"amount_minor": amount, "currency": "TWD"}


class Story:
    """Appends records in order of arrival; offsets and sequences count as brokers and writers do."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self._offsets: dict[str, int] = {}
        self._sequences: dict[tuple[str, str, str], int] = {}

    def tell(
        self, source: str, topic: str, name: str, data: dict[str, Any], *, about: str, key: str | None = None
    ) -> Record:
        offset = self._offsets[topic] = self._offsets.get(topic, -1) + 1
        stream = (source, topic, about)
        self._sequences[stream] = self._sequences.get(stream, 0) + 1
        record = Record(
            topic=topic,
            partition=0,
            offset=offset,
            key=key if key is not None else data.get("party_id", "-"),
            headers={
                "ce_specversion": "1.0",
                "ce_id": f"id-{len(self.records)}",
                "ce_source": source,
                "ce_type": name,
                "ce_time": iso(START),
                "ce_tenant": "bank",
                "ce_dataschema": f"{name}.v1",
                "ce_sequence": str(self._sequences[stream]),
                "ce_aggregatetype": topic,
                "ce_aggregateid": about,
            },
            value=json.dumps(data).encode(),
            arrived_at=REAL + timedelta(seconds=len(self.records)),
        )
        self.records.append(record)
        return record


def core_facts(story: Story) -> None:
    loan = {"tenant": "bank", "core": "core-a", "party_ref": "P-1", "loan_ref": "L-1", "currency": "TWD"}
    person = {
        "tenant": "bank",
        "core": "core-a",
        "party_ref": "P-1",
        "name": "Wang (synthetic)",
        "contact_points": [{"kind": "mobile", "value": "+8610000000001"}],
    }
    overdue = loan | {"business_date": "2026-03-02", "balance": 100_000, "due_items": [{"principal": 5_000, "paid": 0}]}
    story.tell("core-a", "loan", "party.updated", person, about=CORE_PARTY, key=CORE_PARTY)
    story.tell("core-a", "loan", "loan.overdue", overdue, about=CORE_PARTY, key=CORE_PARTY)
    bad = story.tell(
        "core-a",
        "loan",
        "loan.overdue",
        overdue | {"party_ref": "P-2", "balance": -1},
        about="P-2",
        key="bank|core-a|P-2",
    )
    buried = {"topic": "loan", "partition": 0, "offset": bad.offset, "reason": "schema_violation"}
    story.tell("/services/intake", "intake.dlq", "dead", buried, about="dlq", key="-")
    case = {"case_id": CASE, "party_id": PARTY, "time_zones": ["Asia/Shanghai"], "loans": [{"loan_ref": "L-1"}]}
    story.tell("/services/intake", "case", "case.opened", case, about=CASE)
    choice = {"case_id": CASE, "party_id": PARTY, "number": 1, "action": "field_visit"}
    story.tell("/services/intake", "case", "case.action_chosen", choice, about=f"next-{CASE}")


def permit(permit_id: str, channel: str, *, hours: int = 2) -> dict[str, Any]:
    window = {"start": iso(START), "end": iso(START + timedelta(hours=hours))}
    return {"permit_id": permit_id, "party_id": PARTY, "channel": channel, "window": window, "subject_id": VISIT}


def visit(**more: Any) -> dict[str, Any]:
    return {"visit_id": VISIT, "party_id": PARTY, "case_id": CASE} | more


def contact(contact_id: str, permit_id: str, channel: str) -> dict[str, Any]:
    return {
        "contact_id": contact_id,
        "party_id": PARTY,
        "permit_id": permit_id,
        "visit_id": VISIT,
        "channel": channel,
        "started_at": iso(START + timedelta(minutes=30)),
    }


def contact_and_leaf(story: Story, contact_id: str, permit_id: str, channel: str, leaf: int) -> None:
    used = permit(permit_id, channel)
    story.tell(
        "/services/visits", "contact", "contact.recorded", contact(contact_id, permit_id, channel), about=contact_id
    )
    story.tell("/services/compliance", "compliance", "compliance.permit_used", used, about=PARTY)
    audit = {"contact_id": contact_id, "party_id": PARTY, "leaf_index": leaf, "verdict": "lawful"}
    story.tell("/services/compliance", "compliance", "compliance.contact_audited", audit, about=PARTY)


def the_visit(story: Story) -> None:
    assignment, visits, compliance = "/services/assignment", "/services/visits", "/services/compliance"
    story.tell(assignment, "visit", "visit.proposed", visit(), about=VISIT)
    story.tell(compliance, "compliance", "compliance.permit_granted", permit(OFFER_PERMIT, "sms"), about=PARTY)
    story.tell(visits, "visit", "visit.offered", visit(permit_id=OFFER_PERMIT), about=VISIT)
    contact_and_leaf(story, OFFER, OFFER_PERMIT, "sms", 0)
    story.tell(visits, "visit", "visit.agreed", visit(), about=VISIT)
    story.tell(compliance, "compliance", "compliance.permit_granted", permit(PERMIT, "visit"), about=PARTY)
    story.tell(assignment, "visit", "visit.assigned", visit(permit_id=PERMIT), about=VISIT)
    door = visit(
        permit_id=PERMIT,
        checked_in_at=iso(START + timedelta(minutes=30)),
        checked_in_real=iso(REAL + timedelta(seconds=len(story.records))),
    )
    story.tell(visits, "visit", "visit.checked_in", door, about=VISIT)
    story.tell(visits, "visit", "visit.completed", visit(permit_id=PERMIT, outcome="plan_signed"), about=VISIT)
    contact_and_leaf(story, CONTACT, PERMIT, "visit", 1)


def the_plan(story: Story) -> None:
    signed = {
        "plan_id": PLAN,
        "party_id": PARTY,
        "case_id": CASE,
        "instalments": [{"number": 1, "amount": money(3_000)}, {"number": 2, "amount": money(2_000)}],
        "total": money(5_000),
    }
    story.tell("/services/plans", "plan", "plan.signed", signed, about=PLAN)
    stop(story, "plan_signed", source="/services/plans")
    payment = {
        "tenant": "bank",
        "core": "core-a",
        "loan_ref": "L-1",
        "party_ref": "P-1",
        "transaction_ref": "T-1",
        "amount": 5_000,
        "currency": "TWD",
    }
    story.tell("core-a", "loan-urgent", "loan.payment_received", payment, about=CORE_PARTY, key=CORE_PARTY)
    posted = {"case_id": CASE, "party_id": PARTY, "transaction_ref": "T-1", "amount": money(5_000)}
    story.tell("/services/intake", "case", "case.payment_posted", posted, about=CASE)
    matched = {
        "plan_id": PLAN,
        "party_id": PARTY,
        "transaction_ref": "T-1",
        "amount": money(5_000),
        "paid_total": money(5_000),
    }
    story.tell("/services/plans", "plan", "plan.payment_matched", matched, about=PLAN)
    story.tell("/services/intake", "case", "case.cured", {"case_id": CASE, "party_id": PARTY}, about=CASE)
    stop(story, "cured", source="/services/intake")


def stop(story: Story, cause: str, *, source: str) -> Record:
    arrived = iso(REAL + timedelta(seconds=len(story.records)))
    data = {"party_id": PARTY, "cause": cause, "since": iso(START + timedelta(hours=1)), "arrived_at": arrived}
    return story.tell(source, "stop", "party.stopped", data, about=PARTY)


def valid_history(**changes: Any) -> History:
    story = Story()
    core_facts(story)
    the_visit(story)
    the_plan(story)
    answers: dict[str, Any] = {
        "cases": {CASE: 0},
        "core_overdue": {"L-1": 0},
        "told_back": [{"event": "plan.signed", "reference": PLAN}],
        "leaves": {OFFER: 0, CONTACT: 1},
        "tree_size": 2,
    }
    return History(records=story.records, freshness=timedelta(seconds=2), **(answers | changes))


def without(history: History, name: str, *, last: bool = False) -> History:
    """The history after one event of a type was lost before it was published: later ones move up."""
    places = [index for index, record in enumerate(history.records) if record.type == name]
    gone = places[-1 if last else 0]
    lost = history.records[gone]
    records = []
    for index, record in enumerate(history.records):
        moved_up = index > gone and record.stream == lost.stream
        headers = record.headers | ({"ce_sequence": str(record.sequence - 1)} if moved_up else {})
        if index != gone:
            records.append(replace(record, headers=headers))
    return replace(history, records=records)


def changed(history: History, name: str, *, last: bool = False, **members: Any) -> History:
    """The history with members of one event of a type overwritten."""
    places = [index for index, record in enumerate(history.records) if record.type == name]
    at = places[-1 if last else 0]
    record = history.records[at]
    records = list(history.records)
    records[at] = replace(record, value=json.dumps(record.data | members).encode())
    return replace(history, records=records)
