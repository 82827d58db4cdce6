"""Forbidden acts, tried and refused in view; and what must work whatever is down."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from uuid import uuid4

from simulation.api import Answer, Api
from simulation.core.bank import BankCore
from simulation.directory import Directory
from simulation.field import FieldDay
from simulation.pace import Pace
from simulation.platform import Platform

_POLL_SECONDS: Final = 0.1
_RECALL_TIMEOUT_SECONDS: Final = 30
_RECOVERY_TIMEOUT_SECONDS: Final = 120
ACTS_NEED_VISITS: Final = 4

Visit = dict[str, Any]
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Act:
    """One act: what was tried, what had to come of it, what came."""

    tried: str
    must: str
    answer: str
    held: bool
    """Whether the rule held."""


class ForbiddenActs:
    """Tries them on visits that the field day spares; keeps what came of each."""

    def __init__(
        self,
        *,
        api: Api,
        pace: Pace,
        platform: Platform,
        core: BankCore,
        directory: Directory,
        field: FieldDay,
        say: Say,
    ) -> None:
        self._api = api
        self._pace = pace
        self._platform = platform
        self._core = core
        self._directory = directory
        self._field = field
        self._say = say
        self.acts: list[Act] = []

    @property
    def all_held(self) -> bool:
        """No act succeeded that must not, none failed that must not."""
        return all(act.held for act in self.acts)

    async def at_the_door(self, visit: Visit, stranger: Visit) -> None:
        """Check-in without, with a forged, with a foreign permit, alone; then lawfully; then again."""
        await self._refused("check-in without a permit", "no_permit", visit, permit=None)
        await self._refused("check-in with a forged permit", "permit_forged", visit, permit=forged(visit["permit"]))
        await self._refused("check-in with another visit's permit", "permit_foreign", visit, permit=stranger["permit"])
        await self._refused("check-in of one collector alone", "crew_incomplete", visit, crew_present=visit["crew"][:1])
        lawful = await self._field.check_in(visit)
        self._note("check-in with the visit's own permit", "accepted", _said(lawful), held=lawful.ok)
        await self._refused("check-in with a permit that was used", "permit_used", visit)

    async def leave(self, visit: Visit, *, outcome: str = "met_customer") -> None:
        """End the visit of `at_the_door`."""
        met = outcome == "met_customer"
        body = {
            "outcome": outcome,
            "right_party": met,
            "household_contacted": True,
            "debtor_met": met,
            "identity_shown": True,
            "recording_complete": True,
        }
        (await self._api.post("visits", f"/v1/visits/{visit['visit_id']}/check-out", body)).expected()

    async def payment_on_the_way(self, visit: Visit) -> None:
        """The pair is on its way, the customer pays: the visit is recalled, and the old permit opens nothing."""
        (await self._field.set_off(visit)).expected()
        loan = await self._directory.loan_of(visit["case_id"])
        await self._core.receive_payment(loan.person.loan_ref, loan.overdue, at=self._pace.now)
        seconds = await self._until_state(visit, "recalled")
        said = f"recalled after {seconds:.2f} s" if seconds is not None else "not recalled"
        self._note("payment while the pair is on its way", "the visit is recalled", said, held=seconds is not None)
        await self._refused("check-in with a revoked permit", "permit_revoked", visit)

    async def too_late(self, visit: Visit) -> None:
        """The window is over; the permit of this morning opens nothing any more."""
        await self._refused("check-in after the permitted window", "permit_expired", visit)

    async def over_budget(self, visit: Visit) -> None:
        """A second visit of the same person within 30 dates: compliance grants no permit."""
        item = self._permit_request(visit, day_offset=2)
        answer = await self._api.post("compliance", "/v1/permits", {"items": [item]})
        decision = answer.expected()["items"][0]
        rules = [reason["rule"] for reason in decision["reasons"]]
        self._note(
            "a second visit within 30 dates",
            "denied by BANK-VISIT-30D",
            f"{decision['decision']}: {', '.join(rules)}",
            held=decision["decision"] == "deny" and "BANK-VISIT-30D" in rules,
        )

    async def below_the_minimum(self, visit: Visit) -> None:
        """A plan that leaves a household less than its protected minimum is no plan."""
        loan = await self._directory.loan_of(visit["case_id"])
        poor = {
            "household": {"adults": 2, "children": 2},
            "monthly_income": {"amount_minor": 4_300_000, "currency": "TWD"},
            "monthly_rent": {"amount_minor": 400_000, "currency": "TWD"},
            "wished_instalment": {"amount_minor": 2_000_000, "currency": "TWD"},
        }
        answer = await self._field.propose(visit, loan, **poor)
        held = answer.status == 422 and "protected" in str(answer.body.get("type", "")).replace("-", "_")
        self._note("a plan below the protected minimum", "refused", _said(answer), held=held)

    async def call_for_help(self, visit: Visit, *, silent: bool) -> bool:
        """A collector's SOS is always accepted."""
        body = {"collector_id": visit["crew"][0], "silent": silent}
        answer = await self._api.try_once("visits", f"/v1/visits/{visit['visit_id']}/sos", body)
        accepted = answer is not None and answer.ok
        self._note("a collector's SOS", "accepted", _said(answer), held=accepted)
        return accepted

    async def compliance_dies(
        self, waiting: Visit, alarmed: Visit, *, seconds: float, meanwhile: Callable[[], Awaitable[None]]
    ) -> float:
        """compliance is killed: no permit, SOS accepted, the day goes on `meanwhile` with the permits it has.

        Returns the seconds from its restart to its first decision.
        """
        self._platform.kill_service("compliance")
        ends = time.monotonic() + seconds
        self._say(f"compliance is killed for {seconds:.0f} s")
        answer = await self._api.try_once(
            "compliance", "/v1/permits", {"items": [self._permit_request(waiting, day_offset=2)]}
        )
        granted = answer is not None and answer.ok
        self._note("a permit while compliance is dead", "none", _said(answer), held=not granted)
        body = {"collector_id": alarmed["crew"][0], "silent": True}
        sos = await self._api.try_once("visits", f"/v1/visits/{alarmed['visit_id']}/sos", body)
        self._note("an SOS while compliance is dead", "accepted", _said(sos), held=sos is not None and sos.ok)
        await meanwhile()
        await asyncio.sleep(max(0.0, ends - time.monotonic()))
        began = time.monotonic()
        await self._platform.restart_service("compliance")
        decision = await self._first_decision(waiting, began)
        recovered = time.monotonic() - began
        self._note(
            "compliance started again",
            "decides again",
            f"{decision} {recovered:.1f} s after its start",
            held=decision in ("allow", "deny"),
        )
        return recovered

    async def _first_decision(self, visit: Visit, began: float) -> str:
        """Ask until facts are fresh again: while they are not, the honest answer is `needs-fact`."""
        decision = "no answer"
        while time.monotonic() - began < _RECOVERY_TIMEOUT_SECONDS:
            body = {"items": [self._permit_request(visit, day_offset=2)]}
            answer = await self._api.try_once("compliance", "/v1/permits", body)
            if answer is not None and answer.ok:
                decision = str(answer.body["items"][0]["decision"])
                if decision in ("allow", "deny"):
                    return decision
            await asyncio.sleep(_POLL_SECONDS)
        return decision

    async def _refused(self, tried: str, reason: str, visit: Visit, **changes: Any) -> None:
        answer = await self._field.check_in(visit, **changes)
        held = not answer.ok and isinstance(answer.body, dict) and answer.body.get("reason") == reason
        self._note(tried, f"refused: {reason}", _said(answer), held=held)

    async def _until_state(self, visit: Visit, state: str) -> float | None:
        began = time.monotonic()
        while time.monotonic() - began < _RECALL_TIMEOUT_SECONDS:
            now = (await self._api.get("visits", f"/v1/visits/{visit['visit_id']}")).expected()
            if now["state"] == state:
                return time.monotonic() - began
            await asyncio.sleep(_POLL_SECONDS)
        return None

    def _permit_request(self, visit: Visit, *, day_offset: int) -> dict[str, Any]:
        """A permit for a visit of the same pair to the same person, some days later at noon."""
        start = (self._pace.local + timedelta(days=day_offset)).replace(hour=13, minute=0, second=0, microsecond=0)
        return {
            "request_id": str(uuid4()),
            "party_id": visit["party_id"],
            "case_id": visit["case_id"],
            "subject_id": str(uuid4()),
            "channel": "visit",
            "purpose": "collection",
            "jurisdiction": "CN",
            "time_zones": [str(start.tzinfo)],
            "window": {"start": start.isoformat(), "end": (start + timedelta(hours=2)).isoformat()},
            "duration_minutes": visit["duration_minutes"],
            "crew": visit["crew"],
            "device_id": visit["device_id"],
            "place_cell": claims(visit["permit"])["place_cell"],
            "versions": {},
        }

    def _note(self, tried: str, must: str, answer: str, *, held: bool) -> None:
        self.acts.append(Act(tried, must, answer, held))
        self._say(f"{'held' if held else 'BROKEN'}: {tried} → {answer}")


def claims(permit: str) -> dict[str, Any]:
    """What a permit says, unverified: a collector's device shows it, only services rely on it."""
    payload = permit.split(".")[1]
    read: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return read


def forged(permit: str) -> str:
    """The same permit with one claim changed and the old signature."""
    header, payload, signature = permit.split(".")
    raw = base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))
    changed = raw.replace(b'"visit"', b'"Visit"', 1) if b'"visit"' in raw else raw[::-1]
    return ".".join((header, base64.urlsafe_b64encode(changed).decode().rstrip("="), signature))


def choose(visits: Sequence[Visit], count: int) -> list[Visit]:
    """The first `count` visits in order of window, each of another pair where there are enough pairs."""
    ordered = sorted(visits, key=lambda visit: (visit["window"]["start"], visit["visit_id"]))
    chosen: dict[str, Visit] = {}
    for visit in ordered:
        chosen.setdefault(visit["pair_id"], visit)
    first = list(chosen.values())
    return (first + [visit for visit in ordered if visit not in first])[:count]


def _said(answer: Answer | None) -> str:
    if answer is None:
        return "nobody answered"
    if answer.ok:
        return f"accepted ({answer.status})"
    body = answer.body if isinstance(answer.body, dict) else {}
    rule = body.get("rule")
    return f"{answer.status} {body.get('title', '')}" + (f" [{rule}]" if rule else "")
