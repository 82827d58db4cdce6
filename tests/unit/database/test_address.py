"""A database's address may be written as libpq's documents write it."""

import pytest

from shared.database.address import driver_url


@pytest.mark.parametrize("query", ["sslmode=verify-full", "ssl=verify-full"])
def test_encryption_is_asked_for_by_either_name(query: str) -> None:
    url = driver_url(f"postgresql://intake:p@h:5432/intake?{query}&application_name=a")
    assert (url.drivername, dict(url.query)) == (
        "postgresql+asyncpg", {"ssl": "verify-full", "application_name": "a"},
    )  # fmt: skip


def test_without_it_nothing_is_added() -> None:
    assert not driver_url("postgresql://intake:p@h:5432/intake").query
