"""Rows of a tape as columns of raw text, whatever form the file has; nothing is understood yet."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from services.intake.tapes.agreement import Agreement, CsvForm, FixedForm, ParquetForm, Source
from services.intake.tapes.lines import LONGEST_LINE, Block, UnreadableTapeError, blocks

PARQUET_BATCH_ROWS = 16_384
# Of Parquet, a few hundred bytes can stand for gigabytes: a value that is said once and meant in every row, or zeros.
_MOST_CHUNK_BYTES: Final = 512 * 1024 * 1024
_MOST_BATCH_BYTES: Final = 64 * 1024 * 1024
WRONG_COLUMNS: Final = "wrong_columns"
WRONG_LENGTH: Final = "wrong_length"


@dataclass(frozen=True)
class Sheet:
    """Some rows of a file. `columns` holds the raw bytes of each place that the contract reads from the file.

    `numbers` counts rows of data from 1, without a header. `broken`: rows (from 0) that could not be taken apart, and
    why; their values are empty. `encoding` is that of the values; `lines` says which lines of `block` the rows are.
    """

    numbers: np.ndarray
    columns: dict[str, pa.Array]
    encoding: str
    broken: dict[int, str] = field(default_factory=dict)
    block: Block | None = None
    lines: np.ndarray | None = None

    @property
    def count(self) -> int:
        """How many rows."""
        return len(self.numbers)

    def originals(self, rows: Sequence[int]) -> list[bytes]:
        """Rows as they came (of Parquet: their values as JSON)."""
        if not rows:
            return []
        if self.block is not None and self.lines is not None:
            lines = self.block.lines()
            return [lines[self.lines[row]] for row in rows]
        return [
            json.dumps(
                {name: column[row].as_py().decode("utf-8", "replace") for name, column in self.columns.items()},
                ensure_ascii=False,
            ).encode()
            for row in rows
        ]

    def take(self, rows: np.ndarray) -> Sheet:
        """Only these rows (places from 0, in order)."""
        if len(rows) == self.count:
            return self
        kept = {int(row): place for place, row in enumerate(rows) if int(row) in self.broken} if self.broken else {}
        return Sheet(
            self.numbers[rows],
            {name: column.take(pa.array(rows)) for name, column in self.columns.items()},
            self.encoding,
            {place: self.broken[row] for row, place in kept.items()},
            self.block,
            None if self.lines is None else self.lines[rows],
        )


def read_sheets(path: Path, contract: Agreement) -> Iterator[Sheet]:
    """The file in sheets, in order. Raises UnreadableTapeError."""
    places = {name: source for name, source in contract.slots().items() if source.value is None}
    if isinstance(contract.form, CsvForm):
        yield from _csv_sheets(path, contract.form, places)
    elif isinstance(contract.form, FixedForm):
        yield from _fixed_sheets(path, contract.form, places)
    else:
        yield from _parquet_sheets(path, contract.form, places)


def _csv_sheets(path: Path, form: CsvForm, places: Mapping[str, Source]) -> Iterator[Sheet]:
    names: Sequence[str] = form.columns
    next_row = 1
    for block in blocks(path, encoding=form.encoding):
        if not names:
            head, _, content = block.content.partition(b"\n")
            names = _header(head, form)
            rows = Block(content, block.first_line + 1, block.count - 1)
        else:
            rows = block
        _require(names, places)
        if rows.count:
            yield _csv_sheet(rows, next_row, names, form, places)
            next_row += rows.count
    if not names:
        raise UnreadableTapeError("the file is empty: it has no header line")


def _header(line: bytes, form: CsvForm) -> list[str]:
    try:
        names = next(csv.reader([line.decode().removesuffix("\r")], delimiter=form.delimiter, strict=True))
    except (UnicodeDecodeError, csv.Error, StopIteration) as error:
        raise UnreadableTapeError("the header line cannot be read") from error
    if len(set(names)) != len(names):
        raise UnreadableTapeError("the header line names a column twice")
    return [name.strip() for name in names]


def _require(names: Sequence[str], places: Mapping[str, Source]) -> None:
    missing = sorted({str(source.column) for source in places.values()} - set(names))
    if missing:
        raise UnreadableTapeError(f"columns are missing: {', '.join(missing)}")


def _csv_sheet(
    block: Block, first_row: int, names: Sequence[str], form: CsvForm, places: Mapping[str, Source]
) -> Sheet:
    wanted = sorted({str(source.column) for source in places.values()})
    strange: list[str] = []

    def skip(_row: object) -> str:
        strange.append("")
        return "skip"

    try:
        table = pa_csv.read_csv(
            pa.py_buffer(block.content),
            read_options=pa_csv.ReadOptions(
                column_names=list(names), use_threads=False, block_size=len(block.content) + 1
            ),
            parse_options=pa_csv.ParseOptions(
                delimiter=form.delimiter, ignore_empty_lines=False, invalid_row_handler=skip
            ),
            convert_options=pa_csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.binary()), include_columns=wanted, strings_can_be_null=False
            ),
        )
    except (pa.ArrowInvalid, UnicodeDecodeError):
        strange.append("")
    if strange or table.num_rows != block.count:
        return _csv_sheet_by_line(block, first_row, names, form, places)
    columns = {name: _trimmed(table.column(str(source.column)).combine_chunks()) for name, source in places.items()}
    return _of_block(block, first_row, columns, "utf-8")


def _csv_sheet_by_line(
    block: Block, first_row: int, names: Sequence[str], form: CsvForm, places: Mapping[str, Source]
) -> Sheet:
    """Line by line: slower, and no line can spoil another one."""
    broken: dict[int, str] = {}
    rows: list[Sequence[bytes]] = []
    nothing = [b""] * len(names)
    for index, line in enumerate(block.lines()):
        try:
            # Latin-1 gives each byte a character and takes it back unchanged.
            parsed = list(csv.reader([line.decode("latin-1")], delimiter=form.delimiter, strict=True))
            values = [value.encode("latin-1") for value in parsed[0]] if len(parsed) == 1 else []
        except csv.Error:
            values = []
        if len(values) != len(names):
            broken[index] = WRONG_COLUMNS
        rows.append(nothing if index in broken else values)
    at = {name: names.index(str(source.column)) for name, source in places.items()}
    columns = {name: _trimmed(pa.array([row[column] for row in rows], pa.binary())) for name, column in at.items()}
    return _of_block(block, first_row, columns, "utf-8", broken)


def _fixed_sheets(path: Path, form: FixedForm, places: Mapping[str, Source]) -> Iterator[Sheet]:
    next_row = 1
    # Positions count the bytes of the file, so the values are cut out before they are decoded.
    for block in blocks(path, encoding="utf-8"):
        yield _fixed_sheet(block, next_row, form, places)
        next_row += block.count


def _fixed_sheet(block: Block, first_row: int, form: FixedForm, places: Mapping[str, Source]) -> Sheet:
    length, content, broken = form.record_length, block.content, dict[int, str]()
    stride = length + (2 if content[length : length + 2] == b"\r\n" else 1)
    regular = len(content) == stride * block.count
    if regular:
        grid = np.frombuffer(content, np.uint8).reshape(block.count, stride)
        regular = bool((grid[:, -1] == ord("\n")).all())
    if not regular:
        lines = block.lines()
        broken = {index: WRONG_LENGTH for index, line in enumerate(lines) if len(line) != length}
        padded = b"".join(b" " * length if index in broken else line for index, line in enumerate(lines))
        grid = np.frombuffer(padded, np.uint8).reshape(block.count, length)
    columns = {name: _trimmed(_cut(grid, (source.at or 1) - 1, source.length or 1)) for name, source in places.items()}
    return _of_block(block, first_row, columns, form.encoding, broken)


def _of_block(
    block: Block, first_row: int, columns: dict[str, pa.Array], encoding: str, broken: dict[int, str] | None = None
) -> Sheet:
    numbers = np.arange(first_row, first_row + block.count)
    return Sheet(numbers, columns, encoding, broken or {}, block, np.arange(block.count))


def _cut(grid: np.ndarray, start: int, width: int) -> pa.Array:
    values = np.ascontiguousarray(grid[:, start : start + width])
    offsets = np.arange(0, (len(grid) + 1) * width, width, dtype=np.int32)
    return pa.Array.from_buffers(pa.binary(), len(grid), [None, pa.py_buffer(offsets), pa.py_buffer(values)])


def _parquet_sheets(path: Path, form: ParquetForm, places: Mapping[str, Source]) -> Iterator[Sheet]:
    try:
        wanted = sorted({str(source.column) for source in places.values()})
        # What is said once is then kept once, until it is known to be short enough to be written out.
        with pq.ParquetFile(path, pre_buffer=False, read_dictionary=wanted) as file:
            _require(file.schema_arrow.names, places)
            for name in wanted:
                _require_exact(name, file.schema_arrow.field(name).type)
            _require_bounded(file.metadata, wanted)
            next_row = 1
            for batch in file.iter_batches(batch_size=PARQUET_BATCH_ROWS, columns=wanted, use_threads=False):
                for part in _written_out(batch):
                    columns = {name: _as_text(part.column(str(source.column))) for name, source in places.items()}
                    yield Sheet(np.arange(next_row, next_row + part.num_rows), columns, form.encoding)
                    next_row += part.num_rows
    except (pa.ArrowInvalid, pa.ArrowException, OSError) as error:
        raise UnreadableTapeError(f"no readable Parquet file: {error}") from error


def _require_bounded(metadata: pq.FileMetaData, wanted: Sequence[str]) -> None:
    for group in range(metadata.num_row_groups):
        row_group = metadata.row_group(group)
        for chunk in map(row_group.column, range(row_group.num_columns)):
            if chunk.path_in_schema in wanted and chunk.total_uncompressed_size > _MOST_CHUNK_BYTES:
                raise UnreadableTapeError(
                    f"row group {group + 1} has {chunk.total_uncompressed_size} bytes of column "
                    f"{chunk.path_in_schema}; at most {_MOST_CHUNK_BYTES} are read at once"
                )


def _written_out(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """The batch in parts that are small even when each row has the longest value of its column."""
    longest = [_longest(name, batch.column(name)) for name in batch.schema.names]
    rows = max(1, _MOST_BATCH_BYTES // max(sum(longest), 1))
    for start in range(0, batch.num_rows, rows):
        yield batch.slice(start, rows)


def _longest(name: str, column: pa.Array) -> int:
    values = column.dictionary if pa.types.is_dictionary(column.type) else column
    kinds = (pa.types.is_integer, pa.types.is_decimal, pa.types.is_date)
    found = 0 if any(kind(values.type) for kind in kinds) else pc.max(pc.binary_length(values)).as_py() or 0
    if found > LONGEST_LINE:
        raise UnreadableTapeError(f"column {name} holds a value of {found} bytes; at most {LONGEST_LINE} are taken")
    return int(found)


def _require_exact(name: str, kind: pa.DataType) -> None:
    inner = kind.value_type if pa.types.is_dictionary(kind) else kind
    tests = (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary)
    if any(test(inner) for test in (*tests, pa.types.is_integer, pa.types.is_decimal, pa.types.is_date)):
        return
    raise UnreadableTapeError(f"column {name} is of type {kind}: neither text, whole number, decimal nor date")


def _as_text(column: pa.Array) -> pa.Array:
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_date(column.type):
        column = pc.strftime(column, format="%Y-%m-%d")
    if not (pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type)):
        column = column.cast(pa.string())
    return _trimmed(column.cast(pa.binary()).fill_null(b""))


def _trimmed(column: pa.Array) -> pa.Array:
    """Without the spaces around. Viewed as text, not checked: the bytes need not be any."""
    return pc.ascii_trim_whitespace(column.view(pa.string())).view(pa.binary())
