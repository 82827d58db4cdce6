"""The parts that rules are made of: days, calendars, facts, what lapses, silences, and who owes what."""

from __future__ import annotations

from datetime import date, time
from typing import Final, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS: Final[tuple[Weekday, ...]] = get_args(Weekday)
FactName = Literal[
    "agency_contract", "agency_licensed", "agency_named", "agency_published", "agency_record_clean",
    "collector_approved", "collector_background_clear", "collector_badged", "collector_certified",
    "collector_is_employee", "collector_trained", "contact_source_lawful", "device_approved", "electronic_consent",
    "employer_permits", "estate_representative", "guaranteed", "impact_assessed", "kpi_not_recovery_alone",
    "leaves_when_asked",
    "occasion_clear", "opt_out_offered", "outsourcing_notice_sent", "place_chosen_by_customer", "place_consented",
    "recording_announced", "referral_notice_sent", "representative_silent", "representative_warned",
    "sensitive_data_basis", "sms_number_checked", "spouse_liable",
    "stays_outside", "third_party_permitted", "transfer_notice_sent", "validation_notice_sent", "visit_notice_given",
    "visit_permitted", "visit_purpose_told", "visit_time_agreed", "work_calls_accepted", "work_refusal_written",
    "work_visit_requested",
]  # fmt: skip
# Who in the institution does what a duty demands.
DutyOwner = Literal["compliance", "complaints", "data_protection", "care", "vendors"]
# What a machine sees begin and end: from when a duty runs, and what fulfils it.
Tracked = Literal[
    "complaint_acknowledged", "vulnerability_reviewed", "dispute_verified", "request_confirmed", "relatives_answered",
    "breach_authority_told", "breach_people_told", "debt_notice_sent",
]  # fmt: skip


class DayHours(BaseModel):
    """Hours of some days of the week."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    days: tuple[Weekday, ...] = Field(min_length=1)
    opens: time
    closes: time


class Calendar(BaseModel):
    """Days off, known from `first` to `last`; outside nobody knows."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    first: date
    last: date
    days: frozenset[date] = Field(min_length=1)


class Lapse(BaseModel):
    """A refusal by word of mouth holds for `days` of 24 hours; one that the fact `confirmed` shows in writing stays."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    days: int = Field(ge=1, le=366)
    confirmed: FactName


class Silence(BaseModel):
    """A representative who does not answer may be passed over.

    Silent for `silent_days`, then warned in writing, then silent for `warned_days` more: all by the owner's word, and
    the last word on the silence must be that it lasts.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    silent: FactName
    silent_days: int = Field(ge=1, le=366)
    warned: FactName
    warned_days: int = Field(ge=1, le=366)
