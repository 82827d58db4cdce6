"""The HTTP forms of visits. No form has a field for free text: what is said at a door is kept in codes only."""

from __future__ import annotations

from dataclasses import fields
from datetime import date
from typing import Annotated, Final, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from services.visits.domain.permit import MAX_TOKEN_LENGTH
from services.visits.domain.visit import AtTheDoor, State, Visit, VisitRecord
from shared.events.base import Reference, TimeWindow
from shared.events.contact import ConductFlag
from shared.events.visit import Outcome, Reason
from shared.geo import Point
from shared.moments import Moment
from shared.money import Money

LinkToken = Annotated[
    str, Field(min_length=16, max_length=128, description="Token of the customer's link, from the offer.")
]
_FOR_THE_AUDIT: Final = {one.name for one in fields(AtTheDoor)}


class _Request(BaseModel):
    """What callers send: unknown members are refused, so nothing personal slips in unseen."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class AnswerOffer(_Request):
    """The customer's answer to an offered visit."""

    answer: Literal["agree", "decline", "move", "stop"] = Field(description="What the customer says.")
    wished: TimeWindow | None = Field(None, description="Window that the customer wishes; only with `move`.")
    link_token: LinkToken

    @model_validator(mode="after")
    def _wish_belongs_to_move(self) -> Self:
        if (self.answer == "move") != (self.wished is not None):
            raise ValueError("wished goes with move, and only with move")
        if self.wished is not None and self.wished.end <= self.wished.start:
            raise ValueError("the wished window ends before it starts")
        return self


class RequestStop(_Request):
    """A request to stop that the crew heard, or that came through the portal."""

    heard_at: Moment | None = Field(None, description="When it was said, business time; absent: now.")


class SomeoneCame(_Request):
    """The customer says that somebody came to the door."""

    came_at: Moment | None = Field(
        None, description="When it was, business time, as the customer remembers it; absent, or later: now."
    )
    link_token: LinkToken


class SyncDevice(_Request):
    """All that was done with a device has been sent."""

    synced_to: Moment = Field(
        description="Business time by the device up to which everything done with it was sent; later than now: now."
    )


class DeviceSynced(BaseModel):
    """Up to when everything done with the device is known."""

    device_id: str = Field(description="The device.")
    synced_to: Moment = Field(description="Business time; never earlier than what was told before.")


class UnsyncedDeviceView(BaseModel):
    """A device that holds unused permits whose window is over: they count as used until it is heard."""

    device_id: str = Field(description="The device.")
    oldest_valid_to: Moment = Field(description="End of the oldest permit's window, business time.")
    permits: int = Field(description="Permits that wait for it.")
    synced_to: Moment | None = Field(description="Business time of its last sync; null: it never synced.")
    heard_real: Moment | None = Field(description="Real time of its last sync.")


class CameView(BaseModel):
    """What was passed on."""

    visit_id: UUID = Field(description="The visit whose link it was.")
    came_at: Moment = Field(description="When somebody came, business time.")


class CheckIn(_Request):
    """A crew wants to begin a visit. Everything that is missing or does not hold refuses."""

    permit: str | None = Field(
        None, max_length=MAX_TOKEN_LENGTH, description="The visit permit, compact JWS; absent: refused."
    )
    device_id: Reference = Field(description="The device that asks.")
    crew_present: list[UUID] = Field(min_length=1, max_length=4, description="Collectors on site.")
    position: Point = Field(description="Where the device is, WGS-84; of a refusal its cell is kept.")
    revocation_list: str | None = Field(
        None, max_length=MAX_TOKEN_LENGTH, description="Compliance's newest signed list that the device holds."
    )


class CheckOut(_Request):
    """What happened at the door. With `other_person` nothing can be said about whom the crew met."""

    outcome: Outcome = Field(description="What happened at the door.")
    reason: Reason | None = Field(None, description="Reason of the arrears, if the customer told it.")
    right_party: bool = Field(description="The customer's identity was confirmed.")
    household_contacted: bool = Field(description="Someone of the household was reached.")
    debtor_met: bool = Field(description="The debtor was met.")
    identity_shown: bool = Field(description="The collectors showed their credentials.")
    recording_complete: bool = Field(description="Audio and video cover the whole visit.")
    promise: Money | None = Field(None, description="Amount that the customer promised, if any.")
    checked_out_at: Moment | None = Field(None, description="Departure, business time; absent: now.")
    entered_home: bool | None = Field(
        None, description="A home, other private place or work area was entered; null: not said."
    )
    entry_consented: bool | None = Field(
        None, description="Consent to enter, and to film inside, was recorded; null: not said."
    )
    asked_to_leave: bool | None = Field(
        None, description="Somebody asked the crew to leave; null: not said. The outcome `asked_to_leave` says so, too."
    )
    left_when_asked: bool | None = Field(None, description="The crew left at once; null: not said.")
    debt_disclosed_to_third: bool = Field(False, description="Debt details reached somebody else.")
    conduct_flags: list[ConductFlag] = Field(
        default_factory=list, max_length=16, description="Misconduct that somebody of the crew reports. Compliance "
        "judges it; nothing of it is kept with the visit.",
    )  # fmt: skip

    @model_validator(mode="after")
    def _nothing_about_third_persons(self) -> Self:
        told = self.reason is not None or self.promise is not None or self.right_party or self.debtor_met
        if self.outcome == "other_person" and told:
            raise ValueError("with other_person neither reason, promise, right_party nor debtor_met can be given")
        return self

    def record(self) -> VisitRecord:
        """The record to be kept."""
        kept = self.model_dump(exclude={"checked_out_at", "promise", *_FOR_THE_AUDIT})
        return VisitRecord(**kept, promise=self.promise)

    def at_the_door(self) -> AtTheDoor:
        """What is for the audit alone."""
        told = self.model_dump(include=_FOR_THE_AUDIT)
        return AtTheDoor(**told | {"conduct_flags": tuple(self.conduct_flags)})


class Sos(_Request):
    """A collector asks for help."""

    collector_id: UUID = Field(description="Who asks.")
    silent: bool = Field(False, description="The quiet duress signal: the device must show nothing.")
    raised_at: Moment | None = Field(None, description="When it was raised, business time; absent: now.")


class VisitView(BaseModel):
    """One visit. Times are business time unless they end in `_real`."""

    visit_id: UUID = Field(description="The visit.")
    party_id: UUID = Field(description="The person.")
    case_id: UUID = Field(description="The case.")
    state: State = Field(description="Where it stands.")
    version: int = Field(description="Grows with each change.")
    field_day: date = Field(description="Local date.")
    window: TimeWindow = Field(description="Agreed window.")
    duration_minutes: int = Field(description="Expected stay, minutes.")
    pair_id: UUID = Field(description="The pair of collectors.")
    crew: list[UUID] = Field(description="Planned collectors.")
    device_id: str = Field(description="The pair's device.")
    stop_number: int | None = Field(description="Position on the route, once assigned.")
    answer_by: Moment = Field(description="Until when the customer's answer counts.")
    permit_id: UUID | None = Field(description="The visit permit, once assigned.")
    permit: str | None = Field(description="The permit's token while the visit can be begun.")
    door_code: str | None = Field(description="Code that the crew shows; anyone may look it up.")
    checked_in_at: Moment | None = Field(description="Arrival at the door.")
    checked_in_real: Moment | None = Field(description="Arrival at the door, real time.")
    crew_present: list[UUID] = Field(description="Collectors on site.")
    distance_m: int | None = Field(description="Metres from the registered home at check-in.")
    notice_to_end: str | None = Field(description="A fact that came during the visit: end it.")
    checked_out_at: Moment | None = Field(description="Departure.")
    outcome: Outcome | None = Field(description="What happened at the door.")
    reason: Reason | None = Field(description="Reason of the arrears, if told.")
    contact_id: UUID | None = Field(description="The contact as compliance audits it.")
    leaf_index: int | None = Field(description="Leaf of the contact in compliance's log, once audited.")
    end_cause: str | None = Field(description="Why it ended without a visit.")

    @classmethod
    def of(cls, visit: Visit) -> Self:
        """The view of a visit."""
        ready = visit.state in {State.ASSIGNED, State.EN_ROUTE}
        return cls(
            visit_id=visit.visit_id, party_id=visit.party_id, case_id=visit.case_id, state=visit.state,
            version=visit.version, field_day=visit.field_day, window=visit.window,
            duration_minutes=visit.duration_minutes, pair_id=visit.pair_id, crew=list(visit.crew),
            device_id=visit.device_id, stop_number=visit.stop_number, answer_by=visit.answer_by,
            permit_id=visit.permit_id, permit=visit.permit if ready else None, door_code=visit.door_code,
            checked_in_at=visit.checked_in_at, checked_in_real=visit.checked_in_real,
            crew_present=list(visit.crew_present), distance_m=visit.distance_m, notice_to_end=visit.notice_cause,
            checked_out_at=visit.checked_out_at, outcome=visit.record.outcome if visit.record else None,
            reason=visit.record.reason if visit.record else None, contact_id=visit.contact_id,
            leaf_index=visit.leaf_index, end_cause=visit.end_cause,
        )  # fmt: skip


class CheckedIn(BaseModel):
    """The visit has begun."""

    visit_id: UUID = Field(description="The visit.")
    state: State = Field(description="`checked_in`.")
    checked_in_at: Moment = Field(description="Business time.")
    end_by: Moment = Field(description="The visit must be over by then, business time.")
    distance_m: int = Field(description="Metres from the registered home.")
    door_code: str | None = Field(description="Code to show to the customer.")


class AlarmView(BaseModel):
    """Somebody must look now."""

    alarm_id: UUID = Field(description="The alarm.")
    kind: Literal["sos", "check_out_overdue"] = Field(description="What happened.")
    visit_id: UUID | None = Field(description="The visit, if known.")
    collector_id: UUID | None = Field(description="Who asked for help.")
    silent: bool = Field(description="The quiet duress signal: do not call the device.")
    raised_at: Moment = Field(description="Business time.")
    raised_real: Moment = Field(description="Real time: answered within 5 minutes?")
    acknowledged_real: Moment | None = Field(None, description="When somebody took it, real time.")
    acknowledged_by: str | None = Field(None, description="Who took it.")


class OfferView(BaseModel):
    """A message as it was handed to the gateway. The gateway finds the number by the party's contact card."""

    message_id: UUID = Field(description="The message.")
    visit_id: UUID = Field(description="The visit that it offers.")
    party_id: UUID = Field(description="For whom it is.")
    channel: Literal["sms"] = Field(description="Channel.")
    language: str | None = Field(description="Language of the text.")
    text: str = Field(description="The text: bank, window, link, right to refuse; never the debt.")
    link_token: str = Field(description="Token of the customer's link.")
    window: TimeWindow = Field(description="Offered window, business time.")
    answer_by: Moment = Field(description="Until when an answer counts, business time.")
    handed_at: Moment = Field(description="Business time of the hand-over.")
    state: State = Field(description="State of the visit now.")


class LinkView(BaseModel):
    """What the customer sees through the link. Nothing tells what the visit is about: a screen is seen by others."""

    visit_id: UUID = Field(description="The visit.")
    state: State = Field(description="Where it stands.")
    bank: str = Field(description="Who wants to visit.")
    window: TimeWindow = Field(description="Window, business time.")
    answer_by: Moment = Field(description="Until when an answer counts.")
    can_answer: bool = Field(description="Whether agree and move are still possible.")
    rights: list[str] = Field(description="What the customer may do, in plain words.")


class PersonAtTheDoor(BaseModel):
    """One collector, as a customer may see them."""

    badge: str = Field(description="Badge number; must match the badge that is shown.")
    name: str | None = Field(description="Name; null until it is known here.")
    photo_ref: str | None = Field(description="Reference of the photo in the bank's directory.")


class DoorView(BaseModel):
    """Who is at my door: never what it is about."""

    bank: str = Field(description="Who sends them.")
    people: list[PersonAtTheDoor] = Field(description="The crew.")
    window: TimeWindow = Field(description="When they may be there, business time.")
    expected_now: bool = Field(description="False: the visit is not due now; do not open.")
    rights: list[str] = Field(description="What the customer may do, in plain words.")


class TraceSourceView(BaseModel):
    """One source of traces, as it is declared at compliance."""

    source: str = Field(description="Its name.")
    kind: str = Field(description="What it sees, as compliance calls it.")
    total_key: str = Field(description="Ed25519 key (`name+id+key`, C2SP) that signs its daily totals.")


class TraceSourcesView(BaseModel):
    """All sources of traces."""

    items: list[TraceSourceView] = Field(description="The sources.")


class RecallFigures(BaseModel):
    """Recalled visits, and how long it took from the fact on our topic to the committed recall (real time)."""

    count: int = Field(description="Visits recalled.")
    p50_ms: float | None = Field(description="Median, milliseconds.")
    p95_ms: float | None = Field(description="95th percentile, milliseconds.")
    p99_ms: float | None = Field(description="99th percentile, milliseconds.")
    max_ms: float | None = Field(description="Longest, milliseconds.")


class LateCheckIns(BaseModel):
    """Check-ins after a fact had reached us. Target for `beyond_limit`: 0."""

    within_limit: int = Field(description="Not later than the freshness limit F: races, counted apart.")
    beyond_limit: int = Field(description="Later than F.")


class SosFigures(BaseModel):
    """Calls for help."""

    count: int = Field(description="All.")
    silent: int = Field(description="Quiet duress signals among them.")
    open: int = Field(description="Nobody has answered yet.")
    answered_within_5_minutes: int = Field(description="Answered within 5 minutes, real time.")


class Summary(BaseModel):
    """The figures of visits, counted in its own database."""

    visits_by_state: dict[State, int] = Field(description="All visits by their present state.")
    visits_by_outcome: dict[Outcome, int] = Field(description="Visits that took place, by outcome.")
    ended_by_cause: dict[str, int] = Field(description="Visits that did not take place, by cause.")
    offers_handed_over: int = Field(description="Messages handed to the gateway.")
    check_ins: int = Field(description="Accepted check-ins; each used its permit once.")
    check_ins_without_recorded_leaf: int = Field(description="Check-ins whose contact is not audited yet.")
    refused_check_ins: int = Field(description="Refused check-ins.")
    refused_check_ins_by_reason: dict[str, int] = Field(description="By reason; one refusal may have several.")
    recalls: RecallFigures = Field(description="Recalls.")
    recalls_by_cause: dict[str, int] = Field(description="Recalls by the fact behind them.")
    notices_to_end: int = Field(description="Facts that came while a crew was at the door.")
    check_ins_after_fact: LateCheckIns = Field(description="Check-ins after a stopping fact had arrived.")
    sos: SosFigures = Field(description="Calls for help, and how soon they were answered.")
    check_outs_overdue: int = Field(description="Crews that did not check out in time.")
