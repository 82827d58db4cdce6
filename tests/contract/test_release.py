"""The last release and this one run side by side: on the same tables, on each other's permits."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import asyncpg
import pytest

from cli.release import RELEASED, permit_document
from services.visits.domain.permit import NotGenuineError, key_id_of, read_permit, read_revocation_list
from shared.database.compatibility import load_schema, schema_breaks
from shared.events.topics import SERVICES
from tests.conftest import DatabaseFactory

# What this release takes away or changes, by service, as `schema_breaks` says it: only what the last release neither
# reads nor writes any more, and rules that hold of all it writes. Empty again with each release (docs/upgrade.md).
ENDED: Final[dict[str, frozenset[str]]] = {}
PERMIT: Final[dict[str, Any]] = json.loads((RELEASED / "permit.json").read_text())


def released(service: str) -> dict[str, Any]:
    return json.loads((RELEASED / f"schema-{service}.json").read_text())  # type: ignore[no-any-return]


@pytest.mark.parametrize("service", SERVICES)
async def test_the_last_release_still_reads_and_writes_the_tables(
    service: str, service_database: DatabaseFactory
) -> None:
    connection = await asyncpg.connect((await service_database(service)).owner_url)
    try:
        built = await load_schema(connection)
    finally:
        await connection.close()
    breaks = set(schema_breaks(released(service), built)) - ENDED.get(service, frozenset())
    assert breaks == set(), "would hurt the release that still runs; if it does not, name the line in ENDED"


TABLE: Final[dict[str, Any]] = {
    "hold": {
        "columns": {
            "kind": {"type": "text", "required": True, "default": False},
            "until": {"type": "timestamp with time zone", "required": False, "default": False},
            "scope": {"type": "text", "required": True, "default": True},
        },
        "rules": {"hold_kind_check": "CHECK ((kind = ANY (ARRAY['a'::text, 'b'::text])))"},
    }
}


def _column(name: str, **changes: Any) -> Callable[[Any], None]:
    def change(schema: Any) -> None:
        columns = schema["hold"]["columns"]
        columns[name] = columns.get(name, {"type": "text", "required": False, "default": False}) | changes

    return change


def _rule(name: str, definition: str) -> Callable[[Any], None]:
    return lambda schema: schema["hold"]["rules"].update({name: definition})


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda schema: schema.pop("hold"), "the table is gone"),
        (lambda schema: schema["hold"]["columns"].pop("until"), "hold.until: the column is gone"),
        (_column("until", type="date"), "hold.until: timestamp with time zone becomes date"),
        (_column("until", required=True), "hold.until: must have a value now"),
        (_column("scope", default=False), "hold.scope: has no default any more"),
        (_column("new", required=True), "hold.new: a new column that every INSERT must name"),
        (_rule("hold_kind_check", "CHECK ((kind = ANY (ARRAY['a'::text])))"), "hold.hold_kind_check: "),
        (_rule("more", "CHECK ((until IS NOT NULL))"), "a new rule of old columns"),
        (_rule("once", "UNIQUE (kind)"), "a new rule of old columns"),
    ],
)
def test_what_shrinks_is_named(change: Callable[[Any], None], says: str) -> None:
    built = copy.deepcopy(TABLE)
    change(built)
    [line] = schema_breaks(TABLE, built)
    assert says in line


@pytest.mark.parametrize(
    "change",
    [
        lambda schema: schema.update(other={"columns": {}, "rules": {}}),
        _column("new"),
        _column("new", required=True, default=True),
        _column("kind", required=False),
        _rule("hold_kind_check", "CHECK ((kind = ANY (ARRAY['a'::text, 'b'::text, 'c'::text])))"),
        lambda schema: schema["hold"]["rules"].clear(),
    ],
)
def test_what_grows_or_is_loosened_is_not(change: Callable[[Any], None]) -> None:
    built = copy.deepcopy(TABLE)
    change(built)
    assert schema_breaks(TABLE, built) == []


@pytest.mark.parametrize("version", [0, 1])
def test_this_release_reads_what_the_last_one_signed(version: int) -> None:
    """With the key of then and with the one that replaced it."""
    permit = read_permit(PERMIT["tokens"][version], PERMIT["keys"])
    assert (str(permit.permit_id), permit.channel) == (PERMIT["claims"]["jti"], "visit")
    assert permit.permit_id in read_revocation_list(PERMIT["revocations"], PERMIT["keys"]).permit_ids


def test_the_last_release_reads_what_this_one_signs() -> None:
    """It ignores claims it does not know and misses none that it does; a key it has not seen is one it asks for."""
    now = permit_document()
    before, after = PERMIT["claims"], now["claims"]
    assert {name: type(value) for name, value in after.items() if name in before} == {
        name: type(value) for name, value in before.items()
    }
    assert read_permit(now["tokens"][1], now["keys"]).channel == "visit"
    assert key_id_of(now["tokens"][1]) not in {key["kid"] for key in PERMIT["keys"]}
    with pytest.raises(NotGenuineError):
        read_permit(now["tokens"][1], PERMIT["keys"])


def test_every_service_has_its_schema() -> None:
    assert {file.stem for file in Path(RELEASED).glob("schema-*.json")} == {f"schema-{name}" for name in SERVICES}
