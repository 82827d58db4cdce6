"""What a log line says, and what it cannot say."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace import TracerProvider

from shared.telemetry.logs import ALLOWED_FIELDS, JsonFormatter, setup_logging


def line(record: logging.LogRecord) -> dict[str, object]:
    parsed: dict[str, object] = json.loads(JsonFormatter(service="visits", tenant="bank").format(record))
    return parsed


def record(message: str, *args: object, name: str = "services.visits.api", **extra: object) -> logging.LogRecord:
    made = logging.LogRecord(name, logging.INFO, __file__, 1, message, args, None)
    made.__dict__.update(extra)
    return made


def test_line_says_where_and_what() -> None:
    parsed = line(record("visit recalled", topic="stop", partition=3, offset=17))
    assert parsed["service"] == "visits"
    assert parsed["tenant"] == "bank"
    assert (parsed["topic"], parsed["partition"], parsed["offset"]) == ("stop", 3, 17)
    assert str(parsed["time"]).endswith("Z")


def test_field_outside_the_list_is_left_out() -> None:
    text = json.dumps(line(record("x", phone="+8613800000000", party_name="Zhang", party_id="p1")))
    assert "138" not in text
    assert "Zhang" not in text
    assert "p1" not in text


def test_list_holds_nothing_personal() -> None:
    assert not ALLOWED_FIELDS & {"name", "phone", "address", "note", "party_id", "email", "party_ref"}


@pytest.mark.parametrize("value", ["+8613800000000", "Zhang Wei", "zhang", "cn-8613800000000", "张伟", "", None, ["x"]])
def test_value_inside_the_text_is_left_out(value: object) -> None:
    assert line(record("called %s", value))["message"] == "called …"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (17, "17"),
        ("case", "case"),
        ("t1_case", "t1_case"),
        ("permit.request", "permit.request"),
        ("handler_failed", "handler_failed"),
        ("SerializationError", "SerializationError"),
        (ValueError("Zhang Wei"), "ValueError"),
    ],
)
def test_word_of_the_code_is_kept(value: object, shown: str) -> None:
    assert line(record("batch %s", value))["message"] == f"batch {shown}"


def test_numbers_keep_their_form() -> None:
    assert line(record("record %s/%d/%d", "case", 3, 17))["message"] == "record case/3/17"


@pytest.mark.parametrize("args", [("Zhang",), ({"d": "Zhang"},)], ids=["text for number", "mapping"])
def test_argument_of_a_wrong_form_is_left_out(args: tuple[object, ...]) -> None:
    assert line(record("record %d", *args))["message"] == "record %d"


def test_error_says_type_and_place_only() -> None:
    try:
        raise ValueError("Zhang Wei")
    except ValueError as error:
        made = record("failed")
        made.exc_info = (ValueError, error, error.__traceback__)
    parsed = line(made)
    assert parsed["error"]["type"] == "builtins.ValueError"  # type: ignore[index]
    assert "test_logs.py" in parsed["error"]["frames"][0]  # type: ignore[index]
    assert "Zhang" not in json.dumps(parsed)


def test_fault_of_a_machine_is_quoted() -> None:
    error = ConnectionRefusedError(111, "refused")
    made = record("failed")
    made.exc_info = (type(error), error, None)
    assert "refused" in line(made)["error"]["text"]  # type: ignore[index]


def test_access_line_has_no_client_and_no_query() -> None:
    args = ("10.0.0.7:5", "GET", "/v1/visits?phone=138", "1.1", 200)
    parsed = line(record('%s - "%s %s HTTP/%s" %d', *args, name="uvicorn.access"))
    assert (parsed["http_method"], parsed["http_path"], parsed["http_status"]) == ("GET", "/v1/visits", 200)
    assert "10.0.0.7" not in json.dumps(parsed)


def test_line_carries_the_trace() -> None:
    with TracerProvider().get_tracer("t").start_as_current_span("s") as span:
        parsed = line(record("x"))
    assert parsed["trace_id"] == format(span.get_span_context().trace_id, "032x")
    assert parsed["span_id"] == format(span.get_span_context().span_id, "016x")


def test_line_break_stays_one_line() -> None:
    assert "\n" not in JsonFormatter(service="v", tenant="b").format(record("a\nb"))


@pytest.fixture
def root() -> Iterator[None]:
    logger = logging.getLogger()
    handlers, level = logger.handlers, logger.level
    yield
    logger.handlers, logger.level = handlers, level


@pytest.mark.usefixtures("root")
def test_uvicorn_goes_through_it() -> None:
    stream = io.StringIO()
    setup_logging(service="visits", tenant="bank", stream=stream)
    logging.getLogger("uvicorn.error").info("started")
    assert json.loads(stream.getvalue())["message"] == "started"
