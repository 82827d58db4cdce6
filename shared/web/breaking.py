"""What a new OpenAPI document breaks for callers of the released one.

Released clients send what they were told to send and read tolerantly: they ignore new fields of an answer. So a
request may grow by what is optional, an answer by fields; whatever else changes is a break. Only what documents of
ours contain is compared; see docs/adr/0086-api-contracts.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal

from shared.web.examples import JSON

Document = dict[str, Any]
Schema = Mapping[str, Any]
Side = Literal["request", "response"]
_METHODS: Final = ("get", "put", "post", "delete", "patch")
# Constraint → whether a greater value narrows what is accepted.
_BOUNDS: Final[dict[str, bool]] = {
    "minimum": True, "exclusiveMinimum": True, "minLength": True, "minItems": True,
    "maximum": False, "exclusiveMaximum": False, "maxLength": False, "maxItems": False,
}  # fmt: skip


def breaking_changes(released: Document, built: Document) -> list[str]:
    """One line for each break; none when the major version of `built` is greater than that of `released`."""
    if _major(built) > _major(released):
        return []
    return list(_Comparison(released, built).changes())


def _major(document: Document) -> int:
    match = re.match(r"\d+", str(document["info"]["version"]))
    if match is None:
        raise ValueError(f"not a version: {document['info']['version']}")
    return int(match.group())


class _Comparison:
    """Walks both documents side by side. A pair of components is compared once per side: models may be recursive."""

    def __init__(self, released: Document, built: Document) -> None:
        self._released = released
        self._built = built
        self._seen: set[tuple[str, str, Side]] = set()

    def changes(self) -> Iterator[str]:
        for path, item in self._released["paths"].items():
            for method in _METHODS:
                if method not in item:
                    continue
                where = f"{method.upper()} {path}"
                now = self._built["paths"].get(path, {}).get(method)
                if now is None:
                    yield f"{where}: the operation is gone"
                else:
                    yield from self._operation(item[method], now, where)

    def _operation(self, was: Schema, now: Schema, where: str) -> Iterator[str]:
        if was.get("security") != now.get("security"):
            yield f"{where}: it demands another scope"
        yield from self._parameters(was, now, where)
        if "requestBody" in now and "requestBody" not in was:
            yield f"{where}: it demands a body"
        elif "requestBody" in was:
            bodies = _json_schema(was["requestBody"]), _json_schema(now.get("requestBody", {}))
            yield from self._schemas(*bodies, "request", f"{where} request")
        for status, answer in was["responses"].items():
            if not status.startswith("2"):
                continue
            if status not in now["responses"]:
                yield f"{where}: status {status} is gone"
            else:
                answers = _json_schema(answer), _json_schema(now["responses"][status])
                yield from self._schemas(*answers, "response", f"{where} {status}")

    def _parameters(self, was: Schema, now: Schema, where: str) -> Iterator[str]:
        before, after = _parameters_of(was), _parameters_of(now)
        for key in sorted(before.keys() - after.keys()):
            yield f"{where}: parameter {key[1]} is gone"
        for key, parameter in after.items():
            required_before = before.get(key, {}).get("required", False)
            if parameter.get("required", False) and not required_before:
                yield f"{where}: parameter {key[1]} became required"
            if key in before:
                place = f"{where} parameter {key[1]}"
                yield from self._schemas(before[key].get("schema", {}), parameter.get("schema", {}), "request", place)

    def _schemas(self, was: Schema, now: Schema, side: Side, where: str) -> Iterator[str]:
        """Compare two schemas as the sets of their alternatives: `X` and `X or null` differ by one."""
        before, after = _options(was, self._released), _options(now, self._built)
        # A request must still accept what it accepted; an answer must bring nothing that readers do not know.
        refusing = before.keys() - after.keys() if side == "request" else after.keys() - before.keys()
        if refusing:
            yield f"{where}: its type changed ({_names(before)} → {_names(after)})"
        for kind in sorted(before.keys() & after.keys()):
            yield from self._options_differ(before[kind], after[kind], side, where)

    def _options_differ(self, was: Schema, now: Schema, side: Side, where: str) -> Iterator[str]:
        names = was.get("$ref", ""), now.get("$ref", "")
        if all(names):
            if (*names, side) in self._seen:
                return
            self._seen.add((*names, side))
            was, now = _resolved(was, self._released), _resolved(now, self._built)
        yield from _values_differ(was, now, side, where)
        yield from _bounds_differ(was, now, side, where)
        if "properties" in was or "properties" in now:
            yield from self._objects(was, now, side, where)
        for key in ("items", "additionalProperties"):
            if isinstance(was.get(key), Mapping) and isinstance(now.get(key), Mapping):
                yield from self._schemas(was[key], now[key], side, f"{where}[]")

    def _objects(self, was: Schema, now: Schema, side: Side, where: str) -> Iterator[str]:
        before, after = was.get("properties", {}), now.get("properties", {})
        for name, schema in before.items():
            if name not in after:
                yield f"{where}: field {name} is gone"
            else:
                yield from self._schemas(schema, after[name], side, f"{where}.{name}")
        required_before, required_after = set(was.get("required", ())), set(now.get("required", ()))
        if side == "request":
            yield from (f"{where}: field {name} became required" for name in sorted(required_after - required_before))
        else:
            left_out = (required_before - required_after) & after.keys()
            yield from (f"{where}: field {name} may now be left out" for name in sorted(left_out))


def _options(schema: Schema, document: Document) -> dict[str, Schema]:
    """The alternatives of a schema by kind; the kind is what makes them comparable across documents."""
    found: dict[str, Schema] = {}
    pending = [schema]
    while pending:
        part = pending.pop(0)
        if alternatives := (*part.get("anyOf", ()), *part.get("oneOf", ())):
            pending += alternatives
            continue
        target = _resolved(part, document)
        kind = " ".join((str(target.get("type", "any")), str(target.get("format", "")))).strip()
        twins = sum(known.split("#")[0] == kind for known in found)
        found[f"{kind}#{twins + 1}" if twins else kind] = part
    return found


def _values_differ(was: Schema, now: Schema, side: Side, where: str) -> Iterator[str]:
    before, after = _values(was), _values(now)
    if before is None and after is None:
        return
    if before is None or after is None:
        if (before is None) == (side == "request"):
            yield f"{where}: its values changed"
        return
    if gone := sorted(before - after):
        yield f"{where}: values {', '.join(gone)} are gone"
    if side == "response" and (new := sorted(after - before)):
        yield f"{where}: values {', '.join(new)} are new to readers"


def _bounds_differ(was: Schema, now: Schema, side: Side, where: str) -> Iterator[str]:
    if was.get("pattern") != now.get("pattern") and side == "request" and "pattern" in now:
        yield f"{where}: its pattern changed"
    if side == "response":
        return
    for name, greater_is_narrower in _BOUNDS.items():
        before, after = was.get(name), now.get(name)
        if after is None or before == after:
            continue
        if before is None or (after > before) == greater_is_narrower:
            yield f"{where}: {name} is narrower ({before} → {after})"


def _values(schema: Schema) -> set[str] | None:
    values = [schema["const"]] if "const" in schema else schema.get("enum")
    return None if values is None else {str(value) for value in values}


def _resolved(schema: Schema, document: Document) -> Schema:
    if "$ref" not in schema:
        return schema
    found: Schema = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[-1]]
    return found


def _json_schema(part: Schema) -> Schema:
    schema: Schema = part.get("content", {}).get(JSON, {}).get("schema", {})
    return schema


def _parameters_of(operation: Schema) -> dict[tuple[str, str], Schema]:
    return {(parameter["in"], parameter["name"]): parameter for parameter in operation.get("parameters", ())}


def _names(options: Mapping[str, Schema]) -> str:
    return " or ".join(sorted(options))
