from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from shared.clock import FixedClock, SteppedClock
from shared.settings import ServiceSettings

START = datetime(2026, 3, 10, 0, 30, tzinfo=UTC)


def test_stepped_clock_stands_still_until_advanced(tmp_path: Path) -> None:
    clock = SteppedClock.create(tmp_path / "clock", start=START)

    assert clock.business_now() == START
    clock.advance_to(START + timedelta(hours=1))
    assert clock.business_now() == START + timedelta(hours=1)


def test_stepped_clock_is_shared_between_readers(tmp_path: Path) -> None:
    driver, reader = SteppedClock.create(tmp_path / "clock", start=START), SteppedClock(tmp_path / "clock")

    driver.advance_to(START + timedelta(days=1))

    assert reader.business_now() == START + timedelta(days=1)


def test_stepped_clock_never_goes_back(tmp_path: Path) -> None:
    clock = SteppedClock.create(tmp_path / "clock", start=START)

    with pytest.raises(ValueError, match="never goes back"):
        clock.advance_to(START - timedelta(microseconds=1))


def test_stepped_clock_survives_a_restart(tmp_path: Path) -> None:
    SteppedClock.create(tmp_path / "clock", start=START + timedelta(days=2)).close()

    assert SteppedClock.create(tmp_path / "clock", start=START).business_now() == START + timedelta(days=2)


def test_fixed_clock_moves_both_times() -> None:
    clock = FixedClock(START)
    clock.advance(timedelta(seconds=5))

    assert clock.business_now() == clock.real_now() == START + timedelta(seconds=5)


def test_production_refuses_a_stepped_clock(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="stepped clock is refused"):
        ServiceSettings(
            environment="production", database_url="postgresql://x", kafka_bootstrap="x:1", kafka_username="intake",
            clock_file=tmp_path / "clock",
        )  # fmt: skip


def test_production_needs_a_broker_principal() -> None:
    with pytest.raises(ValidationError, match="Kafka principal"):
        ServiceSettings(environment="production", database_url="postgresql://x", kafka_bootstrap="x:1")
