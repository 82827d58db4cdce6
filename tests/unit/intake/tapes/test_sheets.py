"""A few hundred bytes of Parquet can stand for gigabytes: what is written out stays small."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from services.intake.tapes import sheets
from services.intake.tapes.agreement import ParquetForm, Source
from services.intake.tapes.lines import LONGEST_LINE, UnreadableTapeError

ONE_COLUMN = SimpleNamespace(
    form=ParquetForm.model_construct(encoding="utf-8"), slots=lambda: {"loan": Source.model_construct(column="loan")}
)


def read(path: Path) -> list[sheets.Sheet]:
    contract: Any = ONE_COLUMN
    return list(sheets.read_sheets(path, contract))


def repeated(path: Path, value: str, rows: int) -> Path:
    """One value that every row points to."""
    column = pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), [value])
    pq.write_table(pa.table({"loan": column}), path, compression="zstd")
    return path


def test_a_value_said_once_and_meant_in_every_row_is_measured_before_it_is_written_out(tmp_path: Path) -> None:
    bomb = repeated(tmp_path / "bomb", "x" * 1_000_000, 20_000)
    assert bomb.stat().st_size < 1_000
    with pytest.raises(UnreadableTapeError, match="column loan holds a value of 1000000 bytes"):
        read(bomb)


def test_long_values_come_in_small_sheets(tmp_path: Path) -> None:
    found = read(repeated(tmp_path / "long", "x" * LONGEST_LINE, 2_500))
    assert [one.count for one in found] == [1024, 1024, 452]
    assert [one.numbers[0] for one in found] == [1, 1025, 2049]


def test_a_chunk_that_unpacks_to_too_much_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheets, "_MOST_CHUNK_BYTES", 100_000)
    zeros = tmp_path / "zeros"
    pq.write_table(pa.table({"loan": ["0" * 2_000] * 100}), zeros, compression="zstd", use_dictionary=False)
    with pytest.raises(UnreadableTapeError, match="bytes of column loan"):
        read(zeros)
