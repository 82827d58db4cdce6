"""Error classes: what passes by itself, what stops a consumer, and what is poison."""

from __future__ import annotations

from collections.abc import Iterator

import asyncpg
from aiokafka.errors import KafkaError
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

# Class 08 connection, 53 resources, 57 operator intervention; serialization, deadlock, lock timeout.
_TRANSIENT_CLASSES = ("08", "53", "57")
_TRANSIENT_STATES = frozenset({"40001", "40P01", "55P03"})
# What the class of the error says when it has no SQLSTATE. A closed connection raises InterfaceError in asyncpg.
_TRANSIENT_TYPES = (
    ConnectionError,
    TimeoutError,
    OSError,
    asyncpg.InterfaceError,
    PoolTimeoutError,
    InterfaceError,
    OperationalError,
)


class ConsumerHaltedError(RuntimeError):
    """A consumer must not go on by itself: an operator decides. `reason` is a closed code."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class PositionLostError(RuntimeError):
    """Another consumer has moved this partition's position: our assignment is stale."""


def is_transient(error: BaseException) -> bool:
    """Whether trying the very same thing again later can succeed without anybody changing anything."""
    for link in _chain(error):
        state = getattr(link, "sqlstate", None)
        if isinstance(state, str):
            return state in _TRANSIENT_STATES or state[:2] in _TRANSIENT_CLASSES
        if isinstance(link, KafkaError):
            return bool(link.retriable)
        # The driver's own refusal of a value (out of range, wrong type) is an InterfaceError and a ValueError: poison.
        if isinstance(link, _TRANSIENT_TYPES) and not isinstance(link, ValueError):
            return True
    return False


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and what it was raised from. What was merely being handled (`__context__`) says nothing about it."""
    link: BaseException | None = error
    while link is not None:
        yield link
        link = link.__cause__
