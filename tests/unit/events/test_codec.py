import json
from datetime import UTC, datetime
from typing import Any

import pytest

from shared.events.catalogue import CATALOGUE
from shared.events.codec import DecodeError, decode, encode_headers, format_time, parse_time
from shared.events.examples import EXAMPLES

MOMENT = datetime(2026, 3, 10, 1, 2, 3, 456_789, tzinfo=UTC)
KEY = b"bank|core-a|P-000042"


def headers(name: str = "loan.overdue", **changes: str | None) -> list[tuple[str, bytes]]:
    made = dict(
        encode_headers(
            event_type=CATALOGUE[name], event_id="e-1", source="core-a", tenant="bank", aggregate_id="a-1", sequence=7,
            time=MOMENT, recorded_time=MOMENT, correlation_id="c-1", causation_id="", traceparent="00-ab-cd-01",
        )
    )  # fmt: skip
    for header, value in changes.items():
        if value is None:
            del made[header]
        else:
            made[header] = value.encode()
    return list(made.items())


def decoded(value: dict[str, Any], *, key: bytes = KEY, topic: str = "loan", **changes: str | None) -> object:
    return decode(topic=topic, key=key, value=json.dumps(value).encode(), headers=headers(**changes)).data


def reason(value: dict[str, Any] | bytes, *, key: bytes = KEY, topic: str = "loan", **changes: str | None) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    with pytest.raises(DecodeError) as caught:
        decode(topic=topic, key=key, value=raw, headers=headers(**changes))
    return caught.value.reason


def test_headers_round_trip() -> None:
    event = decode(topic="loan", key=KEY, value=json.dumps(EXAMPLES["loan.overdue"]).encode(), headers=headers())

    assert (event.id, event.source, event.tenant, event.sequence) == ("e-1", "core-a", "bank", 7)
    assert (event.time, event.recorded_time, event.traceparent) == (MOMENT, MOMENT, "00-ab-cd-01")
    assert event.party_id is None
    assert event.key == KEY.decode()


def test_internal_event_has_its_party() -> None:
    value = EXAMPLES["case.cured"]
    event = decode(
        topic="case", key=value["party_id"].encode(), value=json.dumps(value).encode(), headers=headers("case.cured")
    )

    assert str(event.party_id) == value["party_id"]


@pytest.mark.parametrize("header", ["ce_id", "ce_source", "ce_type", "ce_time", "ce_tenant", "ce_sequence"])
def test_missing_header(header: str) -> None:
    assert reason(EXAMPLES["loan.overdue"], **{header: None}) == "missing_header"


@pytest.mark.parametrize("value", [b"", b"{", b"\xff", b"[]", b"null"])
def test_malformed_json(value: bytes) -> None:
    assert reason(value) == "schema_violation"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("balance", -1), ("balance", 10**16), ("balance", 1.5), ("currency", "XXX"), ("due_items", []),
        ("business_date", "tomorrow"), ("core_sequence", 0), ("loan_ref", "L\x00"),
    ],
)  # fmt: skip
def test_absurd_value(field: str, value: object) -> None:
    assert reason(EXAMPLES["loan.overdue"] | {field: value}) == "schema_violation"


def test_violation_names_the_field_but_not_the_value() -> None:
    with pytest.raises(DecodeError) as caught:
        decoded(EXAMPLES["loan.overdue"] | {"creditor": "Ms Secret" * 50})

    assert "/creditor" in caught.value.detail
    assert "Secret" not in caught.value.detail


def test_uncatalogued_type() -> None:
    assert reason({}, ce_type="loan.exploded") == "uncatalogued_type"


def test_unknown_version() -> None:
    assert reason(EXAMPLES["loan.overdue"], ce_dataschema="loan.overdue.v2") == "unknown_version"


def test_wrong_topic() -> None:
    assert reason(EXAMPLES["loan.overdue"], topic="case") == "wrong_topic"


def test_foreign_key() -> None:
    assert reason(EXAMPLES["loan.overdue"], key=b"bank|core-a|P-000043") == "key_mismatch"


@pytest.mark.parametrize(
    "changes", [{"ce_time": "2026-03-10T01:02:03"}, {"ce_sequence": "x"}, {"ce_source": "s" * 257}]
)
def test_bad_header(changes: dict[str, str]) -> None:
    assert reason(EXAMPLES["loan.overdue"], **changes) == "bad_header"


def test_future_optional_field_is_tolerated() -> None:
    assert decoded(EXAMPLES["loan.overdue"] | {"invented_later": 1})


def test_time_without_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="without zone"):
        format_time(datetime(2026, 3, 10))  # noqa: DTZ001 - the naive time is what is tested
    assert parse_time(format_time(MOMENT)) == MOMENT


def test_a_header_without_a_value_is_one_that_is_not_there() -> None:
    value = json.dumps(EXAMPLES["loan.overdue"]).encode()
    made: dict[str, bytes | None] = {**dict(headers()), "ce_recordedtime": None, "ce_dataschema": None, "x-note": None}

    event = decode(topic="loan", key=KEY, value=value, headers=made.items())

    assert event.recorded_time == event.time
    with pytest.raises(DecodeError, match="missing_header: ce_source"):
        decode(topic="loan", key=KEY, value=value, headers=(made | {"ce_source": None}).items())


def test_headers_that_are_no_text() -> None:
    value = json.dumps(EXAMPLES["loan.overdue"]).encode()
    for name in ("ce_id", "ce_source", "ce_type", "ce_dataschema"):
        with pytest.raises(DecodeError, match="bad_header"):
            decode(topic="loan", key=KEY, value=value, headers=[*headers(), (name, b"\xff")])
