"""The record of one rule: what every rule states, and what each kind of rule states beside it.

The shape is the minimal rule record of the catalogue. A pack gives `jurisdiction`, `status`, `effective_from`,
`effective_to` and `source_read_on` once for all of its rules; a rule may state its own.
"""

from __future__ import annotations

from datetime import date, time
from typing import Annotated, Final, Literal, Self, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from services.compliance.domain.holds import COLLECTING, HoldKind
from services.compliance.domain.record_kinds import Records
from services.compliance.domain.rule_parts import (
    WEEKDAYS,
    Calendar,
    DayHours,
    DutyOwner,
    FactName,
    Lapse,
    Silence,
    Tracked,
    Weekday,
)
from shared.events.contact import Channel, ConductFlag, Purpose

EVERYWHERE: Final = "*"
PLACE: Final = r"^(\*|[A-Z]{2}(-[A-Z0-9]{1,3})?)$"
ALL_CHANNELS: Final[tuple[Channel, ...]] = get_args(Channel)
_PURPOSES: Final[tuple[Purpose, ...]] = get_args(Purpose)
_NAMED_PURPOSES: Final[dict[str, tuple[Purpose, ...]]] = {
    "all": _PURPOSES,
    "all_but_safety": tuple(one for one in _PURPOSES if one != "safety"),
    "collecting": tuple(one for one in _PURPOSES if one in COLLECTING),
    "unasked": ("collection", "appointment_admin", "plan_service"),
}

Status = Literal["law", "std", "self", "guide", "draft", "policy"]
Confidence = Literal["R1", "R2", "M"]
Action = Literal["block", "hold", "stop", "warn", "record", "retain", "qualify", "report"]
Overriding = Literal["none", "consent", "supervisor"]
Severity = Literal["low", "medium", "high"]
Unit = Literal["attempt", "contact", "conversation", "household_contacted", "debtor_met", "unanswered"]
Key = Literal["person", "debt", "contact_point", "household", "address", "institution"]
Collector = Literal["creditor", "agency", "consumer_finance", "credit_servicer"]
Product = Literal["card", "consumer_loan", "mortgage", "digital_loan", "microfinance", "transferred_loan"]
PlaceKind = Literal["home", "work", "hospital", "designated", "other"]
Recipient = Literal["obligor", "spouse", "heir", "contact_person", "third_person", "representative"]
Proof = Literal["identity_shown", "recording_complete", "not_disclosed_to_third", "entry_consented", "left_when_asked"]


def _purposes(value: object) -> object:
    return _NAMED_PURPOSES.get(value, value) if isinstance(value, str) else value


def _channels(value: object) -> object:
    return ALL_CHANNELS if value == "all" else value


def _list(value: object) -> object:
    return (value,) if isinstance(value, str) else value


Purposes = Annotated[tuple[Purpose, ...], BeforeValidator(_purposes), Field(min_length=1)]
Channels = Annotated[tuple[Channel, ...], BeforeValidator(_channels), Field(min_length=1)]
RecordsNamed = Annotated[tuple[Records, ...], BeforeValidator(_list), Field(min_length=1)]
WindowName = Annotated[
    str,
    Field(pattern=r"^(local_day|local_dates_[1-9]\d{0,2}|cooloff_[1-9]\d?|month_date_to_date|[1-9]\d?_months|ever)$"),
]


class RuleRecord(BaseModel):
    """What every rule states. A rule whose `collectors`, `products`, `places` or `recipients` are unknown applies."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(pattern=r"^[A-Z0-9-]{3,40}$")
    clause: str = Field("", description="Id in the rule catalogue; several rules may express one clause.")
    also: tuple[str, ...] = Field((), description="Further clauses that this rule expresses.")
    jurisdiction: str = Field(EVERYWHERE, pattern=PLACE)
    status: Status = "policy"
    citation: str = Field(min_length=10, max_length=400)
    confidence: Confidence | None = None
    effective_from: date = date(2000, 1, 1)
    effective_to: date | None = None
    source_read_on: date | None = None
    channels: Channels = ALL_CHANNELS
    purposes_blocked: Purposes
    collectors: tuple[Collector, ...] = ()
    products: tuple[Product, ...] = ()
    places: tuple[PlaceKind, ...] = ()
    recipients: tuple[Recipient, ...] = ()
    action: Action = "block"
    override: Overriding = "none"
    evidence: tuple[str, ...] = ()
    severity: Severity = "high"

    @property
    def catalogue_clause(self) -> str:
        """The clause that the rule expresses: its own id unless it says otherwise."""
        return self.clause or self.id

    @property
    def bound(self) -> tuple[tuple[str, ...], ...]:
        """The circumstances to which it is limited; all empty: to none."""
        return (self.collectors, self.products, self.places, self.recipients)

    def in_force(self, day: date) -> bool:
        """Whether it applies to contacts on that local date."""
        return self.effective_from <= day and (self.effective_to is None or day < self.effective_to)

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.status != "policy" and (self.confidence is None or self.source_read_on is None):
            raise ValueError(f"{self.id}: a rule that is not policy states its confidence and when its source was read")
        if self.effective_to is not None and self.effective_to <= self.effective_from:
            raise ValueError(f"{self.id}: effective_to must lie after effective_from")
        if self.action == "warn" and self.override != "supervisor":
            raise ValueError(f"{self.id}: a warning is overridden by a supervisor")
        return self


class HoursRule(RuleRecord):
    """Contact only from `opens` to `closes` of the person's local time; `weekly` sets other hours for its days.

    `fallback`: holds for a channel only where no other rule of the place sets hours for it.
    """

    kind: Literal["hours"]
    opens: time
    closes: time
    weekly: tuple[DayHours, ...] = ()
    closed_on: tuple[Weekday, ...] = ()
    fallback: bool = False

    @property
    def sets_hours(self) -> bool:
        """Whether it sets the hours of its channels for everybody."""
        return not self.fallback and not any(self.bound)

    def hours_of(self, day: date) -> tuple[time, time]:
        """Opening and closing of that date's day of the week."""
        name = WEEKDAYS[day.weekday()]
        if name in self.closed_on:
            return time(0), time(0)
        for hours in self.weekly:
            if name in hours.days:
                return hours.opens, hours.closes
        return self.opens, self.closes

    @model_validator(mode="after")
    def _opens_before_it_closes(self) -> Self:
        pairs = [(self.opens, self.closes), *((hours.opens, hours.closes) for hours in self.weekly)]
        if any(opens >= closes for opens, closes in pairs):
            raise ValueError(f"{self.id}: opens must lie before closes")
        if len({day for hours in self.weekly for day in hours.days}) != sum(len(hours.days) for hours in self.weekly):
            raise ValueError(f"{self.id}: a day of the week has two hours")
        return self


class ClosedDaysRule(RuleRecord):
    """No contact on the days of a calendar."""

    kind: Literal["closed_days"]
    calendar: Calendar


class PreferenceRule(RuleRecord):
    """No contact at a time or on a channel that the person called inconvenient."""

    kind: Literal["preference"]


class CapRule(RuleRecord):
    """At most `limit` contacts of this unit in any `window`, counted over all keys named together.

    `uncounted` leaves out what the law leaves out; `threads` counts a written exchange of two business days once.
    """

    kind: Literal["cap"]
    unit: Unit
    window: WindowName
    limit: int = Field(ge=1, le=1_000)
    key: tuple[Key, ...] = ("person",)
    uncounted: tuple[Literal["consented", "not_connected"], ...] = ()
    threads: bool = False

    @property
    def counts_others(self) -> bool:
        """Whether contacts with other people count, too, who share the debt, the number, the home …"""
        return "person" not in self.key

    @model_validator(mode="after")
    def _cool_off_is_one(self) -> Self:
        if self.window.startswith("cooloff") and (self.limit, self.unit) != (1, "conversation"):
            raise ValueError(f"{self.id}: a cool-off begins with one conversation")
        return self


class GateRule(RuleRecord):
    """Closed until lawful attempts have failed. Only attempts known to have been lawful open it.

    `lost_contact`: `failures` failed attempts on one date and one on the next, or on `failures` dates in a row, with
    nobody reached since. `failed_first`: `failures` failed attempts. `missed_appointments`: `failures` visits in a row
    at the designated place to which the person did not come.
    """

    kind: Literal["gate"]
    gate: Literal["lost_contact", "failed_first", "missed_appointments"]
    failures: int = Field(ge=1, le=20)
    counted_channels: tuple[Channel, ...] = Field(min_length=1)


class ThirdPersonRule(RuleRecord):
    """A third person is asked at most `limit` times in `window`, and never again after a refusal."""

    kind: Literal["third_person"]
    window: WindowName = "ever"
    limit: int | None = Field(None, ge=1, le=100)


class RequiresRule(RuleRecord):
    """Facts that must be known and true, each at most `max_age_days` old.

    `grace_days`: asked only from so many local dates after the first contact on. `notice_hours`: each must have been so
    for so many hours when the contact begins. `unless`: facts of which any one, known and true, stands for all.
    `lapse`: what is known not to be so counts as so again after a time.
    """

    kind: Literal["requires"]
    facts: tuple[FactName, ...] = Field(min_length=1)
    unless: tuple[FactName, ...] = ()
    notice_hours: int | None = Field(None, ge=1, le=720)
    max_age_days: int | None = Field(None, ge=1, le=3_660)
    grace_days: int | None = Field(None, ge=1, le=366)
    lapse: Lapse | None = None


class CrewRule(RuleRecord):
    """At least `minimum` different collectors."""

    kind: Literal["crew"]
    minimum: int = Field(ge=1, le=4)


class HoldRule(RuleRecord):
    """No contact while a hold of these kinds stands. `lifted_by` names the event that ends it, or `never`."""

    kind: Literal["hold"]
    hold_kinds: tuple[HoldKind, ...] = Field(min_length=1)
    lifted_by: str
    needs_fact: bool = False
    silence: Silence | None = None


class LetterRule(RuleRecord):
    """What a letter must contain."""

    kind: Literal["letter"]
    required: tuple[str, ...] = Field(min_length=1)


class EvidenceRule(RuleRecord):
    """What the record of a contact must show; judged afterwards."""

    kind: Literal["evidence"]
    proof: Proof


class ConductRule(RuleRecord):
    """Conduct that ends a contact at once and is a finding; judged when somebody reports or hears it."""

    kind: Literal["conduct"]
    flags: tuple[ConductFlag, ...] = Field(min_length=1)


class RetainRule(RuleRecord):
    """Least time for which records of these sorts are kept: so many years, or until the debt is paid off."""

    kind: Literal["retain"]
    records: RecordsNamed
    years: int | None = Field(None, ge=1, le=30)
    counted_from: Literal["activity", "record"] = Field(
        "activity", description="From the last contact with the person, or from the last record of the sort."
    )
    until_paid_off: bool = False
    most: bool = Field(False, description="No longer than other rules demand, instead of at least.")
    fallback: bool = Field(False, description="Only where no other rule of the place says how long.")

    @model_validator(mode="after")
    def _has_an_end(self) -> Self:
        if self.years is None and not self.until_paid_off and not self.most:
            raise ValueError(f"{self.id}: for how long?")
        return self


class PlanTermsRule(RuleRecord):
    """Terms of a repayment plan: its longest duration and what its document must contain."""

    kind: Literal["plan_terms"]
    max_months: int | None = Field(None, ge=1, le=600)
    required: tuple[str, ...] = ()
    forbidden: tuple[str, ...] = ()


class DutyRule(RuleRecord):
    """Something that the institution does: once, every so many days, or so many days after its cause.

    `owner` does it. `tracks`: a cause that is seen by itself; what recurs is recorded by whoever did it. The time after
    a cause is in days, in days from Monday to Friday (public holidays are not left out, so it is never too long), or in
    hours.
    """

    kind: Literal["duty"]
    duty: str = Field(min_length=5)
    owner: DutyOwner = "compliance"
    every_days: int | None = Field(None, ge=1, le=3_660)
    within_days: int | None = Field(None, ge=1, le=3_660)
    within_working_days: int | None = Field(None, ge=1, le=366)
    within_hours: int | None = Field(None, ge=1, le=720)
    tracks: Tracked | None = None

    @property
    def answers_a_cause(self) -> bool:
        """Whether its time runs from a cause."""
        return any(one is not None for one in (self.within_days, self.within_working_days, self.within_hours))

    @model_validator(mode="after")
    def _has_a_time(self) -> Self:
        times = [self.within_days, self.within_working_days, self.within_hours]
        given = sum(one is not None for one in times)
        if given > 1 or (self.tracks is not None and given == 0):
            raise ValueError(f"{self.id}: within how many days, working days or hours? One of them")
        return self


class ScopeRule(RuleRecord):
    """In this place the rules named also bind these collectors."""

    kind: Literal["scope"]
    widens: tuple[str, ...] = Field(min_length=1)
    binds: tuple[Collector, ...] = Field(min_length=1)


class FactRule(RuleRecord):
    """A fact of the platform that must be known."""

    kind: Literal[
        "party_known", "case_open", "jurisdiction_known", "zones_known", "facts_fresh", "versions_seen", "balance_owed",
        "customer_request", "channel_has_hours", "window_fits", "bound_to_place", "log_current",
    ]  # fmt: skip


Rule = (
    HoursRule | ClosedDaysRule | PreferenceRule | CapRule | GateRule | ThirdPersonRule | RequiresRule | CrewRule
    | HoldRule | LetterRule | EvidenceRule | ConductRule | RetainRule | PlanTermsRule | DutyRule | ScopeRule | FactRule
)  # fmt: skip
# Judged of a record, a plan or the institution, not when somebody asks whether a contact may be made.
NotAsked = EvidenceRule | ConductRule | RetainRule | PlanTermsRule | DutyRule | ScopeRule
