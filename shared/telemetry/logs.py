"""JSON logs, one line each, that cannot carry personal data: free text comes from the source code, values only by
allowed name.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import sys
import traceback
from datetime import UTC, datetime
from typing import Any, Final, TextIO

from opentelemetry import trace

from shared.events.topics import TOPICS
from shared.security.scopes import SERVICES

# `extra=` fields that may be logged. Ids here are of machines and events; a party's id is pseudonymous but still left
# out.
ALLOWED_FIELDS: Final = frozenset(
    {
        "topic", "partition", "offset", "next_offset", "group", "event_id", "event_type", "source", "sequence",
        "batch_size", "intent_kind", "intent_id", "attempt", "retry_seconds", "role", "reason", "outcome", "count",
        "duration_ms", "port", "http_method", "http_route", "http_status", "visit_id", "permit_id", "plan_id", "remote",
        "sqlstate", "state", "cluster_id", "owner", "watermark_age_seconds", "error_kind", "error_type", "kid",
        "tree_size", "setting",
    }
)  # fmt: skip
# Faults of machines: their texts name hosts and codes, never people.
_QUOTABLE: Final = (OSError, asyncio.CancelledError, NotImplementedError)
_MAX_FRAMES: Final = 20
_OUR_LOGGERS: Final = ("shared.", "services.", "simulation.", "cli.", "__main__")
_SERVICES_AND_TOPICS: Final = frozenset({*TOPICS, *SERVICES})
# A single word could be a name; `permit.request`, `handler_failed` or a prefixed topic could not.
_CODE_WORD: Final = re.compile(r"[a-z][a-z0-9]{0,31}([._-][a-z0-9]{1,31}){1,6}")
_LONG_NUMBER: Final = re.compile(r"\d{6}")
_ERROR_TYPE: Final = re.compile(r"[A-Z][A-Za-z]{2,60}(Error|Exception|Unavailable|Problem)")


class JsonFormatter(logging.Formatter):
    """Formats a record as one JSON object.

    `%` arguments of our messages are kept when they are numbers or words of the code (topics, intent kinds, reasons,
    types of errors); anything else could be somebody's data and becomes `…`.
    """

    def __init__(self, *, service: str, tenant: str) -> None:
        super().__init__()
        self._service = service
        self._tenant = tenant

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line: dict[str, Any] = {
            "time": moment.replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "service": self._service,
            "tenant": self._tenant,
            "logger": record.name,
            **self._content(record),
        }
        span = trace.get_current_span().get_span_context()
        if span.is_valid:
            line["trace_id"] = format(span.trace_id, "032x")
            line["span_id"] = format(span.span_id, "016x")
        line.update({name: value for name, value in record.__dict__.items() if name in ALLOWED_FIELDS})
        if record.exc_info and record.exc_info[1] is not None:
            line["error"] = describe_error(record.exc_info[1])
        return json.dumps(line, ensure_ascii=False, separators=(",", ":"), default=str)

    def _content(self, record: logging.LogRecord) -> dict[str, Any]:
        if record.name == "uvicorn.access" and isinstance(record.args, tuple) and len(record.args) == 5:
            _, method, target, _, status = record.args
            # Neither the client's address nor the query is kept.
            path = str(target).partition("?")[0]
            return {"message": "request", "http_method": method, "http_path": path, "http_status": status}
        if record.name.startswith(_OUR_LOGGERS):
            return {"message": _own_message(record)}
        # Of what libraries say, the first line: asyncio's further ones quote exceptions with their texts.
        return {"message": record.getMessage().partition("\n")[0]}


def _own_message(record: logging.LogRecord) -> str:
    text = str(record.msg)
    if not record.args or not isinstance(record.args, tuple):
        return text
    try:
        return text % tuple(map(_code_word, record.args))
    except (TypeError, ValueError):  # a `%d` that was given a text: logging's own complaint would print it
        return text


def _code_word(value: object) -> object:
    if isinstance(value, BaseException):
        return type(value).__qualname__
    if isinstance(value, int | float):
        return value
    word = str(value)
    known = word in _SERVICES_AND_TOPICS or _ERROR_TYPE.fullmatch(word)
    return word if known or (_CODE_WORD.fullmatch(word) and not _LONG_NUMBER.search(word)) else "…"


def describe_error(error: BaseException) -> dict[str, Any]:
    """An exception as type and places in the code. Its text is left out unless the type is a machine's fault."""
    frames = traceback.extract_tb(error.__traceback__)[-_MAX_FRAMES:]
    described: dict[str, Any] = {
        "type": f"{type(error).__module__}.{type(error).__qualname__}",
        "frames": [f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}" for frame in frames],
    }
    sqlstate = getattr(error, "sqlstate", None)
    if sqlstate is not None:
        described["sqlstate"] = sqlstate
    if isinstance(error, _QUOTABLE):
        described["text"] = str(error)
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None and cause is not error:
        described["cause"] = f"{type(cause).__module__}.{type(cause).__qualname__}"
    return described


def setup_logging(*, service: str, tenant: str, level: str = "INFO", stream: TextIO | None = None) -> None:
    """Send every logger of the process, uvicorn's included, through one JSON handler. Start uvicorn with
    `log_config=None`.
    """
    handler = logging.StreamHandler(stream if stream is not None else sys.stderr)
    handler.setFormatter(JsonFormatter(service=service, tenant=tenant))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers = []
        logger.propagate = True
    # Libraries that put addresses or request lines into their messages.
    for name in ("httpx", "httpcore", "aiokafka", "asyncio"):
        logging.getLogger(name).setLevel(logging.WARNING)
