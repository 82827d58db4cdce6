"""What assignment asks of compliance and intake, in the words of their contracts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.assignment.domain.candidacy import CaseFacts
from shared.events.base import TimeWindow
from shared.geo import Point
from shared.permits import PermitDecision, ask_for_permits
from shared.web.client import RemoteProblem, RemoteUnavailable, ServiceClient

_TRANSIENT_STATUSES = frozenset({409, 425, 429})
_VISIT: Literal["visit"] = "visit"


class _Answer(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Refusal(_Answer):
    """Why compliance refuses."""

    rule: str
    detail: str = ""


class PartyWindows(_Answer):
    """Lawful spans (arrival to departure) of one person, or the rules that leave none."""

    party_id: UUID
    windows: list[TimeWindow] = Field(default_factory=list)
    refused: list[Refusal] = Field(default_factory=list)


class PartyPoint(_Answer):
    """The exact point of one home; none while unknown."""

    party_id: UUID
    point: Point | None = None


class _WindowBatch(_Answer):
    items: list[PartyWindows]


class _PointBatch(_Answer):
    items: list[PartyPoint]


class _Body(BaseModel):
    items: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=500)]


class _PointBody(_Body):
    purpose: Literal["route"] = "route"


class NotAnsweredError(Exception):
    """Nobody answered, or asked us to come back later: the intent is tried again."""


async def windows(
    compliance: ServiceClient, cases: Sequence[tuple[UUID, CaseFacts]], *, day: date, duration_minutes: int
) -> dict[UUID, PartyWindows]:
    """When each party may lawfully be visited on `day`. Raises NotAnsweredError, RemoteProblem."""
    items = [
        {
            "party_id": party_id,
            "channel": _VISIT,
            "purpose": "collection",
            "jurisdiction": case.jurisdiction,
            "time_zones": case.time_zones,
            "days": [day],
            "duration_minutes": duration_minutes,
        }
        for party_id, case in cases
    ]
    try:
        answer = await compliance.ask("/v1/windows", _WindowBatch, body=_Body(items=items))
    except (RemoteUnavailable, RemoteProblem) as error:
        raise _later(error) from error
    return {item.party_id: item for item in answer.items}


async def points(intake: ServiceClient, party_ids: Sequence[UUID]) -> dict[UUID, Point]:
    """Exact points for routing; each reading is logged by intake. Raises NotAnsweredError, RemoteProblem."""
    body = _PointBody(items=[{"party_id": party_id} for party_id in party_ids])
    try:
        answer = await intake.ask("/v1/parties/points", _PointBatch, body=body)
    except (RemoteUnavailable, RemoteProblem) as error:
        raise _later(error) from error
    return {item.party_id: item.point for item in answer.items if item.point is not None}


async def permits(
    compliance: ServiceClient, requests: Sequence[dict[str, Any]], *, key: str
) -> dict[UUID, PermitDecision]:
    """Ask for permits; each request has its own `request_id`. Raises NotAnsweredError, RemoteProblem."""
    try:
        return await ask_for_permits(compliance, requests, key=key)
    except (RemoteUnavailable, RemoteProblem) as error:
        raise _later(error) from error


def _later(error: RemoteUnavailable | RemoteProblem) -> Exception:
    if isinstance(error, RemoteUnavailable) or error.status in _TRANSIENT_STATUSES or error.status >= 500:
        return NotAnsweredError(str(error))
    return error
