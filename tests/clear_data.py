"""Every row of every table of a service, looked through for what it was told of people in clear."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Iterator

from shared.database import Database

_TABLES = """
SELECT c.relname FROM pg_class c
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relnamespace = 'public'::regnamespace ORDER BY 1
"""
# Fewer digits are found in ids and digests by chance.
_ENOUGH_DIGITS = 7


def forms_of(word: str) -> Iterator[str]:
    """The word in every form in which a column could hold it readably, or to be guessed: without a key."""
    digits = "".join(one for one in word if one.isdecimal())
    texts = {word, word.casefold(), "".join(word.casefold().split())}
    if len(digits) >= _ENOUGH_DIGITS:
        texts |= {digits, f"+{digits}"}
    for text in texts:
        content = text.encode()
        yield text
        yield text.encode("unicode_escape").decode()
        yield content.hex()
        yield base64.b64encode(content).decode().rstrip("=")
        for digest in (hashlib.sha256, hashlib.sha1, hashlib.md5, hashlib.blake2b):
            yield digest(content).hexdigest()
            yield base64.b64encode(digest(content).digest()).decode().rstrip("=")


async def holding(database: Database, words: Iterable[str]) -> dict[str, set[str]]:
    """By table that holds one of the words in some form: which. Bytes are shown as hexadecimal digits."""
    forms = {form: word for word in words for form in forms_of(word)}
    found: dict[str, set[str]] = {}
    async with database.read_only() as uow:
        for table in [row["relname"] for row in await uow.sql.fetch(_TABLES)]:
            for row in await uow.sql.fetch(f'SELECT t::text AS held FROM "{table}" t'):
                words_held = {word for form, word in forms.items() if form in row["held"]}
                if words_held:
                    found.setdefault(table, set()).update(words_held)
    return found


async def filled(database: Database) -> set[str]:
    """The tables with a row: those that were looked through in earnest."""
    async with database.read_only() as uow:
        tables = [row["relname"] for row in await uow.sql.fetch(_TABLES)]
        return {table for table in tables if await uow.sql.fetchval(f'SELECT EXISTS (SELECT FROM "{table}")')}
