"""Examples in the OpenAPI document: one for each body that is read and each JSON document that is answered.

A service writes one example per model. What only wraps models (a page, a batch) is composed of theirs, so that an
example is written once and is the same wherever its model appears.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from pydantic import BaseModel

JSON: Final = "application/json"
# A model; or an operationId, whose answer the example of its model would describe misleadingly.
ExampleKey = type[BaseModel] | str


class NoExampleError(LookupError):
    """Neither the schema nor a part of it says what a value looks like."""


def add_examples(
    operation: Mapping[str, Any], schemas: Mapping[str, Any], examples: Mapping[ExampleKey, Mapping[str, Any]]
) -> None:
    """Put an example on the request body and on every 2xx JSON answer of `operation` that has none of its own.

    `schemas` are the document's components. Where nothing can be composed the example stays away:
    `shared.web.completeness` names such operations.
    """
    written = {key.__name__: value for key, value in examples.items() if not isinstance(key, str)}
    own = examples.get(operation.get("operationId", ""))
    for media in json_answers(operation):
        if own is not None:
            media["example"] = own
    for media in json_bodies(operation):
        if "example" in media:
            continue
        try:
            media["example"] = _compose(media.get("schema", {}), schemas, written)
        except NoExampleError:
            continue


def json_bodies(operation: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The JSON media types of the request body and of the 2xx answers."""
    if JSON in operation.get("requestBody", {}).get("content", {}):
        yield operation["requestBody"]["content"][JSON]
    yield from json_answers(operation)


def json_answers(operation: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The JSON media types of the 2xx answers."""
    for status, answer in operation.get("responses", {}).items():
        if str(status).startswith("2") and JSON in answer.get("content", {}):
            yield answer["content"][JSON]


def _compose(schema: Mapping[str, Any], schemas: Mapping[str, Any], written: Mapping[str, Mapping[str, Any]]) -> Any:
    if "examples" in schema:
        return schema["examples"][0]
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[-1]
        return written[name] if name in written else _compose(schemas[name], schemas, written)
    if schema.get("type") == "array":
        return [_compose(schema["items"], schemas, written)]
    if "properties" in schema:
        return {name: _compose(part, schemas, written) for name, part in schema["properties"].items()}
    raise NoExampleError(schema.get("title", "a value"))
