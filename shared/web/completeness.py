"""What a reader of an OpenAPI document would miss: the rule "every field described, every error listed, an example
each", as a function over the finished document.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from typing import Any, Final

import jsonschema

from shared.web.examples import json_bodies
from shared.web.openapi import operations
from shared.web.problems import MEDIA_TYPE

# Kinds of problem that the platform answers with by itself, by what an operation is like.
_EVERYWHERE: Final = frozenset({"internal-error", "temporarily-unavailable"})
_AUTHENTICATED: Final = frozenset({"not-authenticated", "not-allowed", "invalid-request"})
_WITH_BODY: Final = frozenset({"malformed-body", "body-not-received", "body-too-large"})
_COMMAND: Final = frozenset({"idempotency-key-missing", "command-running", "idempotency-key-reused"})
_PAGED: Final = frozenset({"invalid-cursor"})
_OF_ONE_THING: Final = frozenset({"not-found"})
# What is kept about somebody unknown is an answer: nothing.
_ANSWERS_OF_ANYBODY: Final = frozenset({"read_access_lists"})
_FORMATS: Final = jsonschema.FormatChecker()
# Two words: a verb and what it is about, since it becomes the name of a function in generated clients.
_OPERATION_ID: Final = re.compile(r"[a-z]+(_[a-z]+)+")


@_FORMATS.checks("date-time", raises=ValueError)
def _is_moment(value: object) -> bool:
    """RFC 3339 in as far as Python reads it; jsonschema alone checks it only with one more package."""
    return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None


def gaps(document: Mapping[str, Any], *, open_paths: Collection[str]) -> list[str]:
    """One line for each gap. `open_paths` need no access token."""
    found = list(_repeated_ids(document))
    for path, method, operation in operations(document):
        missing = (
            *_unexplained(operation),
            *_without_scope(operation, is_open=path in open_paths),
            *_unlisted_problems(method, operation, is_open=path in open_paths),
            *_without_example(operation, document),
        )
        found += [f"{method.upper()} {path}: {line}" for line in missing]
    for name, schema in document.get("components", {}).get("schemas", {}).items():
        if not schema.get("description") and "properties" in schema:
            found.append(f"{name}: description")
        found += [f"{name}{pointer}: description" for pointer in _undescribed(schema)]
    return found


def listed_problems(operation: Mapping[str, Any]) -> set[str]:
    """Kinds of the problems that the operation lists, each with its example."""
    return {
        kind
        for answer in operation.get("responses", {}).values()
        for kind in answer.get("content", {}).get(MEDIA_TYPE, {}).get("examples", {})
    }


def _repeated_ids(document: Mapping[str, Any]) -> Iterator[str]:
    count = Counter(str(operation.get("operationId")) for _, _, operation in operations(document))
    yield from (f"operationId {name} names {number} operations" for name, number in count.items() if number > 1)


def _unexplained(operation: Mapping[str, Any]) -> Iterator[str]:
    yield from (part for part in ("summary", "description", "tags") if not operation.get(part))
    if not _OPERATION_ID.fullmatch(operation.get("operationId", "")):
        yield f"operationId {operation.get('operationId')!r} is not a verb and its object"
    for parameter in operation.get("parameters", ()):
        if not parameter.get("description"):
            yield f"description of parameter {parameter['name']}"
    for status, answer in operation.get("responses", {}).items():
        if not answer.get("description"):
            yield f"description of answer {status}"
    for media in json_bodies(operation):
        yield from (f"description of {pointer}" for pointer in _undescribed(media.get("schema", {})))


def _without_scope(operation: Mapping[str, Any], *, is_open: bool) -> Iterator[str]:
    scopes = [scope for way in operation.get("security", ()) for names in way.values() for scope in names]
    if len(scopes) != (0 if is_open else 1):
        yield f"scopes {scopes}"


def _unlisted_problems(method: str, operation: Mapping[str, Any], *, is_open: bool) -> Iterator[str]:
    expected = set(_EVERYWHERE)
    if not is_open:
        expected |= _AUTHENTICATED
    if "requestBody" in operation:
        expected |= _WITH_BODY
    if method != "get" and not operation.get("x-question"):
        expected |= _COMMAND
    parameters = operation.get("parameters", ())
    if any(parameter["name"] == "cursor" for parameter in parameters):
        expected |= _PAGED
    names_one = any(one["in"] == "path" and one["schema"].get("format") == "uuid" for one in parameters)
    if names_one and operation.get("operationId") not in _ANSWERS_OF_ANYBODY:
        expected |= _OF_ONE_THING
    yield from (f"problem {kind}" for kind in sorted(expected - listed_problems(operation)))


def _without_example(operation: Mapping[str, Any], document: Mapping[str, Any]) -> Iterator[str]:
    for media in json_bodies(operation):
        if "example" not in media:
            yield "example"
            continue
        # The components travel with the schema, so that its references resolve.
        schema = {**media["schema"], "components": document["components"]}
        validator = jsonschema.Draft202012Validator(schema, format_checker=_FORMATS)
        for error in validator.iter_errors(media["example"]):
            yield f"example {error.json_path}: {error.message[:200]}"


def _undescribed(schema: Mapping[str, Any], pointer: str = "") -> Iterator[str]:
    """Pointers of the properties, at any depth inside this schema, that have no description."""
    for name, part in schema.get("properties", {}).items():
        if not part.get("description"):
            yield f"{pointer}.{name}"
        yield from _undescribed(part, f"{pointer}.{name}")
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), Mapping):
            yield from _undescribed(schema[key], f"{pointer}[]")
    for part in (*schema.get("anyOf", ()), *schema.get("oneOf", ()), *schema.get("allOf", ())):
        yield from _undescribed(part, pointer)
