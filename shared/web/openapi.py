"""Completes the OpenAPI document: errors as problems, the Idempotency-Key of commands, the scope of each operation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from shared.web import idempotency_key
from shared.web.examples import ExampleKey, add_examples
from shared.web.problems import (
    MEDIA_TYPE,
    TYPE_BASE,
    BodyNotReceived,
    BodyTooLarge,
    CommandRunning,
    FieldError,
    IdempotencyKeyMissing,
    IdempotencyKeyReused,
    InternalError,
    InvalidCursor,
    InvalidRequest,
    KnownProblem,
    MalformedBody,
    NotAllowed,
    NotAuthenticated,
    TemporarilyUnavailable,
)

# A POST that only asks (its body is the question) takes no Idempotency-Key: `openapi_extra=QUESTION`.
QUESTION: Final[dict[str, Any]] = {"x-question": True}
PUBLIC: Final = (InternalError, TemporarilyUnavailable)
ALWAYS: Final = (NotAuthenticated, NotAllowed, InvalidRequest, InternalError, TemporarilyUnavailable)
WITH_BODY: Final = (MalformedBody, BodyNotReceived, BodyTooLarge)
OF_COMMANDS: Final = (IdempotencyKeyMissing, CommandRunning, IdempotencyKeyReused)
_METHODS: Final = frozenset({"get", "post", "put", "patch", "delete"})
_FASTAPI_ERROR_SCHEMAS: Final = ("HTTPValidationError", "ValidationError")

_PROBLEM_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "title": "Problem",
    "description": "What went wrong (RFC 9457). Branch on `type`, not on the wording.",
    "required": ["type", "title", "status"],
    "properties": {
        "type": {"type": "string", "format": "uri", "description": "Identifies the meaning of the problem."},
        "title": {"type": "string", "description": "The meaning in a few words, the same for every occurrence."},
        "status": {"type": "integer", "description": "The HTTP status code, repeated."},
        "detail": {"type": "string", "description": "What is particular to this occurrence; never personal data."},
        "trace_id": {"type": "string", "description": "The trace (W3C) under which the service logged the request."},
        "errors": {
            "type": "array",
            "description": "Every field that was refused.",
            "items": {
                "type": "object",
                "required": ["in", "pointer", "kind", "detail"],
                "properties": {
                    "in": {
                        "type": "string",
                        "enum": ["body", "query", "path", "header", "cookie"],
                        "description": "Where the field is.",
                    },
                    "pointer": {"type": "string", "description": "JSON Pointer (RFC 6901) of the field inside it."},
                    "kind": {"type": "string", "description": "What is wrong, for programs."},
                    "detail": {
                        "type": "string",
                        "description": "What is wrong, for people; quotes nothing of the input.",
                    },
                },
            },
        },
    },
}


def problem_responses(*problems: type[KnownProblem]) -> dict[int | str, dict[str, Any]]:
    """For a route's `responses=`: every problem it may answer with, grouped by status, each with an example."""
    responses: dict[int | str, dict[str, Any]] = {}
    for problem in problems:
        response = responses.setdefault(problem.status, _empty_response())
        _add(response, problem)
    return responses


def describe(
    document: dict[str, Any],
    *,
    scopes: Mapping[tuple[str, str], str],
    issuer: str,
    examples: Mapping[ExampleKey, Mapping[str, Any]],
) -> dict[str, Any]:
    """Complete FastAPI's document in place. Repeating it changes nothing."""
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    schemas["Problem"] = _PROBLEM_SCHEMA
    document["components"]["securitySchemes"] = {
        "oidc": {
            "type": "openIdConnect",
            "openIdConnectUrl": f"{issuer}/.well-known/openid-configuration",
            "description": "Access token of the organisation's OpenID provider, as a Bearer token.",
        }
    }
    for path, method, operation in operations(document):
        add_examples(operation, schemas, examples)
        name = scopes.get((method, path))
        responses = operation.setdefault("responses", {})
        _drop_framework_error(responses)
        if name is None:
            _add_all(responses, PUBLIC)
            continue
        operation["security"] = [{"oidc": [name]}]
        _add_all(responses, ALWAYS)
        if "requestBody" in operation:
            _add_all(responses, WITH_BODY)
        if method != "get" and not operation.get("x-question"):
            _require_key(operation)
            _add_all(responses, OF_COMMANDS)
        if any(parameter["name"] == "cursor" for parameter in operation.get("parameters", ())):
            _add_all(responses, (InvalidCursor,))
    for name in _FASTAPI_ERROR_SCHEMAS:
        schemas.pop(name, None)
    return document


def operations(document: Mapping[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(path, method, operation) of every operation."""
    for path, item in document.get("paths", {}).items():
        for method, operation in item.items():
            if method in _METHODS:
                yield path, method, operation


def _drop_framework_error(responses: dict[str, Any]) -> None:
    content = responses.get("422", {}).get("content", {})
    schema = content.get("application/json", {}).get("schema", {})
    if schema.get("$ref", "").endswith("/HTTPValidationError"):
        del responses["422"]


def _add_all(responses: dict[str, Any], problems: tuple[type[KnownProblem], ...]) -> None:
    for problem in problems:
        _add(responses.setdefault(str(problem.status), _empty_response()), problem)


def _empty_response() -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Problem"}
    return {"description": "", "content": {MEDIA_TYPE: {"schema": schema, "examples": {}}}}


def _add(response: dict[str, Any], problem: type[KnownProblem]) -> None:
    examples = (
        response.setdefault("content", {})
        .setdefault(MEDIA_TYPE, {"schema": {"$ref": "#/components/schemas/Problem"}})
        .setdefault("examples", {})
    )
    if problem.kind in examples:
        return
    meaning = " ".join((problem.__doc__ or problem.title).split())
    response["description"] = f"{response.get('description', '')}\n\n`{problem.kind}`: {meaning}".strip()
    errors = [FieldError("body", "/amount/amount_minor", "int_parsing", "Input should be a valid integer")]
    example = problem(errors=errors if problem is InvalidRequest else ()).document()
    examples[problem.kind] = {"summary": problem.title, "value": {**example, "type": TYPE_BASE + problem.kind}}


def _require_key(operation: dict[str, Any]) -> None:
    parameters = operation.setdefault("parameters", [])
    if any(parameter.get("name", "").lower() == idempotency_key.HEADER.lower() for parameter in parameters):
        return
    parameters.append(
        {
            "name": idempotency_key.HEADER,
            "in": "header",
            "required": True,
            "description": idempotency_key.DESCRIPTION,
            "schema": {"type": "string", "minLength": 1, "maxLength": 257},
            "example": "019a52f4-5d3e-7c1a-9c39-0f6f5a3f1d2b",
        }
    )
