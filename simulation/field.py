"""The field day: pairs go out, ring, talk, propose plans, and write down what happened."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

from simulation.api import Answer, Api
from simulation.behaviour import Behaviour, Door
from simulation.core.ledger import Loan
from simulation.directory import Directory
from simulation.pace import Pace

_READY: Final = ("assigned", "en_route")


@dataclass(slots=True)
class AtTheDoor:
    """A visit that has begun."""

    visit: dict[str, Any]
    loan: Loan
    door: Door
    plan: dict[str, Any] | None = None


class FieldDay:
    """Every pair's work. `spared` visits are left to the acts of `simulation.faults`."""

    def __init__(self, api: Api, pace: Pace, directory: Directory, behaviour: Behaviour) -> None:
        self._api = api
        self._pace = pace
        self._directory = directory
        self._behaviour = behaviour
        self._inside: list[AtTheDoor] = []
        self._devices: set[str] = set()
        self.spared: set[str] = set()
        self.signed: dict[str, Loan] = {}
        """Plan id -> loan of plans that were signed at a door."""

    async def work(self, day: date) -> None:
        """One step: whoever is inside leaves, whoever may ring now rings. Raises UnexpectedAnswer."""
        await self._leave_all()
        due = [
            visit for visit in await self.ready(day) if visit["visit_id"] not in self.spared and self.may_ring(visit)
        ]
        await asyncio.gather(*(self._ring(visit) for visit in due))

    async def finish(self) -> None:
        """Nobody stays inside, and each device tells that it has told everything. Raises UnexpectedAnswer."""
        await self._leave_all()
        body = {"synced_to": self._pace.now.isoformat()}
        for device_id in sorted(self._devices):
            (await self._api.post("visits", f"/v1/devices/{device_id}/sync", body)).expected()

    async def ready(self, day: date) -> list[dict[str, Any]]:
        """Visits of a day that are assigned and not begun, with their permits."""
        found: list[dict[str, Any]] = []
        for state in _READY:
            found += [
                visit async for visit in self._api.pages("visits", "/v1/visits", field_day=day.isoformat(), state=state)
            ]
        self._devices |= {visit["device_id"] for visit in found}
        return found

    def may_ring(self, visit: dict[str, Any]) -> bool:
        """Whether the visit can begin now and end inside its window."""
        start, end = (datetime.fromisoformat(visit["window"][name]) for name in ("start", "end"))
        return bool(start <= self._pace.now <= end - timedelta(minutes=visit["duration_minutes"]))

    def is_ahead(self, visit: dict[str, Any]) -> bool:
        """Whether the visit's window has not begun."""
        return datetime.fromisoformat(visit["window"]["start"]) > self._pace.now

    async def set_off(self, visit: dict[str, Any]) -> Answer:
        """The pair is on its way."""
        return await self._api.post("visits", f"/v1/visits/{visit['visit_id']}/en-route")

    async def check_in(self, visit: dict[str, Any], **changes: Any) -> Answer:
        """Ring with the visit's own permit; `changes` overwrite what the device says."""
        loan = await self._directory.loan_of(visit["case_id"])
        body = {
            "permit": visit["permit"],
            "device_id": visit["device_id"],
            "crew_present": visit["crew"],
            "position": loan.person.home.model_dump(),
        }
        return await self._api.post("visits", f"/v1/visits/{visit['visit_id']}/check-in", body | changes)

    async def _ring(self, visit: dict[str, Any]) -> None:
        loan = await self._directory.loan_of(visit["case_id"])
        if visit["state"] == "assigned" and not (await self.set_off(visit)).ok:
            return  # recalled in this very moment
        arrival = await self.check_in(visit)
        if not arrival.ok:
            return
        inside = AtTheDoor(visit, loan, self._behaviour.door(loan.person.loan_ref))
        self._inside.append(inside)
        if inside.door == "plan":
            proposal = await self.propose(inside.visit, inside.loan)
            inside.plan = proposal.body if proposal.ok else None

    async def propose(self, visit: dict[str, Any], loan: Loan, **changes: Any) -> Answer:
        """Ask plans for a schedule over what is overdue."""
        body = {
            "party_id": visit["party_id"],
            "case_id": visit["case_id"],
            "visit_id": visit["visit_id"],
            "debts": [{"amount_minor": loan.overdue, "currency": "TWD"}],
            **self._behaviour.household(loan.person.loan_ref),
        }
        return await self._api.post("plans", "/v1/plans", body | changes)

    async def _leave_all(self) -> None:
        inside, self._inside = self._inside, []
        await asyncio.gather(*(self._leave(each) for each in inside))

    async def _leave(self, inside: AtTheDoor) -> None:
        outcome = await self._outcome(inside)
        met = outcome not in ("no_answer", "other_person")
        body: dict[str, Any] = {
            "outcome": outcome,
            "right_party": met,
            "household_contacted": outcome != "no_answer",
            "debtor_met": met,
            "identity_shown": outcome != "no_answer",
            "recording_complete": True,
            "checked_out_at": min(self._pace.now, datetime.fromisoformat(inside.visit["window"]["end"])).isoformat(),
        }
        if outcome == "promise_made":
            body["promise"] = {"amount_minor": max(inside.loan.overdue // 2, 1), "currency": "TWD"}
        if outcome == "hardship_told":
            body["reason"] = "income_lost"
        (await self._api.post("visits", f"/v1/visits/{inside.visit['visit_id']}/check-out", body)).expected()

    async def _outcome(self, inside: AtTheDoor) -> str:
        if inside.door != "plan":
            return inside.door
        return "plan_signed" if await self._sign(inside) else "plan_declined"

    async def _sign(self, inside: AtTheDoor) -> bool:
        """At the end of the talk the customer types the code under the document; without a plan there is no signing."""
        if inside.plan is None:
            return False
        body = {"customer_signature_code": inside.plan["signature_code"]}
        signing = await self._api.post("plans", f"/v1/plans/{inside.plan['plan_id']}/sign", body)
        if signing.ok:
            self.signed[inside.plan["plan_id"]] = inside.loan
        return signing.ok
