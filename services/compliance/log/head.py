"""The last signed head, remembered outside the database.

A restored or rewritten table cannot make us sign another tree.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from services.compliance.log.note import Checkpoint, NoteKey, opened_by_any


class ForkRefused(RuntimeError):  # noqa: N818  # reads as a fact at the call site
    """The tree is smaller than, or different from, one that was signed before.

    Nothing is signed until a person decides.
    """


class HeadMissing(ForkRefused):
    """Heads were signed, but the newest one is not where it is remembered outside the database.

    Without it nobody can tell a restored database from a whole one: an operator brings a signed note back.
    """

    def __init__(self, path: Path, size: int) -> None:
        super().__init__(
            f"{path} is missing, but a tree of {size} leaves was signed; it is never made anew: find the newest signed "
            "note (a witness, topic compliance, the minute copies) and run ./doorstep log restore-head NOTE"
        )


class SignedHead:
    """The file that holds the newest signed note. Written and synced before the note is published anywhere."""

    @classmethod
    def of(
        cls, folder: Path, generation: int, key: NoteKey, *, older_keys: Sequence[NoteKey] = ()
    ) -> SignedHead:  # fmt: skip
        """The file of the log's origin number `generation` in `folder`; `older_keys` signed before it."""
        name = "log-head.note" if generation == 1 else f"log-head-{generation}.note"
        return cls(folder / name, key, older_keys=older_keys)

    def __init__(self, path: Path, key: NoteKey, *, older_keys: Sequence[NoteKey] = ()) -> None:
        self.path = path
        self._keys = (key, *older_keys)

    def load(self) -> Checkpoint | None:
        """The remembered head; None before the first one. Raises NoteError when the file is not a note of our keys."""
        note = self.note()
        return None if note is None else opened_by_any(note, self._keys)

    def note(self) -> str | None:
        """The remembered head as it was signed."""
        return self.path.read_text(encoding="utf-8") if self.path.exists() else None

    def remember(self, note: str) -> None:
        """Replace the remembered head, durably: whole or not at all."""
        write_durably(self.path, note)


def write_durably(path: Path, text: str) -> None:
    """Replace the file, whole or not at all: synced before it takes its name, and the name before we return."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_suffix(".draft")
    with draft.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def refuse_fork(remembered: Checkpoint | None, *, size: int, root_at_remembered: bytes | None) -> None:
    """Refuse unless the tree of `size` leaves extends the remembered one. Raises ForkRefused.

    `root_at_remembered` is the present tree's root at the remembered size, None when the tree is smaller.
    """
    if remembered is None:
        return
    if size < remembered.size or root_at_remembered is None:
        raise ForkRefused(f"{size} leaves, but a tree of {remembered.size} was signed")
    if root_at_remembered != remembered.root:
        raise ForkRefused(f"the first {remembered.size} leaves are not those that were signed")
