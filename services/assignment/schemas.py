"""What the API reads and answers."""

from __future__ import annotations

from datetime import date
from functools import cache
from typing import Annotated, Self
from uuid import UUID
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from services.assignment.domain.collectors import Certificate, Collector, Pair, Shift
from services.assignment.domain.field_day import DayStatus
from shared.events.base import PartyId, Reference, TimeWindow, VisitId
from shared.geo import Point
from shared.moments import LocalTime, Moment
from shared.money import Money


@cache
def _zones() -> frozenset[str]:
    """All IANA zones. They are looked for on disk, which takes longer than all else that a batch needs."""
    return frozenset(available_timezones())


def _known_zone(name: str) -> str:
    if name not in _zones():
        raise ValueError("is not an IANA time zone")
    return str(ZoneInfo(name))


Language = Annotated[str, Field(pattern=r"^[a-z]{2,3}$", description="ISO 639 code.", examples=["zh"])]
TimeZone = Annotated[str, AfterValidator(_known_zone), Field(description="IANA time zone.", examples=["Asia/Shanghai"])]
MAX_BATCH = 500


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class CertificateBody(_Body):
    """A training certificate."""

    kind: Reference = Field(description="Training; visits need `home_visit`.", examples=["home_visit"])
    reference: Reference = Field(description="Number of the certificate.")
    valid_from: date = Field(description="First day.")
    valid_to: date = Field(description="Last day.")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.valid_to < self.valid_from:
            raise ValueError("valid_to lies before valid_from")
        return self


class CollectorBody(_Body):
    """A collector with the whole list of certificates (replaces what was known)."""

    collector_id: UUID | None = Field(None, description="Our id; left out: derived from `staff_ref`.")
    staff_ref: Reference = Field(description="Staff number at the bank.")
    name: str = Field(min_length=1, max_length=80, description="Name on the badge, shown to the customer.")
    languages: list[Language] = Field(min_length=1, max_length=20, description="Languages spoken.")
    certificates: list[CertificateBody] = Field(default_factory=list, max_length=50, description="Certificates held.")
    active: bool = Field(True, description="False: not sent out.")

    @model_validator(mode="after")
    def _each_certificate_once(self) -> Self:
        if len({(each.kind, each.reference, each.valid_from) for each in self.certificates}) != len(self.certificates):
            raise ValueError("a certificate appears twice")
        return self

    def collector(self, collector_id: UUID) -> Collector:
        """The domain's collector."""
        return Collector(
            collector_id=collector_id,
            staff_ref=self.staff_ref,
            name=self.name,
            languages=frozenset(self.languages),
            certificates=tuple(Certificate(**each.model_dump()) for each in self.certificates),
            active=self.active,
        )


class CollectorView(CollectorBody):
    """A collector, and whether the certificate lock is open today."""

    collector_id: UUID = Field(description="Our id.")
    refused_today: str | None = Field(
        None, description="Why not assignable today (UTC business date): inactive, certificate_missing or _expired."
    )

    @classmethod
    def of(cls, collector: Collector, today: date) -> Self:
        """The view of a collector."""
        return cls(
            collector_id=collector.collector_id,
            staff_ref=collector.staff_ref,
            name=collector.name,
            languages=sorted(collector.languages),
            certificates=[
                CertificateBody(
                    kind=each.kind, reference=each.reference, valid_from=each.valid_from, valid_to=each.valid_to
                )
                for each in collector.certificates
            ],
            active=collector.active,
            refused_today=collector.refusal_on(today),
        )


class CollectorBatch(_Body):
    """Collectors to be registered or replaced."""

    items: list[CollectorBody] = Field(min_length=1, max_length=MAX_BATCH, description="Collectors, each whole.")


class CollectorViews(BaseModel):
    """Registered collectors, in the order they were sent."""

    items: list[CollectorView] = Field(description="The collectors as they now stand.")


class ShiftBody(_Body):
    """Working hours of one local day."""

    start: LocalTime = Field(description="Local start.", examples=["09:00"])
    end: LocalTime = Field(description="Local end, after the start.", examples=["18:00"])
    time_zone: TimeZone

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.end <= self.start:
            raise ValueError("end must lie after start")
        return self


class PairBody(_Body):
    """Two collectors who go out together."""

    pair_id: UUID | None = Field(None, description="Our id; left out: derived from `device_id`.")
    collectors: list[UUID] = Field(min_length=2, max_length=2, description="Two different collectors.")
    device_id: Reference = Field(description="The pair's device: permits are bound to it.")
    home: Point = Field(description="Where the pair starts and ends its day.")
    shift: ShiftBody = Field(description="When the pair works, every day alike.")
    active: bool = Field(True, description="False: not planned.")

    @model_validator(mode="after")
    def _two_people(self) -> Self:
        if len(set(self.collectors)) != 2:
            raise ValueError("a pair is two different people")
        return self

    def pair(self, pair_id: UUID) -> Pair:
        """The domain's pair."""
        first, second = self.collectors
        return Pair(
            pair_id=pair_id,
            collectors=(first, second),
            device_id=self.device_id,
            home=self.home,
            shift=Shift(start=self.shift.start, end=self.shift.end, time_zone=self.shift.time_zone),
            active=self.active,
        )


class PairView(PairBody):
    """A pair as registered."""

    pair_id: UUID = Field(description="Our id.")

    @classmethod
    def of(cls, pair: Pair) -> Self:
        """The view of a pair."""
        return cls(
            pair_id=pair.pair_id,
            collectors=list(pair.collectors),
            device_id=pair.device_id,
            home=pair.home,
            shift=ShiftBody(start=pair.shift.start, end=pair.shift.end, time_zone=pair.shift.time_zone),
            active=pair.active,
        )


class PairBatch(_Body):
    """Pairs to be registered or replaced."""

    items: list[PairBody] = Field(min_length=1, max_length=MAX_BATCH, description="Pairs, each whole.")


class PairViews(BaseModel):
    """Registered pairs, in the order they were sent."""

    items: list[PairView] = Field(description="The pairs as they now stand.")


class PlanFieldDay(_Body):
    """How much is to be planned."""

    max_visits: int | None = Field(None, ge=1, le=100_000, description="At most this many candidates; none: capacity.")


class FieldDayAccepted(BaseModel):
    """Planning has begun; read the field day for its progress."""

    field_day_id: UUID = Field(description="The field day.")
    status: DayStatus = Field(description="How far planning is; `selecting` at first.")


class StopView(BaseModel):
    """One stop of a route. The exact place is not shown, only its 500 m cell."""

    stop_number: int = Field(description="Position on the route, from 1.")
    visit_id: VisitId
    party_id: PartyId
    cell: str = Field(description="H3 cell of the home, about 500 m edge.")
    arrives_at: Moment = Field(description="Planned arrival, business time.")
    window: TimeWindow = Field(description="Window that is offered to the customer, business time.")
    duration_minutes: int = Field(description="Planned stay, minutes.")
    state: str = Field(description="Where the visit stands; from `assigned` on as the visits service says.")
    cause: str | None = Field(description="Why it ended without a visit; null while it has not.")
    rules: list[str] = Field(description="Ids of the rules that refused its permit, if any.")


class RouteView(BaseModel):
    """One pair's day as it was planned; `km` is an estimate of the travel model."""

    pair_id: UUID = Field(description="The pair.")
    crew: list[UUID] = Field(description="The two collectors.")
    device_id: str = Field(description="The pair's device.")
    home: Point | None = Field(description="Where the pair starts and ends; null once it is not registered any more.")
    area: int = Field(description="Number of the area that was routed in one piece.")
    departs_at: Moment = Field(description="Departure from the starting point, business time.")
    returns_at: Moment = Field(description="Return to it, business time.")
    rest_start_at: Moment | None = Field(
        description="Begin of the break, business time; null: the shift is too short to need one."
    )
    km: float = Field(description="Kilometres on the road, estimated.")
    travel_minutes: int = Field(description="Minutes on the road.")
    visit_minutes: int = Field(description="Minutes at doors.")
    total_minutes: int = Field(description="Minutes from departure to return, waiting and break included.")
    cost: Money = Field(description="Travel and labour by the bank's cost model.")
    stops: list[StopView] = Field(description="Stops in the order of the route.")


class UnassignedView(BaseModel):
    """Who was handed to the router and is not visited, and why."""

    party_id: PartyId
    reason: str = Field(
        description="Why, as a code, such as no_lawful_window, place_unknown, no_pair_ready, routing_failed."
    )
    rules: list[str] = Field(description="Ids of the rules that left no lawful window, if that is why.")


class Areas(BaseModel):
    """Progress of routing."""

    total: int = Field(description="Areas of the day.")
    planned: int = Field(description="Areas with routes.")
    failed: int = Field(description="Areas that could not be routed.")


class RouteFiguresView(BaseModel):
    """Sums over routes. `cost_per_visit` is per planned visit, rounded up; none without visits."""

    routes: int = Field(description="Routes.")
    planned_visits: int = Field(description="Stops on them.")
    km: float = Field(description="Kilometres on the road, estimated.")
    travel_minutes: int = Field(description="Minutes on the road.")
    visit_minutes: int = Field(description="Minutes at doors.")
    total_minutes: int = Field(description="Minutes from departure to return.")
    cost: Money | None = Field(description="Travel and labour by the bank's cost model; null without routes.")
    cost_per_visit: Money | None = Field(description="Cost per planned visit, rounded up; null without visits.")


class FieldDayView(BaseModel):
    """A field day: progress, routes, what was left out and why, and the model it was planned with."""

    field_day_id: UUID = Field(description="The field day.")
    day: date = Field(description="Local date of the visits.")
    status: DayStatus = Field(description="`selecting` candidates, `routing` them, or `planned`.")
    policy_id: str = Field(description="Selection policy that was used.")
    travel_model: str | None = Field(description="Travel model behind times and kilometres; null until routing began.")
    travel_parameters: dict[str, int] = Field(description="Its parameters by name; the unit is part of the name.")
    requested_at: Moment = Field(description="When planning was asked for, business time.")
    planned_at: Moment | None = Field(description="When planning ended, business time; null until then.")
    areas: Areas = Field(description="How many areas are routed so far.")
    eligible: int = Field(description="Parties that the policy allows to be asked.")
    not_chosen: dict[str, int] = Field(description="Parties not handed to the router, by reason.")
    refused_pairs: dict[str, str] = Field(description="Pairs that may not go out, with the reason.")
    figures: RouteFiguresView = Field(description="Sums over the day's routes.")
    routes: list[RouteView] = Field(description="One route per pair.")
    unassigned: list[UnassignedView] = Field(description="Who was handed to the router and is not visited.")


class AssignmentSummary(BaseModel):
    """Figures over everything that assignment knows."""

    staff: dict[str, int] = Field(description="Active collectors and pairs.")
    cases_open: dict[str, int] = Field(description="Open cases by bucket.")
    blocks: dict[str, int] = Field(description="Parties with an active block, by cause.")
    field_days: dict[str, int] = Field(description="Field days by status.")
    visits: dict[str, int] = Field(description="Planned visits by state.")
    visit_causes: dict[str, int] = Field(description="Ended visits by state and cause.")
    unassigned: dict[str, int] = Field(description="Parties left out by the router, by reason.")
    figures: RouteFiguresView = Field(description="Sums over all routes of all field days.")
