import json
from datetime import UTC, datetime

import pytest

from shared.events.catalogue import CATALOGUE
from shared.events.codec import encode_headers
from shared.events.examples import EXAMPLES
from shared.messaging import Subscription
from shared.messaging.records import KeptRecord, Verdict, classify

MOMENT = datetime(2026, 3, 10, tzinfo=UTC)


async def nothing(*_: object) -> dict[object, object]:
    return {}


LOAN = Subscription(topic="loan", types=frozenset({"loan.overdue"}), handle=nothing, parties_of=nothing)  # type: ignore[arg-type]


def record(**changes: bytes | None) -> KeptRecord:
    headers: dict[str, bytes | None] = dict(
        encode_headers(
            event_type=CATALOGUE["loan.overdue"], event_id="e-1", source="core-a", tenant="bank", aggregate_id="a-1",
            sequence=7, time=MOMENT, recorded_time=MOMENT, correlation_id="", causation_id="", traceparent="",
        )
    )  # fmt: skip
    value = json.dumps(EXAMPLES["loan.overdue"]).encode()
    return KeptRecord(0, 5, 0, b"bank|core-a|P-000042", value, list((headers | changes).items()))


@pytest.mark.parametrize("header", ["ce_recordedtime", "ce_aggregateid", "ce_causationid", "x-note"])
def test_a_header_without_a_value_says_nothing(header: str) -> None:
    assert classify(record(**{header: None}), LOAN).verdict is Verdict.HANDLE


@pytest.mark.parametrize("header", ["ce_type", "ce_source", "ce_id", "ce_time"])
def test_a_record_that_needs_the_missing_value_is_dead(header: str) -> None:
    entry = classify(record(**{header: None}), LOAN)

    assert (entry.verdict, entry.reason) == (Verdict.DEAD, "missing_header")
