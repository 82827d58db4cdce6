"""Tapes of people as tests need them: a contract in each form, rows, manifests."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from services.intake.tapes.approvals import Released
from services.intake.tapes.contract import contract_hash, read_contract
from services.intake.tapes.manifest import Manifest, read_manifest
from services.intake.tapes.people_contract import PeopleContract
from tests.unit.intake.tapes.tapes import DAY, WATERMARK

FEED = "core-a-people"
WIDTHS = {
    "party": 12, "name": 40, "born": 10, "lang": 3, "zone": 40, "place": 5, "mobile": 40, "home": 80, "lat": 12,
    "lon": 12, "src": 1, "seq": 8,
}  # fmt: skip
COUNTED = {"name": "name", "born": "born_on", "mobile": "contact.0.value", "home": "contact.1.value"}


def people_contract_text(
    form: str = "csv", *, encoding: str = "utf-8", population: str = "collected", order: str = "manifest",
    change: str = "full", totals: str = "required", refused_per_mille: int = 5,
) -> bytes:  # fmt: skip
    """A contract of the feed over the columns of `WIDTHS`."""
    at, place = 1, {}
    for name, width in WIDTHS.items():
        place[name] = f"{{ at = {at}, length = {width} }}" if form == "fixed" else f'{{ column = "{name}" }}'
        at += width
    source = place["src"].removesuffix(" }") + ', codes = { C = "contract", F = "on_file", "" = "" } }'
    return f"""
feed = "{FEED}"
version = 1
core = "core-a"
effective_from = 2026-01-01
[form]
kind = "{form}"
{"" if form == "parquet" else f'encoding = "{encoding}"'}
{f"record_length = {sum(WIDTHS.values())}" if form == "fixed" else ""}
[content]
change = "{change}"
population = "{population}"
order = "{order}"
[checks]
totals = "{totals}"
most_refused_per_mille = {refused_per_mille}
most_drop_percent = 60
[person]
party_ref = {place["party"]}
name = {place["name"]}
born_on = {place["born"]}
language = {place["lang"]}
time_zone = {place["zone"]}
jurisdiction = {place["place"]}
history_known_from = {{ value = "2025-01-01" }}
{f"core_sequence = {place['seq']}" if order == "row" else ""}
[[contact]]
kind = {{ value = "mobile" }}
value = {place["mobile"]}
source = {source}
[[contact]]
kind = {{ value = "home" }}
value = {place["home"]}
source = {source}
lat = {place["lat"]}
lon = {place["lon"]}
""".encode()


def people_contract(form: str = "csv", **given: Any) -> PeopleContract:
    """The contract read."""
    contract = read_contract(people_contract_text(form, **given))
    assert isinstance(contract, PeopleContract)
    return contract


def people_released(form: str = "csv", **given: Any) -> Released:
    """The contract as two people released it."""
    content = people_contract_text(form, **given)
    return Released(read_contract(content), contract_hash(content), ("ada", "bo"))


def person(number: int, **given: str) -> dict[str, str]:
    """A person with this number."""
    return {
        "party": f"P-{number}", "name": f"王小明{number}", "born": "1980-05-01", "lang": "zh", "zone": "Asia/Shanghai",
        "place": "CN", "mobile": f"+86 138 0000 {number:04}", "home": f"上海市 1 路 {number} 号", "lat": "31.2304",
        "lon": "121.4737", "src": "C", "seq": "7", **given,
    }  # fmt: skip


def write_people(
    folder: Path, name: str, form: str, rows: Sequence[Mapping[str, str]], *, encoding: str = "utf-8"
) -> Path:  # fmt: skip
    """The rows as a file of that form."""
    path = folder / name
    if form == "parquet":
        pq.write_table(pa.table({column: [one[column] for one in rows] for column in WIDTHS}), path, row_group_size=3)
    elif form == "csv":
        lines = [",".join(WIDTHS), *(",".join(one[column] for column in WIDTHS) for one in rows)]
        path.write_bytes("".join(f"{line}\n" for line in lines).encode(encoding))
    else:
        records = (b"".join(one[at].encode(encoding).ljust(width) for at, width in WIDTHS.items()) for one in rows)
        path.write_bytes(b"".join(record + b"\n" for record in records))
    return path


def people_manifest(path: Path, rows: Sequence[Mapping[str, str]], **given: Any) -> Manifest:
    """The manifest that the bank would write."""
    document = {
        "feed": FEED, "file": path.name, "business_date": DAY.isoformat(), "sequence": 1,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "rows": len(rows),
        "extracted_at": WATERMARK.isoformat(), "core_sequence": 100,
        "counts": {slot: sum(bool(one[column]) for one in rows) for column, slot in COUNTED.items()}, **given,
    }  # fmt: skip
    return read_manifest(json.dumps(document).encode())
