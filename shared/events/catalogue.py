"""The catalogue: every event type with its topics, major version and model. A type is `<family>.<past tense>`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

from shared.events import case, compliance, contact, loan, plan, platform, stop, visit
from shared.events.base import EventData


@dataclass(frozen=True, eq=False)
class EventType:
    """One catalogued type, equal to itself only. `topics` are where it may appear; `aggregate` names what its
    `sequence` counts.

    `reads_from` is the oldest version whose data the model still reads, so that records under way survive an upgrade.
    """

    name: str
    topics: tuple[str, ...]
    model: type[EventData]
    aggregate: str
    version: int = 1
    reads_from: int = 1

    @cached_property
    def schema_name(self) -> str:
        """Name of its schema file and value of CloudEvents `dataschema`: `<type>.v<version>`."""
        return f"{self.name}.v{self.version}"


def _types(
    topics: tuple[str, ...], aggregate: str, models: dict[str, type[EventData]], *, version: int = 1
) -> list[EventType]:
    return [EventType(name, topics, model, aggregate, version) for name, model in models.items()]


_ALL: Final = [
    *_types(
        ("loan", "loan-urgent"),
        "core_party",
        {
            "loan.overdue": loan.LoanOverdue,
            "loan.payment_received": loan.PaymentReceived,
            "loan.payment_reversed": loan.PaymentReversed,
            "loan.cured": loan.LoanCured,
            "loan.due_items_changed": loan.DueItemsChanged,
            "loan.credit_posted": loan.CreditPosted,
            "loan.charge_applied": loan.ChargeApplied,
            "loan.charge_waived": loan.ChargeWaived,
            "loan.charge_reversed": loan.ChargeReversed,
            "loan.hold_started": loan.HoldStarted,
            "loan.hold_ended": loan.HoldEnded,
            "loan.rescheduled": loan.LoanRescheduled,
            "loan.reaged": loan.LoanReaged,
            "loan.charged_off": loan.ChargedOff,
            "loan.written_off": loan.WrittenOff,
            "loan.recovery_received": loan.RecoveryReceived,
            "loan.transferred": loan.LoanTransferred,
            "loan.closed": loan.LoanClosed,
            "loan.obligor_changed": loan.ObligorChanged,
            "loan.corrected": loan.LoanCorrected,
            "loan.balance_stated": loan.BalanceStated,
            "party.updated": loan.PartyUpdated,
            "party.deceased": loan.PartyDeceased,
            "party.merged": loan.PartyMerged,
            "party.unmerged": loan.PartyUnmerged,
            "loan.business_day_closed": loan.BusinessDayClosed,
        },
    ),
    *_types(
        ("case",),
        "case",
        {
            "case.payment_posted": case.CasePaymentPosted,
            "case.payment_reversed": case.CasePaymentReversed,
            "case.hold_seen": case.CaseHoldSeen,
            "case.suspended": case.CaseSuspended,
            "case.released": case.CaseReleased,
        },
    ),
    # Version 2: a tenant may have up to nine buckets. Every record of version 1 is one of version 2.
    *_types(
        ("case",),
        "case",
        {
            "case.opened": case.CaseOpened,
            "case.updated": case.CaseUpdated,
            "case.bucket_changed": case.CaseBucketChanged,
        },
        version=2,
    ),
    # A sequence of its own: what happens next is no part of what the core has said, and grows by itself.
    *_types(("case",), "next_action", {"case.action_chosen": case.CaseActionChosen}),
    *_types(("case",), "contact_card", {"party.card_read": case.PartyCardRead}),
    *_types(
        ("case",),
        "person",
        {"party.minority_changed": case.PartyMinorityChanged, "party.consents_told": case.PartyConsentsTold},
    ),
    # Version 2: more causes. Every record of version 1 is one of version 2.
    *_types(
        ("case",),
        "case",
        {"case.cured": case.CaseCured, "case.closed": case.CaseClosed, "case.loan_cured": case.CaseLoanCured},
        version=2,
    ),
    *_types(
        ("case",),
        "demand",
        {
            "case.demand_recorded": case.CaseDemandRecorded,
            "case.demand_revoked": case.CaseDemandRevoked,
        },
    ),
    *_types(
        ("case",),
        "identity",
        {"case.party_merged": case.CasePartyMerged, "case.party_unmerged": case.CasePartyUnmerged},
    ),
    *_types(
        ("visit",),
        "visit",
        {
            "visit.proposed": visit.VisitProposed,
            "visit.offered": visit.VisitOffered,
            "visit.agreed": visit.VisitAgreed,
            "visit.declined": visit.VisitDeclined,
            "visit.moved": visit.VisitMoved,
            "visit.assigned": visit.VisitAssigned,
            "visit.withdrawn": visit.VisitWithdrawn,
            "visit.checked_in": visit.VisitCheckedIn,
            "visit.check_in_refused": visit.VisitCheckInRefused,
            "visit.completed": visit.VisitCompleted,
            "visit.recalled": visit.VisitRecalled,
            "visit.aborted": visit.VisitAborted,
            "visit.sos_raised": visit.SosRaised,
        },
    ),
    *_types(
        ("plan",),
        "plan",
        {
            "plan.proposed": plan.PlanProposed,
            "plan.refused": plan.PlanRefused,
            "plan.signed": plan.PlanSigned,
            "plan.imported": plan.PlanImported,
            "plan.payment_matched": plan.PlanPaymentMatched,
            "plan.instalment_missed": plan.PlanInstalmentMissed,
            "plan.follow_up": plan.PlanFollowUp,
            "plan.restored": plan.PlanRestored,
            "plan.review_due": plan.PlanReviewDue,
            "plan.broken": plan.PlanBroken,
        },
    ),
    # Versions 2 and 3: more causes. Every record of an older version is one of version 3.
    *_types(("plan",), "plan", {"plan.completed": plan.PlanCompleted}, version=3),
    # Version 2: the channel may be an inquiry with a third person. Every record of version 1 is one of version 2.
    *_types(("contact",), "contact", {"contact.recorded": contact.ContactRecorded}, version=2),
    *_types(
        ("compliance",),
        "party_compliance",
        {
            "compliance.permit_granted": compliance.PermitGranted,
            "compliance.permit_refused": compliance.PermitRefused,
            "compliance.permit_revoked": compliance.PermitRevoked,
            "compliance.permit_used": compliance.PermitUsed,
            "compliance.permit_released": compliance.PermitReleased,
        },
        version=2,
    ),
    *_types(
        ("compliance",),
        "party_compliance",
        {
            "compliance.contact_audited": compliance.ContactAudited,
            "compliance.violation_found": compliance.ViolationFound,
            "compliance.hold_placed": compliance.HoldPlaced,
            "compliance.hold_ended": compliance.HoldEnded,
            "compliance.party_erased": compliance.PartyErased,
        },
    ),
    *_types(("compliance",), "log", {"compliance.checkpoint_published": compliance.CheckpointPublished}),
    *_types(
        ("stop",),
        "party_stop",
        {"party.parked": stop.PartyParked, "party.unparked": stop.PartyUnparked},
    ),
    # Versions 2 to 4: more causes. Every record of an older version is one of the newest.
    *_types(("stop",), "party_stop", {"party.stopped": stop.PartyStopped}, version=4),
    *_types(
        ("case", "visit", "plan", "contact", "compliance", "stop"),
        "heartbeat",
        {"service.heartbeat": platform.ServiceHeartbeat},
    ),
]
CATALOGUE: Final[dict[str, EventType]] = {event_type.name: event_type for event_type in _ALL}
HEARTBEAT: Final = "service.heartbeat"
