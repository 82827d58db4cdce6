"""Fineract's wire: Avro single-object encoding (C3 01, then the writer schema's CRC-64-AVRO fingerprint, little-endian,
then the value), twice: the outer message holds its payload as bytes of the same form.

A value is read with the very schema that its fingerprint names, never with one of the same name: releases have changed
schemas without changing their names. A fingerprint that is not registered is refused.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from fastavro import schemaless_reader
from fastavro.schema import SchemaParseException, fingerprint, parse_schema, to_parsing_canonical_form

OWN_SCHEMAS: Final = Path(__file__).parent / "schemas"
_MARKER: Final = b"\xc3\x01"
_HEADER_BYTES: Final = 10
_LEADING: Final = "leadingOf"

WireReason = Literal["not_single_object", "unknown_fingerprint", "malformed_value", "schema_name_differs"]


class WireError(ValueError):
    """Bytes that are no registered Avro value. `reason` is a closed code; `detail` quotes no value."""

    def __init__(self, reason: WireReason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason: WireReason = reason
        self.detail = detail


@dataclass(frozen=True, slots=True)
class WriterSchema:
    """One schema as some release writes it. `leading`: only its first fields are described, and what follows is left.

    Avro writes fields one after another without any framing, so that the first ones can be read alone.
    """

    name: str
    schema: Any
    leading: bool


def fingerprint_of(raw: bytes) -> str:
    """The fingerprint that a value in single-object encoding begins with, as hex in the order of its bytes."""
    return raw[len(_MARKER) : _HEADER_BYTES].hex()


class WriterSchemas:
    """Writer schemas side by side, by fingerprint."""

    def __init__(self, schemas: dict[bytes, WriterSchema]) -> None:
        self._schemas = schemas

    @classmethod
    def load(cls, folders: Iterable[Path]) -> WriterSchemas:
        """Every `*.avsc` of `folders`, each self-contained. Raises ValueError for a file that is none."""
        found: dict[bytes, WriterSchema] = {}
        for path in sorted(path for folder in folders for path in folder.glob("*.avsc")):
            try:
                document = json.loads(path.read_text())
                parsed = parse_schema(document)
                leading = [bytes.fromhex(text) for text in document.get(_LEADING, ())]
                own = bytes.fromhex(fingerprint(to_parsing_canonical_form(parsed), "CRC-64-AVRO"))
            except (ValueError, KeyError, TypeError, AttributeError, SchemaParseException) as error:
                raise ValueError(f"{path} is no Avro schema: {error}") from error
            for mark in leading or [own]:
                known = found.get(mark)
                # A whole description is better than one of the first fields.
                if known is None or (known.leading and not leading):
                    found[mark] = WriterSchema(str(document["name"]), parsed, bool(leading))
        return cls(found)

    def names(self) -> dict[str, int]:
        """How many writer schemas are registered under each name."""
        counted: dict[str, int] = {}
        for schema in self._schemas.values():
            counted[schema.name] = counted.get(schema.name, 0) + 1
        return counted

    def read(self, raw: bytes, *, name: str) -> dict[str, Any]:
        """The value, which must be one of the schema called `name`. Raises WireError."""
        if len(raw) < _HEADER_BYTES or raw[:2] != _MARKER:
            raise WireError("not_single_object", f"{len(raw)} bytes without the marker C3 01")
        mark = raw[2:_HEADER_BYTES]
        schema = self._schemas.get(mark)
        if schema is None:
            raise WireError("unknown_fingerprint", f"{mark.hex()} for {name[:100]}")
        if schema.name != name:
            raise WireError("schema_name_differs", f"{mark.hex()} is {schema.name}, not {name[:100]}")
        stream = io.BytesIO(raw)
        stream.seek(_HEADER_BYTES)
        try:
            value = schemaless_reader(stream, schema.schema, None)
        except (EOFError, ValueError, IndexError, OverflowError, StopIteration, TypeError) as error:
            raise WireError("malformed_value", f"{schema.name}: {type(error).__name__}") from error
        if not schema.leading and stream.read(1):
            raise WireError("malformed_value", f"{schema.name}: bytes after its end")
        if not isinstance(value, dict):
            raise WireError("malformed_value", f"{schema.name} is no record")
        return value
