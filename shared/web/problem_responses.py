"""Problems as HTTP responses: rendering, and the translation of the framework's own errors."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from opentelemetry import trace
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from shared.web.problems import (
    MEDIA_TYPE,
    BodyTooLarge,
    FieldError,
    InvalidRequest,
    KnownProblem,
    MalformedBody,
    MethodNotAllowed,
    NotAllowed,
    NotAuthenticated,
    NotFound,
    Problem,
    TemporarilyUnavailable,
    UnsupportedMediaType,
)

_BY_STATUS: Final[dict[int, type[KnownProblem]]] = {
    400: MalformedBody,
    401: NotAuthenticated,
    403: NotAllowed,
    404: NotFound,
    405: MethodNotAllowed,
    413: BodyTooLarge,
    415: UnsupportedMediaType,
    503: TemporarilyUnavailable,
}
# Their messages quote characters of the input.
_QUOTING_KINDS: Final = frozenset({"uuid_parsing", "url_parsing", "json_invalid", "datetime_from_date_parsing"})
_FIELD_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}")
_MAX_ERRORS: Final = 50


def problem_bytes(problem: Problem) -> bytes:
    """The problem document as bytes. The present trace's id is a member, so that a report leads to the logs."""
    document = problem.document()
    span = trace.get_current_span().get_span_context()
    if span.is_valid:
        document["trace_id"] = format(span.trace_id, "032x")
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"), default=str).encode()


def problem_response(problem: Problem) -> Response:
    """The HTTP response of a problem."""
    headers = dict(problem.headers)
    if problem.status == 401:
        headers.setdefault("WWW-Authenticate", "Bearer")
    return Response(problem_bytes(problem), status_code=problem.status, headers=headers, media_type=MEDIA_TYPE)


def add_problem_handlers(app: FastAPI) -> None:
    """Make every error of the app a problem document. Faults (500, 503) are the edge middleware's."""
    app.add_exception_handler(Problem, _on_problem)
    app.add_exception_handler(RequestValidationError, _on_validation)
    app.add_exception_handler(HTTPException, _on_http)


async def _on_problem(_: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return problem_response(error)


async def _on_validation(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return problem_response(validation_problem(error.errors()))


async def _on_http(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    known = _BY_STATUS.get(error.status_code)
    if known is not None:
        return problem_response(known(headers=error.headers))
    return problem_response(Problem("http-error", error.status_code, headers=error.headers))


def validation_problem(errors: Sequence[Any]) -> Problem:
    """The problem of pydantic's error list: names every refused field, quotes nothing of what was in it."""
    if any(error["type"] == "json_invalid" for error in errors):
        return MalformedBody(errors=[FieldError("body", "", "json_invalid", "is not valid JSON")])
    return InvalidRequest(errors=[_field_error(error) for error in errors[:_MAX_ERRORS]])


def _field_error(error: Any) -> FieldError:
    location, *path = error["loc"] or ("body",)
    kind = str(error["type"])
    message = str(error["msg"]).removeprefix("Value error, ").removeprefix("Assertion failed, ")
    if kind in _QUOTING_KINDS or any(value in message for value in _texts(error.get("input"))):
        message = "is not valid"
    return FieldError(str(location), _pointer(path), kind, message)


def _pointer(path: Sequence[int | str]) -> str:
    # A key that does not look like a field name may itself be somebody's data, so it is not repeated.
    parts = (str(p) if isinstance(p, int) or _FIELD_NAME.fullmatch(str(p)) else "*" for p in path)
    return "".join(f"/{part}" for part in parts)


def _texts(value: Any) -> Iterator[str]:
    """All texts and numbers of three or more characters anywhere in an input."""
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, dict):
            pending += [*item.keys(), *item.values()]
        elif isinstance(item, list | tuple):
            pending += item
        elif isinstance(item, str | int | float) and not isinstance(item, bool) and len(str(item)) >= 3:
            yield str(item)
