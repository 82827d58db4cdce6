"""Rows of fixed width in and out of PostgreSQL by binary COPY: a column is an array, no row is ever a Python object.

https://www.postgresql.org/docs/current/sql-copy.html, "Binary Format": a signature, then per row the number of
fields and per field its length (-1 for null) and its bytes, big-endian.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Column = NDArray[Any]
DATE_BASE: Final = date(2000, 1, 1)
_TIME_BASE_SECONDS: Final = 946_684_800
_SIGNATURE: Final = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
_TRAILER: Final = b"\xff\xff"
_SMALLINT_OID: Final = 21


def read_rows(content: bytes, kinds: Sequence[str]) -> list[Column]:
    """The columns of rows without nulls; `kinds` are numpy types such as `>i4`, `V16`. Raises ValueError."""
    row = _row_type(kinds)
    if not content.startswith(_SIGNATURE[:11]) or not content.endswith(_TRAILER):
        raise ValueError("not a binary COPY")
    rows = np.frombuffer(content, dtype=row, offset=len(_SIGNATURE), count=(len(content) - 21) // row.itemsize)
    if len(content) - 21 != rows.nbytes or any((rows[f"l{place}"] != row[f"v{place}"].itemsize).any()
                                               for place in range(len(kinds))):  # fmt: skip
        raise ValueError("the rows are not of the expected width")
    return [rows[f"v{place}"] for place in range(len(kinds))]


def written_rows(columns: Sequence[Column | None], count: int) -> bytes:
    """Rows for `copy_to_table(…, format="binary")`, without signature and trailer; None: a column of nulls."""
    fields: list[tuple[str, Any]] = [("fields", ">i2")]
    for place, column in enumerate(columns):
        fields.append((f"l{place}", ">i4"))
        if column is not None:
            fields.append((f"v{place}", column.dtype.newbyteorder(">")))
    rows = np.zeros(count, dtype=fields)
    rows["fields"] = len(columns)
    for place, column in enumerate(columns):
        rows[f"l{place}"] = -1 if column is None else column.dtype.itemsize
        if column is not None:
            rows[f"v{place}"] = column
    return rows.tobytes()


def framed(parts: Sequence[bytes]) -> bytes:
    """Parts of rows as one COPY."""
    return b"".join((_SIGNATURE, *parts, _TRAILER))


def smallint_arrays(values: NDArray[np.int16]) -> Column:
    """Each row of a table of numbers as one `smallint[]`."""
    count, width = values.shape
    element = [("length", ">i4"), ("value", ">i2")]
    kind = [("dimensions", ">i4"), ("nulls", ">i4"), ("oid", ">i4"), ("size", ">i4"), ("lowest", ">i4"),
            ("elements", element, (width,))]  # fmt: skip
    arrays = np.zeros(count, dtype=kind)
    arrays["dimensions"], arrays["oid"], arrays["size"], arrays["lowest"] = 1, _SMALLINT_OID, width, 1
    arrays["elements"]["length"] = 2
    arrays["elements"]["value"] = values
    return arrays


def repeated(value: bytes, count: int) -> Column:
    """The same bytes in every row."""
    return np.full(count, np.void(value))


def moments(moment: datetime, count: int) -> Column:
    """The same moment in every row, as `timestamptz`."""
    microseconds = round((moment.timestamp() - _TIME_BASE_SECONDS) * 1_000_000)
    return np.full(count, microseconds, dtype=">i8")


def _row_type(kinds: Sequence[str]) -> np.dtype[Any]:
    fields: list[tuple[str, str]] = [("fields", ">i2")]
    for place, kind in enumerate(kinds):
        fields += [(f"l{place}", ">i4"), (f"v{place}", kind)]
    return np.dtype(fields)
