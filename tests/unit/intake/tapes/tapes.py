"""Tapes as tests need them: a contract in each form, rows, files with their manifests."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from services.intake.tapes.approvals import Released
from services.intake.tapes.contract import Contract, contract_hash, read_contract
from services.intake.tapes.manifest import Manifest, read_manifest

DAY = date(2026, 3, 10)
WATERMARK = datetime(2026, 3, 10, 15, tzinfo=UTC)
FORMS = ("csv", "fixed", "parquet")
COLUMNS = (
    "loan", "party", "ccy", "balance", "product", "creditor", "originated", "place", "due", "principal", "interest",
    "paid", "seq", "op",
)  # fmt: skip
WIDTHS = (12, 12, 3, 14, 1, 20, 10, 5, 10, 14, 14, 14, 8, 1)


def _places(form: str) -> dict[str, str]:
    """Where each of `COLUMNS` stands in a row of the form."""
    at, place = 1, {}
    for name, width in zip(COLUMNS, WIDTHS, strict=True):
        place[name] = f"{{ at = {at}, length = {width} }}" if form == "fixed" else f'{{ column = "{name}" }}'
        at += width
    return place


def contract_text(
    form: str = "csv",
    *,
    feed: str = "core-a-loans",
    version: int = 1,
    encoding: str = "utf-8",
    change: str = "full",
    population: str = "delinquent",
    vanished: str = "cured",
    order: str = "manifest",
    refused_per_mille: int = 5,
    totals: str = "required",
    more: str = "",
) -> bytes:
    """A contract of the feed over `COLUMNS`."""
    place = _places(form)
    product = place["product"].removesuffix(" }") + ', codes = { C = "card", N = "consumer", M = "mortgage" } }'
    operation = place["op"].removesuffix(" }") + ', codes = { P = "put", D = "remove" } }'
    encoding_line = "" if form == "parquet" else f'encoding = "{encoding}"'
    return f"""
feed = "{feed}"
version = {version}
core = "core-a"
effective_from = 2026-01-01
{more}
[form]
kind = "{form}"
{encoding_line}
{f"record_length = {sum(WIDTHS)}" if form == "fixed" else ""}
[content]
change = "{change}"
population = "{population}"
vanished = "{vanished}"
removed = "cured"
order = "{order}"
[checks]
totals = "{totals}"
most_refused_per_mille = {refused_per_mille}
most_drop_percent = 60
[amounts]
largest = 100000000
[fields]
loan_ref = {place["loan"]}
party_ref = {place["party"]}
currency = {place["ccy"]}
balance = {place["balance"]}
product_class = {product}
creditor = {place["creditor"]}
servicer = {{ value = "Bank AG" }}
originated_on = {place["originated"]}
jurisdiction = {place["place"]}
{f"core_sequence = {place['seq']}" if order == "row" else ""}
{f"operation = {operation}" if change == "delta" else ""}
[[due_item]]
kind = {{ value = "instalment" }}
due_date = {place["due"]}
principal = {place["principal"]}
interest = {place["interest"]}
paid = {place["paid"]}
""".encode()


def contract(form: str = "csv", **given: Any) -> Contract:
    """The contract read."""
    return read_contract(contract_text(form, **given))


def released(form: str = "csv", **given: Any) -> Released:
    """The contract as two people released it."""
    content = contract_text(form, **given)
    return Released(read_contract(content), contract_hash(content), ("ada", "bo"))


def row(number: int, *, late: int = 0, **given: str) -> dict[str, str]:
    """A loan with this number; `late`: its unpaid instalment in yuan, due on 1 March."""
    return {
        "loan": f"L-{number}", "party": f"P-{number}", "ccy": "CNY", "balance": "1000.00", "product": "N",
        "creditor": "银行", "originated": "2024-05-01", "place": "CN", "due": "2026-03-01" if late else "",
        "principal": f"{late}.00" if late else "0", "interest": "0", "paid": "", "seq": "7", "op": "P", **given,
    }  # fmt: skip


def write(folder: Path, name: str, form: str, rows: Sequence[Mapping[str, str]], *, encoding: str = "utf-8") -> Path:
    """The rows as a file of that form."""
    path = folder / name
    if form == "parquet":
        pq.write_table(pa.table({column: [one[column] for one in rows] for column in COLUMNS}), path, row_group_size=3)
        return path
    if form == "csv":
        lines = [",".join(COLUMNS), *(",".join(_quoted(one[column]) for column in COLUMNS) for one in rows)]
        path.write_bytes("".join(f"{line}\n" for line in lines).encode(encoding))
        return path
    records = [
        b"".join(one[column].encode(encoding).ljust(width) for column, width in zip(COLUMNS, WIDTHS, strict=True))
        for one in rows
    ]
    path.write_bytes(b"".join(record + b"\n" for record in records))
    return path


def manifest(path: Path, content: Sequence[Mapping[str, str]], **given: Any) -> Manifest:
    """The manifest that the bank would write."""
    return read_manifest(json.dumps(manifest_document(path, content, **given)).encode())


def manifest_document(path: Path, content: Sequence[Mapping[str, str]], **given: Any) -> dict[str, Any]:
    """The same, as it stands in its file."""
    balance = sum((Decimal(one["balance"]) for one in content), Decimal())
    overdue = sum(
        (
            max(Decimal(one["principal"] or 0) + Decimal(one["interest"] or 0) - Decimal(one["paid"] or 0), Decimal())
            for one in content
        ),
        Decimal(),
    )
    return {
        "feed": "core-a-loans",
        "file": path.name,
        "business_date": DAY.isoformat(),
        "sequence": 1,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "rows": len(content),
        "extracted_at": WATERMARK.isoformat(),
        "core_sequence": 100,
        "totals": [{"currency": "CNY", "balance": str(balance), "overdue": str(overdue)}] if content else [],
        **given,
    }


def _quoted(text: str) -> str:
    return f'"{text}"' if "," in text else text
