"""The contracts, generated from the models: JSON Schemas, AsyncAPI, catalogue page, and the check against breaks.

`contracts/` holds the last release. An event type may only gain optional fields; anything else is a new version.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import yaml

from shared.events.catalogue import CATALOGUE, EventType
from shared.events.codec import CONTENT_TYPE, CORE_TOPICS, NO_PARTY_KEY, REQUIRED_HEADERS
from shared.events.effects import EFFECTS
from shared.events.examples import EXAMPLES
from shared.events.topics import MAX_MESSAGE_BYTES, TOPICS

Schema = dict[str, Any]
_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_HEADERS: Final[dict[str, str]] = {
    "ce_specversion": "CloudEvents version, always 1.0.",
    "ce_id": "Event id (UUIDv7 of ours, or the core's own); identity is source + id.",
    "ce_source": "/services/<name> or the core's name.",
    "ce_type": "Event type.",
    "ce_time": "When it happened, business time, RFC 3339 UTC.",
    "ce_recordedtime": "When we learned it, real time, RFC 3339 UTC.",
    "ce_dataschema": "<type>.v<major version>.",
    "ce_tenant": "Tenant.",
    "ce_aggregatetype": "What the sequence counts.",
    "ce_aggregateid": "Which one.",
    "ce_sequence": "Gapless per source, topic and aggregate; on loan topics the core's own, gaps allowed.",
    "ce_correlationid": "First event of the story.",
    "ce_causationid": "Event that caused this one.",
    "traceparent": "W3C trace context.",
}
_KEY_OF_CORE: Final = "tenant|core|party_ref as in the data; - for party_ref where the data are about nobody"
_KEY_OF_OURS: Final = f"party_id as in the data; {NO_PARTY_KEY.decode()} where the data are about nobody"
_WRITTEN: Final = f"""
## How a record is written

CloudEvents 1.0 in Kafka's binary mode: attributes are headers, the value is the data alone, as JSON in UTF-8. Data
satisfy the closed schema of their type in `contracts/events`. The whole record has {MAX_MESSAGE_BYTES:,} bytes at most.

- **Key** of `loan` and `loan-urgent`: {_KEY_OF_CORE}.
- **Key** of all other topics: {_KEY_OF_OURS}.
- **Order** is kept per key: the key alone chooses the partition, by the same rule always (Kafka's own murmur2).
- **Once.** `ce_source` and `ce_id` make a record one: with `acks=all`, what was not acknowledged is sent again under
  the same id, and counts once.
- **Refused.** What cannot be read or cannot be true is set aside with its reason (`./doorstep dlq list intake`). Later
  records of its key wait behind it, all others go on; `replay` tries it again, `discard` lets those behind it pass.

| header | required | meaning |
|---|---|---|
"""


def schema_of(event_type: EventType) -> Schema:
    """The closed JSON Schema (2020-12) that producers must satisfy; consumers read tolerantly."""
    schema = event_type.model.model_json_schema(mode="validation")
    for definition in (schema, *schema.get("$defs", {}).values()):
        if definition.get("type") == "object" and "properties" in definition:
            definition["additionalProperties"] = False
    return {"$schema": _DIALECT, "$id": event_type.schema_name, "examples": [EXAMPLES[event_type.name]]} | schema


def asyncapi() -> Schema:
    """The AsyncAPI 3.0 document: one channel per topic, one message per type."""
    messages = {
        event_type.schema_name: {
            "name": event_type.name,
            "title": event_type.name,
            "summary": (event_type.model.__doc__ or "").splitlines()[0],
            "contentType": "application/json",
            "headers": {
                "type": "object",
                "required": list(REQUIRED_HEADERS),
                "properties": {name: {"type": "string", "description": text} for name, text in _HEADERS.items()},
            },
            "payload": {
                "schemaFormat": "application/schema+json;version=draft-2020-12",
                "schema": {"$ref": f"./events/{event_type.schema_name}.json"},
            },
            "bindings": {"kafka": {"key": _key_of(event_type), "bindingVersion": "0.5.0"}},
            "examples": [{"name": "example", "payload": EXAMPLES[event_type.name]}],
        }
        for event_type in CATALOGUE.values()
    }
    channels, operations = {}, {}
    for topic in TOPICS.values():
        types = [event_type for event_type in CATALOGUE.values() if topic.name in event_type.topics]
        if not types:
            continue
        channels[topic.name] = {
            "address": topic.name,
            "description": topic.meaning,
            "messages": {t.schema_name: {"$ref": f"#/components/messages/{t.schema_name}"} for t in types},
            "bindings": {"kafka": {"partitions": topic.partitions, "bindingVersion": "0.5.0"}},
        }
        for action, principals in (("send", topic.writers), ("receive", topic.readers)):
            for principal in sorted(principals):
                operations[f"{principal}.{action}.{topic.name}"] = {
                    "action": action,
                    "channel": {"$ref": f"#/channels/{topic.name}"},
                }
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Doorstep events", "version": "1.0.0", "description": "CloudEvents 1.0, Kafka binary mode."},
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
        "components": {"messages": messages},
    }


def _key_of(event_type: EventType) -> Schema:
    of_core = not CORE_TOPICS.isdisjoint(event_type.topics)
    return {"type": "string", "description": _KEY_OF_CORE if of_core else _KEY_OF_OURS}


def catalogue_page() -> str:
    """`docs/events.md`: every topic and type with its fields."""
    lines = ["# Events", "", "Generated by `./doorstep contracts export`; do not edit.", "", "## Topics", ""]
    lines += ["| topic | holds | writers | readers | days | partitions |", "|---|---|---|---|---|---|"]
    for topic in TOPICS.values():
        writers, readers = ", ".join(sorted(topic.writers)), ", ".join(sorted(topic.readers))
        row = (topic.name, topic.meaning, writers, readers, str(topic.retention_days), str(topic.partitions))
        lines.append(f"| {' | '.join(row)} |")
    lines += _WRITTEN.rstrip("\n").split("\n")
    for name, meaning in (_HEADERS | {"content-type": f"{CONTENT_TYPE.decode()}."}).items():
        lines.append(f"| `{name}` | {'yes' if name in REQUIRED_HEADERS else 'no'} | {meaning} |")
    for event_type in CATALOGUE.values():
        lines += ["", f"## `{event_type.name}` v{event_type.version}", "", (event_type.model.__doc__ or "").strip(), ""]
        lines += [
            f"On {', '.join(f'`{name}`' for name in event_type.topics)}; sequence per {event_type.aggregate}.",
            "",
        ]
        effect = EFFECTS.get(event_type.name)
        if effect is not None:
            lines += ["| balance | days past due | case | contact |", "|---|---|---|---|"]
            lines += [f"| {' | '.join(effect)} |", ""]
        lines += ["| field | required | meaning |", "|---|---|---|"]
        for name, field in event_type.model.model_fields.items():
            required = "yes" if field.is_required() else "no"
            lines.append(f"| `{name}` | {required} | {field.description or _type_meaning(event_type, name)} |")
        lines += ["", "```json", json.dumps(EXAMPLES[event_type.name], indent=2), "```"]
    return "\n".join(lines) + "\n"


def export(folder: Path, *, page: Path) -> int:
    """Write all contracts; returns how many event schemas. Raises ValueError when that would break the last release."""
    breaks = breaking_changes(folder)
    if breaks:
        raise ValueError("breaking change without a new version:\n" + "\n".join(breaks))
    events = folder / "events"
    events.mkdir(parents=True, exist_ok=True)
    for event_type in CATALOGUE.values():
        (events / f"{event_type.schema_name}.json").write_text(_json(schema_of(event_type)))
    (folder / "asyncapi.yaml").write_text(yaml.safe_dump(asyncapi(), sort_keys=False, allow_unicode=True, width=120))
    page.write_text(catalogue_page())
    return len(CATALOGUE)


def breaking_changes(folder: Path) -> list[str]:
    """What the models of today break against the released schemas in `folder`, one line each."""
    found: list[str] = []
    for path in sorted((folder / "events").glob("*.json")):
        name, _, version = path.stem.rpartition(".v")
        event_type = CATALOGUE.get(name)
        if event_type is None or event_type.version < int(version):
            found.append(f"{path.stem}: the type is gone")
        elif event_type.version == int(version):
            found += _differences(json.loads(path.read_text()), schema_of(event_type), path.stem)
    return found


def stale_files(folder: Path, *, page: Path) -> list[str]:
    """Generated files that no longer equal what the models say."""
    stale = [
        path.name
        for event_type in CATALOGUE.values()
        if not (path := folder / "events" / f"{event_type.schema_name}.json").exists()
        or path.read_text() != _json(schema_of(event_type))
    ]
    if not page.exists() or page.read_text() != catalogue_page():
        stale.append(page.name)
    return stale


def _differences(before: Schema, after: Schema, where: str) -> list[str]:
    found = _object_differences(before, after, where)
    for name, definition in before.get("$defs", {}).items():
        if name not in after.get("$defs", {}):
            found.append(f"{where}: definition {name} is gone")
        else:
            found += _object_differences(definition, after["$defs"][name], f"{where}/{name}")
    return found


def _object_differences(before: Schema, after: Schema, where: str) -> list[str]:
    old, new = before.get("properties", {}), after.get("properties", {})
    found = [f"{where}: field {name} is gone" for name in old if name not in new]
    added_required = set(after.get("required", [])) - set(before.get("required", []))
    found += [f"{where}: field {name} became required" for name in sorted(added_required)]
    found += [
        f"{where}: field {name} changed its shape"
        for name in old
        if name in new and _shape(old[name]) != _shape(new[name])
    ]
    if _shape(before.get("enum")) != _shape(after.get("enum")):
        found.append(f"{where}: its values changed")
    return found


def _shape(schema: Any) -> Any:
    """A schema without its prose: descriptions, titles, examples and defaults do not break anyone."""
    if isinstance(schema, dict):
        prose = {"description", "title", "examples", "default"}
        return {key: _shape(value) for key, value in schema.items() if key not in prose}
    if isinstance(schema, list):
        return [_shape(item) for item in schema]
    return schema


def _type_meaning(event_type: EventType, name: str) -> str:
    schema = event_type.model.model_json_schema()["properties"][name]
    return str(schema.get("description", ""))


def _json(schema: Schema) -> str:
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
