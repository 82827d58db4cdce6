"""The rows of a pack: what was decided, permitted, done, found and complained about, and the facts judged on.

What is stored sealed is opened here, for the reader of the pack: each value is held by a commitment of a leaf, so that
the verifier proves it. Of an erased person nothing opens.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from services.compliance.complaint_desk import WORDS
from services.compliance.domain.judged_on import UnreadableFactsError, unpacked
from services.compliance.evidence.endings import load_endings
from services.compliance.evidence.files import PackFolder
from services.compliance.evidence.rows import document_of, is_of_scope
from services.compliance.evidence.scope import Scope
from services.compliance.store import evidence as store
from services.compliance.store.audits import SEALED_FACTS
from services.compliance.store.frames import load_told
from shared.database import UnitOfWork
from shared.security.party_keys import PartyCipher, Sealed

TABLES: Final = ("contacts", "decisions", "permits", "findings", "complaints", "holds")
FACTS: Final = "facts.jsonl"
Row = dict[str, Any]
Progress = Callable[[str, int], None]
_TOGETHER: Final = 200
# The record of a decision is an opening of its leaf, where it can be verified.
_OPENED_ELSEWHERE: Final = frozenset({"record"})


async def write_tables(
    uow: UnitOfWork, cipher: PartyCipher, scope: Scope, files: PackFolder, on_progress: Progress, *, size: int,
    newest: int, other_permits: set[UUID],
) -> None:  # fmt: skip
    """One file for each table, and the facts of the decisions. `size`: leaves under the pack's checkpoint, `newest`:
    under the last one, by which what was deleted since is proved.
    """
    with files.lines(FACTS) as facts:
        for table in TABLES:
            with files.lines(f"{table}.jsonl") as lines:
                async for rows in _batches(uow, cipher, table, scope, other_permits):
                    endings = await load_endings(uow, {row["party_id"] for row in rows} - {None}, size=newest)
                    deleted = [endings.of_row(table, row) for row in rows]
                    documents = await _documents(uow, cipher, table, rows, size)
                    for words, document in zip(deleted, documents, strict=True):
                        lines.add(document if words is None else document | {"deleted": words})
                    if table == "decisions":
                        for line in await _facts(uow, cipher, rows, deleted):
                            if line["leaf_index"] is not None and line["leaf_index"] < size:
                                facts.add(line)
                    on_progress(table, lines.count)
                on_progress(table, lines.count)


async def _batches(
    uow: UnitOfWork, cipher: PartyCipher, table: str, scope: Scope, other_permits: set[UUID]
) -> AsyncIterator[list[Row]]:
    batch: list[Row] = []
    async for row in store.rows(uow, cipher, table, party_id=scope.party_id, start=scope.start, end=scope.end):
        if is_of_scope(row, scope, other_permits):
            batch.append(row)
        if len(batch) == _TOGETHER:
            yield batch
            batch = []
    yield batch


async def examined(uow: UnitOfWork, cipher: PartyCipher, name: str, rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The rows of the list `name` as an examiner is shown them; of `facts` what those of `decisions` were judged on.

    Nothing is proved by them: that is what a pack is for.
    """
    parties = {row["party_id"] for row in rows if row["party_id"] is not None}
    endings = await load_endings(uow, parties, size=None)
    deleted = [endings.of_row("decisions" if name == "facts" else name, row) for row in rows]
    if name == "facts":
        documents = await _facts(uow, cipher, rows, deleted)
    else:
        documents = await _with_words(uow, cipher, name, rows, [document_of(row) for row in rows])
        if name == "decisions":
            for document, record in zip(documents, await load_told(uow, [row["record"] for row in rows]), strict=True):
                document["record"] = record
    return [
        document if words is None else document | {"deleted": words}
        for words, document in zip(deleted, documents, strict=True)
    ]


async def _documents(
    uow: UnitOfWork, cipher: PartyCipher, table: str, rows: Sequence[Row], size: int
) -> list[dict[str, Any]]:
    without = _OPENED_ELSEWHERE if table == "decisions" else frozenset[str]()
    documents = [document_of(row, without=without) for row in rows]
    for document in documents:
        if document.get("leaf_index") is not None and document["leaf_index"] >= size:
            document["leaf_index"] = None  # the log holds it already, but not under the pack's checkpoint
    if table == "permits":
        later = await store.changed_later(uow, {row["party_id"] for row in rows}, size)
        for row, document in zip(rows, documents, strict=True):
            document["changed_later"] = row["permit_id"] in later
    return await _with_words(uow, cipher, table, rows, documents)


async def _with_words(
    uow: UnitOfWork, cipher: PartyCipher, table: str, rows: Sequence[Row], documents: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Complaints with the words that were said."""
    if table == "complaints":
        sealed = [Sealed(row["party_id"], WORDS, bytes(row["sealed_words"])) for row in rows if row["sealed_words"]]
        words = iter(await cipher.open_many(uow, sealed))
        for row, document in zip(rows, documents, strict=True):
            document["words"] = next(words) if row["sealed_words"] else None
    return documents


async def _facts(
    uow: UnitOfWork, cipher: PartyCipher, rows: Sequence[Row], deleted: Sequence[str | None]
) -> list[dict[str, Any]]:
    """The facts of each decision, in the bytes that its record names by their digest; `deleted`: why there are none."""
    kept = [row for row in rows if row["sealed_facts"] is not None]
    sealed = [Sealed(row["party_id"], SEALED_FACTS, bytes(row["sealed_facts"])) for row in kept]
    opened = dict(zip((row["decision_id"] for row in kept), await cipher.open_many(uow, sealed), strict=True))
    return [
        _facts_line(row, opened) | ({} if words is None else {"state": words.split(" ", 1)[0], "deleted": words})
        for row, words in zip(rows, deleted, strict=True)
    ]


def _facts_line(row: Mapping[str, Any], opened: Mapping[UUID, str | None]) -> dict[str, Any]:
    line = {"leaf_index": row["leaf_index"], "decision_id": str(row["decision_id"])}
    if row["decision_id"] not in opened:
        return line | {"state": "not_kept"}
    text = opened[row["decision_id"]]
    if text is None:
        return line | {"state": "erased"}
    try:
        return line | {"state": "open", "facts": unpacked(text).decode()}
    except UnreadableFactsError:
        return line | {"state": "unreadable"}
