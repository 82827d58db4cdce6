"""Merges through the consumer's transaction into the tables."""

import asyncio

from services.intake.identifying import SETTLING, SettleIdentity
from shared.events.stop import PartyParked, PartyUnparked
from shared.messaging import TimerDue, intent_store
from tests.integration.intake.test_facts import case_of, party_of
from tests.unit.intake.facts import due, overdue, payment, person
from tests.unit.intake.identities import merged, unmerged


async def settle(intake):
    """What the worker does when the moment has come."""
    handler = SettleIdentity(intake.folding.policy)
    intake.clock.advance(SETTLING) if hasattr(intake.clock, "advance") else None
    async with intake.database.unit_of_work() as uow:
        rows = await uow.sql.fetch("SELECT id FROM intent WHERE kind = 'settle_identity'")
    assert rows
