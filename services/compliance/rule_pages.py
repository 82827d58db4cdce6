"""What goes through people page by page under one state of the rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from services.compliance.instruments import Instruments
from shared.messaging import Answer, Intent
from shared.messaging.intents import TimerDue


@dataclass(frozen=True)
class PagesOfRules:
    """Base of such intent handlers: one page per intent, whose payload names the `rule_set`."""

    instruments: Instruments
    batch_size: int = 1

    async def call(self, intents: Sequence[Intent]) -> Sequence[Answer | None]:
        """A page of other rules is left to the processes that run by them."""
        mine = self.instruments.book.rule_set
        return [TimerDue() if intent.payload["rule_set"] == mine else None for intent in intents]
