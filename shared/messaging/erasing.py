"""What every service does when a person was erased: delete its own, and what still waits for the person here."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final
from uuid import UUID

from shared.database import UnitOfWork
from shared.events import Received
from shared.messaging.subscription import InboxKey, Outcome, Subscription

ERASED: Final = "compliance.party_erased"
Erase = Callable[[UnitOfWork, Sequence[UUID]], Awaitable[None]]
_DROP_WAITING = "DELETE FROM waiting_record WHERE party_id = ANY($1::uuid[])"
_NOTE = """
INSERT INTO erased_party (tenant, party_id, erased_at) SELECT $1, unnest($2::uuid[]), $3 ON CONFLICT DO NOTHING
"""
_IS_ERASED = "SELECT EXISTS (SELECT FROM erased_party WHERE tenant = $1 AND party_id = $2)"
_EMPTY_DEAD = "UPDATE dead_letter SET sealed = '' WHERE party_id = ANY($1::uuid[]) AND sealed <> ''"

_EMPTY_ANSWERS = """
UPDATE idempotency_key
SET sealed_answer = NULL, people = '{}', body_sha256 = '', response_body = '', response_headers = '{}', status = 410
WHERE people && $1::uuid[]
"""


async def forget_records(uow: UnitOfWork, party_ids: Sequence[UUID]) -> None:
    """Delete the parties' raw records that wait, and empty their dead letters and the answers that may name them: no
    party key seals these. That a command was answered is kept, or it would be carried out again.
    """
    for statement in (_DROP_WAITING, _EMPTY_DEAD, _EMPTY_ANSWERS):
        await uow.sql.execute(statement, list(party_ids))


async def is_erased(uow: UnitOfWork, party_id: UUID) -> bool:
    """Whether the person was erased here. The id alone, which nothing joins to anybody any more, is kept for this."""
    erased: bool = await uow.sql.fetchval(_IS_ERASED, uow.tenant, party_id)
    return erased


def with_erasure(subscription: Subscription, erase: Erase) -> Subscription:
    """A subscription to topic `compliance` that also deletes what the service keeps of people who were erased.

    At once, too, for a party that is parked: what waits for it is deleted with the rest.
    """

    async def handle(uow: UnitOfWork, batch: Sequence[Received[Any]]) -> Mapping[InboxKey, Outcome]:
        others = [one for one in batch if one.event.type != ERASED]
        outcomes = await subscription.handle(uow, others) if others else {}
        erased = sorted({one.event.data.party_id for one in batch if one.event.type == ERASED})
        if erased:
            await erase(uow, erased)
            await forget_records(uow, erased)
            await uow.sql.execute(_NOTE, uow.tenant, erased, uow.now)
        return outcomes

    return replace(
        subscription,
        types=subscription.types | {ERASED},
        handle=handle,
        monotone_types=subscription.monotone_types | {ERASED},
    )
