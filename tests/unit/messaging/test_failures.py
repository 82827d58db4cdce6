"""Error classes."""

from __future__ import annotations

import asyncpg
import pytest
from aiokafka.errors import KafkaTimeoutError, TopicAuthorizationFailedError

from shared.messaging.backoff import backoff_seconds
from shared.messaging.failures import is_transient


@pytest.mark.parametrize(
    "error",
    [
        ConnectionResetError(),
        TimeoutError(),
        asyncpg.DeadlockDetectedError("x"),
        asyncpg.SerializationError("x"),
        asyncpg.LockNotAvailableError("x"),
        asyncpg.CannotConnectNowError("x"),
        asyncpg.AdminShutdownError("x"),
        asyncpg.OutOfMemoryError("x"),
        asyncpg.InterfaceError("connection is closed"),
        KafkaTimeoutError(),
    ],
)
def test_what_passes_by_itself_is_transient(error: Exception) -> None:
    assert is_transient(error)


@pytest.mark.parametrize(
    "error",
    [
        ValueError(),
        asyncpg.DataError("invalid input for query argument $1"),
        asyncpg.InterfaceError("the server expects 2 arguments"),
        asyncpg.UniqueViolationError("x"),
        asyncpg.CharacterNotInRepertoireError("x"),
        asyncpg.UndefinedTableError("x"),
        TopicAuthorizationFailedError(),
    ],
)
def test_what_repeats_itself_is_not(error: Exception) -> None:
    assert not is_transient(error)


def test_the_cause_decides() -> None:
    error = RuntimeError()
    error.__cause__ = ConnectionResetError()
    assert is_transient(error)


def test_what_was_merely_being_handled_does_not() -> None:
    error = ValueError()
    error.__context__ = ConnectionResetError()
    assert not is_transient(error)


def test_backoff_doubles_and_is_bounded() -> None:
    for attempt in range(1, 40):
        assert 0.05 <= backoff_seconds(attempt) <= 30
    assert backoff_seconds(1) <= 0.1
    assert backoff_seconds(10_000) >= 15
