"""Durable intents: what a service decided to do outside its database, and the timers it set.

A Kafka handler or an HTTP command never calls the network inside its transaction. It records an *intent*; the worker
(`shared.messaging.worker`) calls later with a deterministic idempotency key (the intent's id) and commits the answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, Protocol
from uuid import UUID

if TYPE_CHECKING:
    from shared.database.unit_of_work import UnitOfWork

IntentClock = Literal["real", "business"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewIntent:
    """An intent to be recorded with the transaction that decided it.

    `kind` names the handler; `kind` + `key` is unique: a second insert changes nothing. `payload` must be JSON.
    `due_at` is compared with the clock named by `clock`. `party_id` is locked while the answer is committed.
    """

    kind: str
    key: str
    due_at: datetime
    payload: Mapping[str, Any] = field(default_factory=dict)
    party_id: UUID | None = None
    clock: IntentClock = "real"


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """A recorded intent, leased to one worker. `id` is the call's idempotency key; `attempts` counts earlier calls."""

    id: UUID
    kind: str
    key: str
    party_id: UUID | None
    payload: Mapping[str, Any]
    due_at: datetime
    clock: IntentClock
    attempts: int
    traceparent: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What the other side said: the HTTP status and the decoded body. Subclass it for answers of another form."""

    status: int = 200
    body: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TimerDue(Answer):
    """The answer of a timer: its moment has come, nobody was asked."""


class IntentHandler(Protocol):
    """Carries out one kind of intent."""

    @property
    def kind(self) -> str:
        """The kind of intent handled."""
        ...

    @property
    def batch_size(self) -> int:
        """How many due intents are leased and called together."""
        ...

    async def call(self, intents: Sequence[Intent]) -> Sequence[Answer | None]:
        """Call the network, outside any transaction, with `intent.id` as idempotency key.

        Returns one answer per intent in the same order; None means 'no answer yet': the intent is retried with backoff.
        """
        ...

    async def commit(self, uow: UnitOfWork, answered: Sequence[tuple[Intent, Answer]]) -> None:
        """Apply the answers. The parties are locked; the intents are marked done in the same transaction."""
        ...


class TimerHandler:
    """Base of the handlers of timers: the moment has come, and nobody is asked."""

    async def call(self, intents: Sequence[Intent]) -> Sequence[Answer | None]:
        """Every one is due."""
        return [TimerDue() for _ in intents]


@dataclass(frozen=True)
class RetiredTimer(TimerHandler):
    """Ends timers of a kind that nobody intends any more: one of an earlier release would be due for ever."""

    kind: str
    batch_size: int = 100

    async def commit(self, uow: UnitOfWork, answered: Sequence[tuple[Intent, Answer]]) -> None:
        """Nothing is left to do."""
