"""Error classes: what passes by itself, what stops a consumer, and what is poison."""

from __future__ import annotations

from collections.abc import Iterator

import asyncpg
from aiokafka.errors import KafkaConnectionError, KafkaError, KafkaTimeoutError
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

# Class 08 connection, 53 resources, 57 operator intervention; serialization, deadlock, lock timeout.
_TRANSIENT_CLASSES = ("08", "53", "57")
_TRANSIENT_STATES = frozenset({"40001", "40P01", "55P03"})
_TRANSIENT_TYPES = (OSError, TimeoutError, PoolTimeoutError, KafkaTimeoutError, KafkaConnectionError)


class ConsumerHaltedError(RuntimeError):
    """A consumer must not go on by itself: an operator decides. `reason` is a closed code."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class RecordRefusedError(ValueError):
    """A record that can be read and cannot be true: it is set aside at once, for no second try can change that.

    `detail` names the field and why (`/data/business_date: future_business_date`); it quotes no value.
    """

    def __init__(self, text: str, *, detail: str) -> None:
        super().__init__(text)
        self.detail = detail


class PositionLostError(RuntimeError):
    """Another consumer has moved this partition's position: our assignment is stale."""


def is_transient(error: BaseException) -> bool:
    """Whether trying the very same thing again later can succeed without anybody changing anything."""
    for link in _chain(error):
        state = getattr(link, "sqlstate", None)
        if isinstance(state, str):
            return state in _TRANSIENT_STATES or state[:2] in _TRANSIENT_CLASSES
        if isinstance(link, _TRANSIENT_TYPES):
            return True
        if isinstance(link, KafkaError):
            return bool(link.retriable)
        if isinstance(link, DBAPIError) and link.connection_invalidated:
            return True
        # asyncpg uses this class for wrong arguments, too; those are poison.
        if type(link) is asyncpg.InterfaceError and "closed" in str(link):
            return True
    return False


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and what it was raised from. What was merely being handled (`__context__`) says nothing about it."""
    link: BaseException | None = error
    while link is not None:
        yield link
        link = link.__cause__
