"""`python -m tests.chaos.altered SERVICE ALTERATION,… --roles …`: a service with something altered before it starts.

The mutants of the chaos tests: each takes one guard away from the real process on the real servers, so that a test can
show that the oracle finds what then goes wrong. They stand here and behind no switch: production cannot be told to run
without its guards. What is no mutant makes a window wider or a wait shorter and must change no result.
"""

from __future__ import annotations

import asyncio
import runpy
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from msgspec.structs import replace

from services.intake.domain import conclusion
from services.intake.domain.book import Book
from services.intake.store import books
from shared.database import UnitOfWork
from shared.events.base import EventData
from shared.events.loan import PaymentReceived
from shared.messaging import inbox, joint_transactions, worker
from shared.messaging.records import Entry
from shared.messaging.relay import Relay
from shared.messaging.subscription import InboxKey, Outcome

_FOLD_SECONDS = 1.0
_LEASE_SECONDS = 4.0
_ANSWER_SECONDS = 0.5


def inbox_off() -> None:
    """Mutant: every record counts as never seen before."""
    claim = inbox.claim

    async def claim_everything(uow: UnitOfWork, entries: Sequence[Entry]) -> set[InboxKey]:
        await claim(uow, entries)
        return {entry.inbox_key for entry in entries if entry.inbox_key is not None}

    inbox.claim = claim_everything


def party_lock_off() -> None:
    """Mutant: nobody waits for another transaction of the same party."""

    async def lock_nothing(self: UnitOfWork, party_ids: Iterable[UUID]) -> None:
        del self, party_ids

    UnitOfWork.lock_parties = lock_nothing  # type: ignore[method-assign]


def relay_backwards() -> None:
    """Mutant: the relay sends the rows of a round last first."""
    publish = Relay._publish

    async def publish_backwards(self: Relay, producer: Any, topic: str, rows: Sequence[Any]) -> Any:
        return await publish(self, producer, topic, list(reversed(rows)))

    Relay._publish = publish_backwards  # type: ignore[method-assign]


def forgetful() -> None:
    """Intake's domain does not know a payment again, as it otherwise would: now the inbox alone stands guard."""
    merge = conclusion.merge

    def merge_as_new(book: Book, fact: EventData, new_loan_id: Callable[[UUID], UUID]) -> tuple[Book, Outcome]:
        if isinstance(fact, PaymentReceived):
            others = {name: movement for name, movement in book.movements.items() if name != fact.transaction_ref}
            book = replace(book, movements=others)
        return merge(book, fact, new_loan_id)

    conclusion.merge = merge_as_new


def slow_folds() -> None:
    """Intake holds its transactions open for a while between reading the books and writing them, one partition each."""
    load = books.load

    async def load_slowly(uow: UnitOfWork, cores: Mapping[UUID, str], **options: Any) -> dict[UUID, Book]:
        loaded = await load(uow, cores, **options)
        if cores:
            await asyncio.sleep(_FOLD_SECONDS)
        return loaded

    books.load = load_slowly
    joint_transactions.MOST_RECORDS = joint_transactions.WORTH_ONE = 1


def short_leases() -> None:
    """What a killed worker had in hand is free for another one soon."""
    worker.LEASE_SECONDS = _LEASE_SECONDS


def slow_acknowledgements() -> None:
    """The relay knows for a while that Kafka has what it sent before it says so in its own tables."""
    publish = Relay._publish

    async def publish_slowly(self: Relay, producer: Any, topic: str, rows: Sequence[Any]) -> Any:
        sent = await publish(self, producer, topic, rows)
        await asyncio.sleep(_ANSWER_SECONDS)
        return sent

    Relay._publish = publish_slowly  # type: ignore[method-assign]


def slow_commits() -> None:
    """The worker has answers in hand for a while before it commits them."""
    commit = worker.Worker._commit

    async def commit_slowly(self: worker.Worker, *answered: Any) -> Any:
        await asyncio.sleep(_ANSWER_SECONDS)
        return await commit(self, *answered)

    worker.Worker._commit = commit_slowly  # type: ignore[method-assign]


_ALL = (
    inbox_off, party_lock_off, relay_backwards, forgetful, slow_folds, short_leases, slow_acknowledgements, slow_commits
)  # fmt: skip
ALTERATIONS: dict[str, Callable[[], None]] = {alteration.__name__: alteration for alteration in _ALL}

if __name__ == "__main__":
    service, alterations = sys.argv[1:3]
    for name in alterations.split(","):
        ALTERATIONS[name]()
    sys.argv = [f"services.{service}", *sys.argv[3:]]
    runpy.run_module(f"services.{service}", run_name="__main__")
