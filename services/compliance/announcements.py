"""Compliance's events, built from its own objects. Each is keyed by the party, in one gapless sequence per party."""

from __future__ import annotations

from datetime import datetime
from typing import Final
from uuid import UUID

from services.compliance.domain.erasures import Erasure
from services.compliance.domain.findings import FindingVersion
from services.compliance.domain.holds import Hold
from services.compliance.domain.packs import RuleBook
from services.compliance.domain.permits import Permit, PermitState
from services.compliance.domain.recalls import channels_held
from services.compliance.domain.shown_holds import without_reasons
from shared.events import NewEvent
from shared.events.base import EventData, TimeWindow
from shared.events.compliance import (
    HoldEnded,
    HoldPlaced,
    PartyErased,
    PermitGranted,
    PermitRefused,
    PermitReleased,
    PermitRevoked,
    PermitUsed,
    ViolationFound,
)
from shared.events.stop import PartyStopped, StopCause

_NO_CAUSE: Final = "not_said"


def granted(permit: Permit, now: datetime) -> NewEvent[EventData]:
    """`compliance.permit_granted`."""
    data = PermitGranted(
        permit_id=permit.permit_id,
        party_id=permit.party_id,
        channel=permit.channel,
        purpose=permit.purpose,
        subject_id=permit.subject_id,
        decision_id=permit.decision_id,
        window=TimeWindow(start=permit.window.start, end=permit.window.end),
        rule_set=permit.rule_set,
        device_id=permit.device_id,
    )
    return _event("compliance.permit_granted", permit.party_id, data, now)


def refused(data: PermitRefused, now: datetime) -> NewEvent[EventData]:
    """`compliance.permit_refused`."""
    return _event("compliance.permit_refused", data.party_id, data, now)


def revoked(permit: Permit, now: datetime, *, citation: str | None = None) -> NewEvent[EventData]:
    """`compliance.permit_revoked`, with the citation where a rule is its cause.

    Raises ValueError for a permit that was not revoked.
    """
    if permit.revoked_real is None or permit.fact_arrived_real is None:
        raise ValueError("the permit was not revoked")
    data = PermitRevoked(
        permit_id=permit.permit_id,
        party_id=permit.party_id,
        channel=permit.channel,
        purpose=permit.purpose,
        subject_id=permit.subject_id,
        cause=permit.revoke_cause or _NO_CAUSE,
        citation=citation,
        fact_arrived_at=permit.fact_arrived_real,
        revoked_at=permit.revoked_real,
        used=permit.state is PermitState.USED,
    )
    return _event("compliance.permit_revoked", permit.party_id, data, now)


def used(permit: Permit, now: datetime) -> NewEvent[EventData]:
    """`compliance.permit_used`."""
    data = PermitUsed(
        permit_id=permit.permit_id,
        party_id=permit.party_id,
        channel=permit.channel,
        purpose=permit.purpose,
        subject_id=permit.subject_id,
        used_at=permit.used_at or now,
    )
    return _event("compliance.permit_used", permit.party_id, data, now)


def released(permit: Permit, now: datetime) -> NewEvent[EventData]:
    """`compliance.permit_released`."""
    data = PermitReleased(
        permit_id=permit.permit_id,
        party_id=permit.party_id,
        channel=permit.channel,
        purpose=permit.purpose,
        subject_id=permit.subject_id,
        cause=permit.release_cause or _NO_CAUSE,
    )
    return _event("compliance.permit_released", permit.party_id, data, now)


def violation(version: FindingVersion, *, party_id: UUID, now: datetime) -> NewEvent[EventData]:
    """`compliance.violation_found`; repeated with a higher version when a later fact changes the verdict."""
    finding = version.finding
    data = ViolationFound(
        finding_id=version.finding_id,
        version=version.version,
        party_id=party_id,
        contact_id=version.contact_id,
        rule=finding.rule,
        citation=finding.citation,
        severity=finding.severity,
        conduct=finding.conduct,
        harm=finding.harm,
    )
    return _event("compliance.violation_found", party_id, data, now)


def hold_placed(
    hold: Hold, book: RuleBook, now: datetime, *, arrived_real: datetime, through_debt: bool = False
) -> NewEvent[EventData]:
    """`compliance.hold_placed`. `arrived_real`: when what placed it reached us, real time. `through_debt`: it reaches
    the party through a debt that others share.
    """
    told = {"through_debt": through_debt, "fact_arrived_at": arrived_real}
    data = HoldPlaced.model_validate(_hold_fields(hold, book) | told)
    return _event("compliance.hold_placed", hold.party_id, data, now)


def hold_ended(
    hold: Hold, book: RuleBook, now: datetime, *, through_debt: bool = False, plainly: bool = False
) -> NewEvent[EventData]:
    """`compliance.hold_ended`; its `valid_to` is when it stopped to hold, or will.

    `plainly`: under the kind and source by which others have heard of it before these stayed here.
    """
    named = {"kind": hold.kind, "source_ref": hold.source_ref} if plainly else {}
    data = HoldEnded.model_validate(_hold_fields(hold, book) | named | {"through_debt": through_debt})
    return _event("compliance.hold_ended", hold.party_id, data, now)


def party_erased(erasure: Erasure, now: datetime) -> NewEvent[EventData]:
    """`compliance.party_erased`. Raises ValueError for an erasure that was not carried out."""
    if erasure.erased_real is None or erasure.complete_from is None:
        raise ValueError("the person was not erased")
    data = PartyErased(
        party_id=erasure.party_id,
        erasure_id=erasure.erasure_id,
        erased_at=erasure.erased_real,
        complete_from=erasure.complete_from,
    )
    return _event("compliance.party_erased", erasure.party_id, data, now)


def stopped(
    party_id: UUID, *, cause: StopCause, since: datetime, arrived_at: datetime, reference: str
) -> NewEvent[EventData]:
    """`party.stopped` for a request that reached compliance itself."""
    data = PartyStopped(
        party_id=party_id, cause=cause, scope="party", since=since, arrived_at=arrived_at, reference=reference
    )
    return _event("party.stopped", party_id, data, since)


def _hold_fields(hold: Hold, book: RuleBook) -> dict[str, object]:
    told = without_reasons(hold)
    return {
        "hold_id": told.hold_id,
        "party_id": told.party_id,
        "kind": told.kind,
        "valid_from": told.valid_from,
        "valid_to": told.until,
        "source_ref": told.source_ref,
        "channels": channels_held(hold, book),
        "scope": told.scope,
        "debt_id": told.scope_key if told.scope == "loan" else None,
    }


def _event(name: str, party_id: UUID, data: EventData, now: datetime) -> NewEvent[EventData]:
    return NewEvent(type=name, party_id=party_id, aggregate_id=party_id, data=data, time=now)
