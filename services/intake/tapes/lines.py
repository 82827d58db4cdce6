"""Blocks of whole lines of a file: bounded memory, whatever the file's size."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

BLOCK_BYTES = 1024 * 1024
LONGEST_LINE = 64 * 1024
_UTF8_MARK = codecs.BOM_UTF8


class UnreadableTapeError(ValueError):
    """The file as a whole cannot be read as the contract says; nothing of it has any effect."""


@dataclass(frozen=True, slots=True)
class Block:
    """Whole lines, the last one ended too. `first_line` is the number of the first one in the file, from 1."""

    content: bytes
    first_line: int
    count: int

    def lines(self) -> list[bytes]:
        """The lines without their ends (LF or CR LF)."""
        return [line.removesuffix(b"\r") for line in self.content.split(b"\n")[: self.count]]


def blocks(path: Path, *, encoding: str, size: int = BLOCK_BYTES) -> Iterator[Block]:
    """The file's lines in blocks of about `size` bytes, as UTF-8. Raises UnreadableTapeError for an endless line.

    Bytes that are none in `encoding` go through unchanged: they are no UTF-8 either, so their row shows them.
    """
    first_line, rest = 1, b""
    with path.open("rb") as file:
        for chunk in _decoded(file, encoding, size):
            content = rest + chunk
            end = content.rfind(b"\n") + 1
            if not end and len(content) > LONGEST_LINE:
                raise UnreadableTapeError(f"line {first_line} is longer than {LONGEST_LINE} bytes")
            rest = content[end:]
            if end:
                block = Block(content[:end], first_line, content.count(b"\n", 0, end))
                first_line += block.count
                yield block
    if rest:
        yield Block(rest + b"\n", first_line, 1)


def _decoded(file: BinaryIO, encoding: str, size: int) -> Iterator[bytes]:
    start = file.read(len(_UTF8_MARK))
    # A mark of the encoding (GB18030 has one, too) is no part of the first value.
    if encoding == "utf-8":
        if start and start != _UTF8_MARK:
            yield start
        while chunk := file.read(size):
            yield chunk
        return
    decoder = codecs.getincrementaldecoder(encoding)(errors="surrogateescape")
    text = decoder.decode(start)
    while chunk := file.read(size):
        text += decoder.decode(chunk)
        yield text.removeprefix("\ufeff").encode("utf-8", "surrogateescape")
        text = ""
    yield (text + decoder.decode(b"", final=True)).encode("utf-8", "surrogateescape")
