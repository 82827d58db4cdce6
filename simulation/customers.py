"""Customers: they get an offer by message and answer through its link."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

from simulation.api import Answer, Api
from simulation.behaviour import Behaviour, Reply
from simulation.directory import Directory


class Customers:
    """Reads the message gateway and answers each new offer once."""

    def __init__(self, api: Api, directory: Directory, behaviour: Behaviour) -> None:
        self._api = api
        self._directory = directory
        self._behaviour = behaviour
        self._read: set[str] = set()
        self.replies: Counter[Reply] = Counter()

    async def answer_offers(self) -> None:
        """Every offer not read before is answered, or left unanswered. Raises UnexpectedAnswer."""
        fresh = [
            offer
            async for offer in self._api.pages("visits", "/v1/offers")
            if offer["state"] == "offered" and offer["message_id"] not in self._read
        ]
        self._read.update(offer["message_id"] for offer in fresh)
        await asyncio.gather(*(self._answer(offer) for offer in fresh))

    async def _answer(self, offer: dict[str, Any]) -> None:
        visit = (await self._api.get("visits", f"/v1/visits/{offer['visit_id']}")).expected()
        loan = await self._directory.loan_of(visit["case_id"])
        reply = self._behaviour.reply(loan.person.loan_ref, visit["field_day"])
        self.replies[reply] += 1
        if reply == "silence":
            return
        body: dict[str, Any] = {"answer": reply, "link_token": offer["link_token"]}
        if reply == "move":
            body["wished"] = _next_day(offer["window"])
        answer = await self._send(offer["visit_id"], body)
        if answer.status != 409:  # the visit may have been recalled in the meantime
            answer.expected()

    async def _send(self, visit_id: str, body: dict[str, Any]) -> Answer:
        return await self._api.post("visits", f"/v1/visits/{visit_id}/answer", body)


def _next_day(window: dict[str, str]) -> dict[str, str]:
    return {name: (datetime.fromisoformat(window[name]) + timedelta(days=1)).isoformat() for name in ("start", "end")}
