"""Topic `compliance`: decisions, permits, findings, checkpoints."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from pydantic import AwareDatetime, Field

from shared.events.base import EventData, PartyId, PermitId, Reference, TimeWindow
from shared.events.contact import Channel, Purpose


class PermitFact(EventData):
    """What permit events carry."""

    permit_id: PermitId
    party_id: PartyId
    channel: Channel = Field(description="Channel.")
    purpose: Purpose = Field(description="Purpose.")
    subject_id: UUID = Field(description="Visit (or plan) the permit is for.")


class PermitGranted(PermitFact):
    """A contact was allowed; the budget is reserved."""

    decision_id: UUID = Field(description="The decision behind it.")
    window: TimeWindow = Field(description="Validity, business time.")
    rule_set: str = Field(pattern=r"^[0-9a-f]{64}$", description="Hash of packs, rule source, time-zone data.")
    device_id: Reference | None = Field(None, description="Device it is bound to.")


class PermitRefused(EventData):
    """A contact was refused."""

    decision_id: UUID = Field(description="The decision.")
    party_id: PartyId
    channel: Channel = Field(description="Channel.")
    purpose: Purpose = Field(description="Purpose.")
    answer: Literal["deny", "needs-fact"] = Field(description="Answer.")
    rules: list[str] = Field(min_length=1, max_length=50, description="Rules that refused.")
    citations: list[str] = Field(max_length=50, description="Their citations.")
    earliest_lawful: AwareDatetime | None = Field(None, description="Earliest lawful moment, if one is known.")


class PermitRevoked(PermitFact):
    """A permit died because of a later fact; unused ones are void, used ones get a notice to end."""

    cause: Reference = Field(
        description="The fact, or the rule for which it would no longer be granted.", examples=["payment"]
    )
    citation: str | None = Field(None, max_length=400, description="Citation, where the cause is a rule.")
    fact_arrived_at: AwareDatetime = Field(description="Real time the fact reached our topic.")
    revoked_at: AwareDatetime = Field(description="Real time of the revocation.")
    used: bool = Field(description="True: already used, notice to end only.")


class PermitUsed(PermitFact):
    """The permit's one use was reported."""

    used_at: AwareDatetime = Field(description="Business time of use.")


class PermitReleased(PermitFact):
    """The reservation went back to the budget by a signed release."""

    cause: Reference = Field(description="Why.")


class ContactAudited(EventData):
    """A contact was judged and became a leaf of the log."""

    contact_id: UUID = Field(description="The contact.")
    party_id: PartyId
    leaf_index: int = Field(ge=0, description="Index of its leaf.")
    verdict: Literal["lawful", "violation"] = Field(description="Judged on the facts known then.")
    findings: int = Field(ge=0, description="Findings opened.")


class ViolationFound(EventData):
    """A contact broke a rule, on the facts then known (conduct) or now known (harm); the highest version stands."""

    finding_id: UUID = Field(description="The finding.")
    version: int = Field(1, ge=1, description="Grows when a later fact changes the verdict; the highest one stands.")
    party_id: PartyId
    contact_id: UUID | None = Field(None, description="The contact.")
    rule: Reference = Field(description="Rule broken.")
    citation: str = Field(max_length=400, description="Citation.")
    severity: Literal["low", "medium", "high"] = Field(description="Severity.")
    conduct: bool = Field(description="Broken on the facts then known.")
    harm: bool = Field(description="Broken on the facts now known.")


class HoldPlaced(EventData):
    """Contact is stopped or limited."""

    hold_id: UUID = Field(description="The hold.")
    party_id: PartyId
    kind: Reference = Field(description="Kind.", examples=["plan_active"])
    valid_from: AwareDatetime = Field(description="Business time from.")
    valid_to: AwareDatetime | None = Field(None, description="Business time to; none: open.")
    source_ref: Reference = Field(description="Source reference.")
    channels: list[Channel] | None = Field(
        None, max_length=6, description="Only contact on these channels; none: on every channel."
    )
    scope: Reference | None = Field(
        None, description="How much it covers: `party`, `visit_channel`, `collection`, `loan` or `contact_point`."
    )
    debt_id: UUID | None = Field(None, description="Of scope `loan`: the debt.")
    through_debt: bool = Field(
        False, description="A moratorium of somebody else who is liable for that debt, too; it names nobody."
    )
    fact_arrived_at: AwareDatetime | None = Field(
        None, description="Real time at which what placed it reached our topic or API."
    )


class HoldEnded(HoldPlaced):
    """A hold ended; acts from when it was recorded, never earlier."""


class PartyErased(EventData):
    """The person was erased here: whoever keeps anything of the party deletes it, and its key."""

    party_id: PartyId
    erasure_id: UUID = Field(description="The erasure.")
    erased_at: AwareDatetime = Field(description="Real time at which compliance deleted the person's key.")
    complete_from: AwareDatetime = Field(
        description="Real time from which no backup of a key and no topic holds anything of the person."
    )


class CheckpointPublished(EventData):
    """A C2SP signed note over the log's tree head."""

    origin: str = Field(max_length=200, description="Log origin.")
    tree_size: int = Field(ge=0, description="Leaves.")
    root_hash: str = Field(description="Base64 root hash (RFC 9162).")
    note: str = Field(max_length=4_000, description="The signed note, C2SP tlog-checkpoint.")
    published_at: AwareDatetime = Field(description="Real time.")
