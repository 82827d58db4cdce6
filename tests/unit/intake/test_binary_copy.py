"""Columns as binary COPY, and back."""

import numpy as np
import pytest

from services.intake.store.binary_copy import framed, read_rows, repeated, smallint_arrays, written_rows

NUMBERS = np.array([1, -2, 3], dtype=np.int32)


def test_columns_come_back_from_their_rows() -> None:
    ids = np.array([np.void(bytes([n]) * 16) for n in range(3)])

    found = read_rows(framed([written_rows([ids, NUMBERS], 3)]), ("V16", ">i4"))

    assert [found[0].tolist(), found[1].tolist()] == [ids.tolist(), NUMBERS.tolist()]


def test_no_rows_are_empty_columns() -> None:
    assert [len(column) for column in read_rows(framed([]), ("V16", ">i4"))] == [0, 0]


@pytest.mark.parametrize(
    "content", [b"", b"no copy", framed([written_rows([NUMBERS], 3)])[:-3], framed([written_rows([None], 3)])]
)
def test_other_rows_are_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"binary COPY|expected width"):
        read_rows(content, (">i4",))


def test_null_is_a_length_of_minus_one() -> None:
    assert written_rows([None], 1) == b"\x00\x01\xff\xff\xff\xff"


def test_array_tells_its_type_size_and_elements() -> None:
    row = written_rows([smallint_arrays(np.array([[7, -1]], dtype=np.int16))], 1)

    assert row[6:] == b"".join(
        part.to_bytes(size, "big", signed=True) for part, size in
        ((1, 4), (0, 4), (21, 4), (2, 4), (1, 4), (2, 4), (7, 2), (2, 4), (-1, 2))
    )  # fmt: skip


def test_same_bytes_stand_in_every_row() -> None:
    assert written_rows([repeated(b"bank", 2)], 2) == 2 * (b"\x00\x01" + b"\x00\x00\x00\x04" + b"bank")
