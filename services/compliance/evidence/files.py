"""The files of a pack: written line by line, hashed while they are written, and whole or not there at all."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Final, Self

SUMS: Final = "SHA256SUMS"


class PackExists(RuntimeError):  # noqa: N818  # reads as a fact at the call site
    """The folder is there already; a pack is never written over another."""


class Lines:
    """One file that grows by lines."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._digest = hashlib.sha256()
        self.count = 0

    def add(self, document: Mapping[str, Any]) -> None:
        """One JSON document on one line."""
        text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
        self.add_text(text)

    def add_text(self, text: str) -> None:
        """One line as it is."""
        content = f"{text}\n".encode()
        self._file.write(content)
        self._digest.update(content)
        self.count += 1

    @property
    def sha256(self) -> str:
        """Of everything written so far."""
        return self._digest.hexdigest()


class PackFolder:
    """A folder under a draft name; it takes its own when everything is written, and its digest is known."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.draft = folder.with_name(f"{folder.name}.part")
        self.counts: dict[str, int] = {}
        self.digest = ""
        self._sums: dict[str, str] = {}

    def __enter__(self) -> Self:
        if self.folder.exists():
            raise PackExists(f"{self.folder} exists")
        if self.draft.exists():
            shutil.rmtree(self.draft)
        self.draft.mkdir(mode=0o700, parents=True)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if error is not None:
            shutil.rmtree(self.draft)
            return
        sums = "".join(f"{digest}  {name}\n" for name, digest in sorted(self._sums.items()))
        (self.draft / SUMS).write_text(sums, encoding="utf-8")
        self.digest = hashlib.sha256(sums.encode()).hexdigest()
        self.draft.rename(self.folder)

    @contextmanager
    def lines(self, name: str) -> Iterator[Lines]:
        """A new file of the pack."""
        path = self.draft / name
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with path.open("wb") as file:
            lines = Lines(file)
            yield lines
        self._sums[name] = lines.sha256
        self.counts[name] = lines.count
