"""The last row of each loan or person of a feed: which rows of a file differ from it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from shared.database import UnitOfWork
from shared.database.columns import SEPARATOR, joined

# Unchanged rows are the many, and cost one probe of the index; only the others travel back.
_CHANGED: Final = """
SELECT (k.place - 1)::integer, t.reference IS NOT NULL, coalesce(t.overdue, false)
FROM unnest(string_to_array($3, chr(31)), string_to_array($4, chr(31))::uuid[]) WITH ORDINALITY
  AS k(reference, digest, place)
LEFT JOIN LATERAL (
    SELECT {key} AS reference, digest, {overdue} AS overdue FROM {table}
    WHERE tenant = $1 AND feed = $2 AND {key} = k.reference LIMIT 1
) AS t ON true
WHERE t.digest IS DISTINCT FROM k.digest OR k.place = ANY($5::bigint[])
"""
# Of rows in order of reference everything in their span is read in one walk, and compared here: a quarter of the price.
_SPAN: Final = """
SELECT string_agg({key}, chr(31)), string_agg(uuid_send(digest), ''::bytea),
       string_agg(CASE WHEN {overdue} THEN '1' ELSE '0' END, '')
FROM {table} WHERE tenant = $1 AND feed = $2 AND {key} BETWEEN $3 AND $4
"""
# Every row is there. An UPDATE joined with them reads the whole table where the planner likes; this probes its index.
_UPDATE: Final = """
INSERT INTO {table} (tenant, feed, {names}) SELECT $1, $2, n.* FROM unnest({values}) AS n({names})
ON CONFLICT (tenant, feed, {key}) DO UPDATE SET {told}
"""
_FORGET: Final = "DELETE FROM {table} WHERE tenant = $1 AND feed = $2 AND {key} = ANY($3::text[])"


@dataclass(frozen=True, slots=True)
class Changed:
    """A row that differs from the last one of its loan or person, by its place among those asked for."""

    place: int
    known: bool
    was_overdue: bool


@dataclass(frozen=True)
class LastRows:
    """A table with the last row of each. `key`: the reference that names what a row is about.

    `columns`: what is kept, the key among it, each with its type. `overdue`: what says that the last row was overdue.
    """

    table: str
    key: str
    columns: Mapping[str, str]
    overdue: str = "false"

    def _statement(self, template: str) -> str:
        """The statement on this table; nothing that comes from outside is ever put into it."""
        kinds = enumerate(self.columns.values(), 3)
        return template.format(
            table=self.table,
            key=self.key,
            overdue=self.overdue,
            names=", ".join(self.columns),
            values=", ".join(f"${place}::{kind}[]" for place, kind in kinds),
            told=", ".join(f"{name} = excluded.{name}" for name in self.columns if name != self.key),
        )

    async def changed(
        self,
        uow: UnitOfWork,
        feed: str,
        references: pa.Array,
        digests: Sequence[str],
        *,
        always: Sequence[int] = (),
        in_order: bool = False,
    ) -> list[Changed]:
        """Which of the rows (at least one) differ from the last ones.

        Rows at the places `always` (from 0) are answered in any case. `in_order`: the references ascend, and few of
        the feed lie between the first and the last that are not among them.
        """
        if in_order:
            span = [references[0].as_py().decode(), references[-1].as_py().decode()]
            known, sealed, overdue = await uow.sql.fetchrow(self._statement(_SPAN), uow.tenant, feed, *span)
            return _differing(references, digests, _Last.of(known or "", sealed or b"", overdue or ""), always)
        given = [joined_column(references), joined(digests), [place + 1 for place in always]]
        rows = await uow.sql.fetch(self._statement(_CHANGED), uow.tenant, feed, *given)
        return [Changed(*row) for row in rows]

    async def insert(self, uow: UnitOfWork, feed: str, rows: pa.Table) -> None:
        """Keep the rows of what the feed did not name before; none is looked at one by one."""
        if not rows.num_rows:
            return
        content = pa.BufferOutputStream()
        pa_csv.write_csv(
            rows.append_column("tenant", _constant(uow.tenant, rows)).append_column("feed", _constant(feed, rows)),
            content,
            pa_csv.WriteOptions(include_header=False),
        )
        await uow.sql.copy_to_table(
            self.table,
            source=_once(content.getvalue().to_pybytes()),
            columns=[*self.columns, "tenant", "feed"],
            format="csv",
        )

    async def update(self, uow: UnitOfWork, feed: str, rows: pa.Table) -> None:
        """Replace the rows of what is known."""
        if rows.num_rows:
            columns = [column.to_pylist() for column in rows.sort_by(self.key).columns]
            await uow.sql.execute(self._statement(_UPDATE), uow.tenant, feed, *columns)

    async def forget(self, uow: UnitOfWork, feed: str, references: Sequence[str]) -> None:
        """What vanished: should it come again, it counts as new."""
        if references:
            await uow.sql.execute(self._statement(_FORGET), uow.tenant, feed, sorted(references))


@dataclass(frozen=True, slots=True)
class _Last:
    """The last rows of a span, in any order: references, digests as two halves each, whether overdue."""

    references: pa.Array
    digests: np.ndarray
    overdue: np.ndarray

    @classmethod
    def of(cls, known: str, digests: bytes, overdue: str) -> _Last:
        found = pc.split_pattern(pa.array([known]), SEPARATOR).values if known else pa.array([], pa.string())
        return cls(found, _halves(digests), np.frombuffer(overdue.encode(), np.uint8) == ord("1"))


def _differing(references: pa.Array, digests: Sequence[str], last: _Last, always: Sequence[int]) -> list[Changed]:
    if not len(last.references):
        return [Changed(place, known=False, was_overdue=False) for place in range(len(references))]
    index = pc.index_in(references.cast(pa.string()), value_set=last.references).fill_null(-1)
    found = np.frombuffer(index.buffers()[1], np.int32)[index.offset : index.offset + len(index)]
    differs = (last.digests[found] != _halves(bytes.fromhex("".join(digests)))).any(axis=1) | (found < 0)
    differs[list(always)] = True
    is_known = found >= 0
    was_overdue = is_known & last.overdue[found]
    return [
        Changed(place, known=bool(is_known[place]), was_overdue=bool(was_overdue[place]))
        for place in np.flatnonzero(differs).tolist()
    ]


def _halves(digests: bytes) -> np.ndarray:
    return np.frombuffer(digests, np.uint64).reshape(-1, 2)


async def _once(content: bytes) -> AsyncIterator[bytes]:
    """What the driver copies. Of Arrow's own buffer in a BytesIO the memory is never given back [M]."""
    yield content


def _constant(text: str, rows: pa.Table) -> pa.Array:
    return pa.repeat(pa.scalar(text), rows.num_rows)


def joined_column(column: pa.Array) -> str:
    """A column of text as one parameter (`shared.database.columns`), without touching its values one by one."""
    text = column if pa.types.is_string(column.type) else column.cast(pa.string())
    return str(pc.binary_join(pa.ListArray.from_arrays([0, len(text)], text), SEPARATOR)[0].as_py())
