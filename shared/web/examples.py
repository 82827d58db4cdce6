"""Examples in the OpenAPI document: one for each body that is read and each JSON document that is answered.

A service writes one example per model. What only wraps models (a page, a batch) is composed of theirs, so that an
example is written once and is the same wherever its model appears.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

JSON: Final = "application/json"


class NoExampleError(LookupError):
    """Neither the schema nor a part of it says what a value looks like."""


def add_examples(
    operation: Mapping[str, Any], schemas: Mapping[str, Any], examples: Mapping[str, Mapping[str, Any]]
) -> None:
    """Put an example on the request body and on every 2xx JSON answer of `operation` that has none of its own.

    `schemas` are the document's components, `examples` the written ones by name of the component. Where nothing can be
    composed the example stays away: the contract test names such operations.
    """
    for media in json_bodies(operation):
        if "example" in media or "examples" in media:
            continue
        try:
            media["example"] = _compose(media.get("schema", {}), schemas, examples)
        except NoExampleError:
            continue


def json_bodies(operation: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The JSON media types of the request body and of the 2xx answers."""
    answers = [answer for status, answer in operation.get("responses", {}).items() if str(status).startswith("2")]
    for part in (operation.get("requestBody", {}), *answers):
        if JSON in part.get("content", {}):
            yield part["content"][JSON]


def _compose(schema: Mapping[str, Any], schemas: Mapping[str, Any], examples: Mapping[str, Mapping[str, Any]]) -> Any:
    if "examples" in schema:
        return schema["examples"][0]
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[-1]
        return examples[name] if name in examples else _compose(schemas[name], schemas, examples)
    if schema.get("type") == "array":
        return [_compose(schema["items"], schemas, examples)]
    if "properties" in schema:
        return {name: _compose(part, schemas, examples) for name, part in schema["properties"].items()}
    raise NoExampleError(schema.get("title", "a value"))
