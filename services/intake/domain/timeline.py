"""What happened to a case, in one plain sentence per event of any service; free of personal data.

Every catalogued event type is told here or left out with a reason (`tests/contract/test_timeline.py`): a new type
that nobody thought of would be missing where people look for what happened.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from shared.money import Money

_NOT_KNOWN: Final = "not known"


@dataclass(frozen=True, slots=True)
class Told:
    """One entry: the sentence, and what to ask its owner about (`about`: which kind of thing; `reference`: its id)."""

    sentence: str
    about: str
    reference: str


@dataclass(frozen=True, slots=True)
class _Teller:
    """`template` names fields of the event's data; `field` holds the id of the thing that the event is about."""

    template: str
    about: str
    field: str


def _of(about: str, template: str, field: str | None = None) -> _Teller:
    return _Teller(template, about, field or f"{about}_id")


_TELLERS: Final[dict[str, _Teller]] = {
    "case.opened": _of(
        "case", "The case was opened in bucket {bucket}, {dpd_contractual} days past due, over {overdue_totals}."
    ),
    "case.updated": _of(
        "case", "The case changed ({cause}): bucket {bucket}, {dpd_contractual} days past due, over {overdue_totals}."
    ),
    "case.bucket_changed": _of("case", "The case moved from bucket {before} to {after}."),
    "case.payment_posted": _of(
        "transaction", "Money reached a loan: {kind} of {amount}, cleared: {cleared}.", "transaction_ref"
    ),
    "case.payment_reversed": _of("transaction", "The core took a payment of {amount} back.", "transaction_ref"),
    "case.loan_cured": _of("loan", "One loan is no longer past due ({cause}); others are."),
    "case.hold_seen": _of(
        "core_hold", "The core told of a hold ({kind}) on the {scope} from {starts_on} to {ends_on}.", "hold_ref"
    ),
    "case.cured": _of("case", "Nothing is past due any more ({cause})."),
    "case.closed": _of("case", "The case was closed: every loan has ended or is somebody else's ({cause})."),
    "case.demand_recorded": _of("debt", "Payment may be demanded of the guarantor from {demanded_on} on."),
    "case.demand_revoked": _of("debt", "Nothing may be demanded of the guarantor any more."),
    "case.party_merged": _of("case", "Two references of the core are one person.", "survivor_id"),
    "case.party_unmerged": _of("case", "They are two people after all.", "survivor_id"),
    "case.suspended": _of("case", "Nobody may act on the case: {cause}."),
    "case.released": _of("case", "The case may be acted on again; the last cause was {cause}."),
    "case.action_chosen": _of("case", "The strategy chose what happens next: {action} ({reasons})."),
    "visit.proposed": _of("visit", "A visit was planned for {window}."),
    "visit.offered": _of("visit", "A visit was offered by {channel} for {window}."),
    "visit.agreed": _of("visit", "The customer agreed to a visit: {window}."),
    "visit.declined": _of("visit", "There will be no visit: {cause}."),
    "visit.moved": _of("visit", "The customer asked for another time: {wished}."),
    "visit.assigned": _of("visit", "A visit was assigned to a crew for {window}."),
    "visit.withdrawn": _of("visit", "A planned visit was withdrawn: {cause}."),
    "visit.checked_in": _of("visit", "A crew arrived for the visit."),
    "visit.check_in_refused": _of("visit", "A visit could not begin: {reasons}."),
    "visit.completed": _of("visit", "A visit was made: {outcome}; reason of the arrears: {reason}."),
    "visit.recalled": _of("visit", "A visit was recalled: {cause}."),
    "visit.aborted": _of("visit", "A visit was broken off: {cause}."),
    "visit.sos_raised": _of("visit", "The crew called for help."),
    "plan.proposed": _of("plan", "A plan was proposed: {kind}, {total}."),
    "plan.refused": _of("plan", "A plan of {wished} a month was refused ({rule}); affordable is {most}."),
    "plan.signed": _of("plan", "A plan was signed: {kind}, {total}."),
    "plan.imported": _of("plan", "An agreement of another system runs on: {kind}, {total}."),
    "plan.payment_matched": _of("plan", "{amount} was counted towards the plan; paid so far: {paid_total}."),
    "plan.completed": _of("plan", "The plan is complete: {cause}."),
    "plan.instalment_missed": _of("plan", "Instalment {instalment} of the plan, due {due_date}, is missed: {rest}."),
    "plan.follow_up": _of("plan", "A message about the plan was sent by {channel}: {kind}, instalment {instalment}."),
    "plan.restored": _of("plan", "The plan is kept again; paid so far: {paid_total}."),
    "plan.review_due": _of("plan", "A person must look at the plan; missed instalments: {missed}."),
    "plan.broken": _of("plan", "The plan was broken; missed instalments: {missed}."),
    "contact.recorded": _of("contact", "A contact by {channel} for {purpose} was recorded: {outcome}."),
    "compliance.permit_granted": _of("permit", "A contact by {channel} for {purpose} was permitted: {window}."),
    "compliance.permit_refused": _of(
        "decision",
        "A contact by {channel} for {purpose} was refused ({rules}); earliest lawful time: {earliest_lawful}.",
    ),
    "compliance.permit_revoked": _of("permit", "A permit for a contact by {channel} was revoked: {cause}."),
    "compliance.permit_used": _of("permit", "A permit for a contact by {channel} was used."),
    "compliance.permit_released": _of("permit", "A permit for a contact by {channel} was given back: {cause}."),
    "compliance.contact_audited": _of("contact", "A contact was audited: {verdict}, {findings} findings."),
    "compliance.violation_found": _of("finding", "A rule was broken: {rule} ({severity})."),
    "compliance.hold_placed": _of("hold", "Contact was stopped or limited ({kind}) from {valid_from} to {valid_to}."),
    "compliance.hold_ended": _of("hold", "A hold ended: {kind}."),
    "party.stopped": _of("stop", "Contact stopped: {cause}.", "reference"),
    "party.parked": _of(
        "service", "A record that {service} could not process stops everything about the person.", "service"
    ),
    "party.unparked": _of("service", "What {service} could not process has been settled.", "service"),
}

_CONCLUDED: Final = "a fact of the core: what follows from it is told as an event of the case"
LEFT_OUT: Final[dict[str, str]] = {
    **dict.fromkeys(
        (
            "loan.overdue", "loan.payment_received", "loan.payment_reversed", "loan.cured", "loan.due_items_changed",
            "loan.credit_posted", "loan.charge_applied", "loan.charge_waived", "loan.charge_reversed",
            "loan.hold_started", "loan.hold_ended", "loan.rescheduled", "loan.reaged", "loan.charged_off",
            "loan.written_off", "loan.recovery_received", "loan.transferred", "loan.closed", "loan.obligor_changed",
            "loan.corrected", "loan.balance_stated", "party.updated", "party.deceased", "party.merged",
            "party.unmerged",
        ),
        _CONCLUDED,
    ),
    "loan.business_day_closed": "about no person",
    "service.heartbeat": "about no person",
    "compliance.checkpoint_published": "about no person",
    "compliance.party_erased": "the timeline goes with the person",
    "party.consents_told": "not about the case: a consent is told by the decisions that rest on it",
    "party.minority_changed": "told by the hold that compliance places and ends",
    "party.card_read": "not about the case: compliance lists who read whose contact data",
}  # fmt: skip


def told_types(topic: str) -> frozenset[str]:
    """The types of a topic that are told. `topic`: a family of types, or `stop`."""
    family = "party" if topic == "stop" else topic
    return frozenset(name for name in _TELLERS if name.partition(".")[0] == family)


def tell(event_type: str, data: Mapping[str, Any]) -> Told | None:
    """The entry of an event whose `data` are JSON values; None: the type is left out."""
    teller = _TELLERS.get(event_type)
    if teller is None:
        return None
    sentence = teller.template.format_map(_Readable(data))
    return Told(sentence, teller.about, str(data.get(teller.field) or ""))


class _Readable(dict[str, str]):
    """Values of an event as words. A field that an older record lacks is not known."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        super().__init__()
        self._data = data

    def __missing__(self, name: str) -> str:
        return _words(self._data.get(name))


def _words(value: Any) -> str:
    match value:
        case None:
            return _NOT_KNOWN
        case bool():
            return "yes" if value else "no"
        case {"amount_minor": int(amount), "currency": str(currency)}:
            return str(Money(amount_minor=amount, currency=currency))
        case {"start": start, "end": end}:
            return f"{start} to {end}"
        case list():
            return ", ".join(_words(one) for one in value) or "none"
        case _:
            return str(value)
