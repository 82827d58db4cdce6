"""What visits asks of other services. Only intents and the edge of the API call these; never a transaction."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from shared.balances import BalanceChecks, SignedBalance
from shared.events.base import TimeWindow
from shared.geo import Point
from shared.ids import derived_id
from shared.moments import Moment
from shared.permits import PermitDecision, ask_for_permits
from shared.security.key_cache import KeyCache
from shared.security.token_source import ClientCredentials
from shared.settings import ServiceSettings
from shared.web.client import RemoteProblem, RemoteUnavailable, ServiceClient
from shared.web.problems import TYPE_BASE

# A crew stands at the door and waits: without intake's exact point the permit's cell decides.
POINT_DEADLINE_SECONDS: Final = 2.0


class _Answer(BaseModel):
    """Answers of others are read tolerantly: members that we do not know are left out."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class PermitItem(BaseModel):
    """One item of a permit request."""

    request_id: UUID
    party_id: UUID
    case_id: UUID
    subject_id: UUID
    channel: Literal["sms"]
    purpose: Literal["appointment_admin"]
    jurisdiction: str
    time_zones: list[str]
    window: TimeWindow
    duration_minutes: int
    crew: list[UUID]
    device_id: str | None
    place_cell: str | None
    versions: dict[str, int]


class TraceItem(BaseModel):
    """One item of POST /v1/traces."""

    source: str
    record_id: str
    number: int
    party_id: UUID
    channel: Literal["visit"]
    seen_at: Moment


class TraceQuestion(BaseModel):
    """Body of POST /v1/traces."""

    items: list[TraceItem]


class TraceProblem(_Answer):
    """Why a trace was refused."""

    type: str

    @property
    def kind(self) -> str:
        """The end of its type."""
        return self.type.removeprefix(TYPE_BASE)


class TraceResult(_Answer):
    """What became of one trace."""

    position: int
    problem: TraceProblem | None = None


class TraceResults(_Answer):
    """Answer of POST /v1/traces."""

    items: list[TraceResult]


class FeedDayBody(BaseModel):
    """Body of POST /v1/feeds/{source}/days."""

    day: date
    last_number: int
    records: int
    signature: str


class PermitKeys(_Answer):
    """Answer of GET /v1/permit-keys: a JWKS (RFC 7517)."""

    keys: list[dict[str, Any]]


class PointItem(BaseModel):
    """One item of a request for points."""

    party_id: UUID


class PointQuestion(BaseModel):
    """Body of POST /v1/parties/points."""

    items: list[PointItem]
    purpose: Literal["route"] = "route"


class PointAnswer(_Answer):
    """The exact point of one party, or none."""

    party_id: UUID
    point: Point | None = None


class PointAnswers(_Answer):
    """Answer of POST /v1/parties/points."""

    items: list[PointAnswer]


class CollectorAnswer(_Answer):
    """What assignment tells of a collector."""

    collector_id: UUID
    name: str
    photo_ref: str | None = None


class CollectorAnswers(_Answer):
    """A page of GET /v1/collectors."""

    items: list[CollectorAnswer]
    next: str | None = None


@dataclass(frozen=True)
class Neighbours:
    """The services that visits calls."""

    compliance: ServiceClient
    intake: ServiceClient
    assignment: ServiceClient
    balances: BalanceChecks

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: ServiceSettings) -> AsyncIterator[Neighbours]:
        """Clients with one shared token; nothing is called yet."""
        token_source = ClientCredentials.from_settings(settings)
        async with (
            ServiceClient(
                service="compliance", base_url=settings.compliance_url, token_source=token_source
            ) as compliance,
            ServiceClient(
                service="intake",
                base_url=settings.intake_url,
                token_source=token_source,
                deadline_seconds=POINT_DEADLINE_SECONDS,
                attempt_timeout_seconds=POINT_DEADLINE_SECONDS,
            ) as intake,
            ServiceClient(
                service="assignment", base_url=settings.assignment_url, token_source=token_source
            ) as assignment,
        ):
            balances = BalanceChecks(intake, KeyCache.of_service(settings.intake_url))
            try:
                yield cls(compliance=compliance, intake=intake, assignment=assignment, balances=balances)
            finally:
                await balances.close()

    async def permits(self, items: Sequence[PermitItem], *, key: str) -> dict[UUID, PermitDecision]:
        """Compliance's decisions by request; it recognises each request by its own id. Raises RemoteProblem,
        RemoteUnavailable.
        """
        return await ask_for_permits(self.compliance, [item.model_dump(mode="json") for item in items], key=key)

    async def at_the_door(self, party_id: UUID, case_id: UUID) -> tuple[Point | None, SignedBalance | None]:
        """The exact point of the home and the balance intake confirms; each None without a valid answer in time."""
        home, balances = await asyncio.gather(self.home_of(party_id), self.balances.ask([(party_id, case_id)]))
        confirmed = balances.get(party_id)
        return home, None if confirmed is None else confirmed.document

    async def tell_traces(self, items: Sequence[TraceItem]) -> list[TraceResult]:
        """What became of each at compliance. The same batch repeated is the same command.

        Raises RemoteProblem, RemoteUnavailable.
        """
        key = derived_id("tell-traces", *(item.model_dump_json() for item in items))
        body = TraceQuestion(items=list(items))
        return (await self.compliance.command("/v1/traces", TraceResults, body=body, idempotency_key=str(key))).items

    async def home_of(self, party_id: UUID) -> Point | None:
        """The exact registered point, or None when intake does not know it or does not answer in time."""
        question = PointQuestion(items=[PointItem(party_id=party_id)])
        try:
            answer = await self.intake.ask("/v1/parties/points", PointAnswers, body=question)
        except (RemoteProblem, RemoteUnavailable):
            return None
        return next((item.point for item in answer.items if item.party_id == party_id), None)
