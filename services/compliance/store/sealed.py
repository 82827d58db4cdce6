"""What of a row only its person's key opens: the records of decisions and contacts, the terms of permits, words told.

Rows of before version 0019 were in the clear until the worker sealed them (`sealing_desk`): both forms are read here.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import lz4.block

from services.compliance.domain.canonical import Json
from services.compliance.domain.permits import Permit
from shared.database import UnitOfWork
from shared.security.party_keys import PartyCipher, Plain, Sealed

DECISION: Final = "decision.sealed_record"
CONTACT: Final = "contact_audit.sealed_record"
PERMIT: Final = "permit.sealed_terms"
WORD: Final = "dossier_entry.sealed_word"


@dataclass(frozen=True, slots=True)
class Terms:
    """Who may come where on a permit, and the token that says so."""

    crew: tuple[UUID, ...]
    place_cell: str | None
    token: str
    third_person: str | None = None


def plain_record(party_id: UUID, field: str, record: bytes) -> Plain:
    """The record of a decision or a contact, to be sealed as `field`."""
    # Compressed before it is sealed, for afterwards it cannot be; this costs a seventh of what zlib would.
    return Plain(party_id, field, base64.b64encode(lz4.block.compress(record)).decode())


def plain_terms(permit: Permit, token: str) -> Plain:
    """The permit's terms, to be sealed."""
    return plain_terms_of(permit.party_id, Terms(permit.crew, permit.place_cell, token, permit.third_person))


def plain_terms_of(party_id: UUID, terms: Terms) -> Plain:
    """The terms of a permit of that party, to be sealed."""
    document: dict[str, Json] = {
        "crew": [str(one) for one in terms.crew], "place_cell": terms.place_cell, "token": terms.token,
    }  # fmt: skip
    if terms.third_person is not None:
        document["third_person"] = terms.third_person
    return Plain(party_id, PERMIT, json.dumps(document, separators=(",", ":")))


def plain_word(party_id: UUID, value: Json, reference: str | None) -> Plain:
    """What was told, and where it can be looked up, to be sealed."""
    return Plain(party_id, WORD, json.dumps({"value": value, "reference": reference}, separators=(",", ":")))


async def open_records(
    uow: UnitOfWork, cipher: PartyCipher, rows: Sequence[Mapping[str, Any]], field: str
) -> list[bytes | None]:
    """The record of each row (with `party_id`, `record`, `sealed_record`); None where the person was erased."""
    opened = await _open(uow, cipher, rows, "sealed_record", field)
    return [
        bytes(row["record"]) if row["record"] is not None else None if text is None else _record(text)
        for row, text in zip(rows, opened, strict=True)
    ]


async def open_terms(uow: UnitOfWork, cipher: PartyCipher, rows: Sequence[Mapping[str, Any]]) -> list[Terms | None]:
    """The terms of each row of `permit`; None where the person was erased."""
    opened = await _open(uow, cipher, rows, "sealed_terms", PERMIT)
    return [
        Terms(tuple(row["crew"]), row["place_cell"], row["token"])
        if row["token"] is not None
        else None
        if text is None
        else _terms(json.loads(text))
        for row, text in zip(rows, opened, strict=True)
    ]


async def open_words(
    uow: UnitOfWork, cipher: PartyCipher, rows: Sequence[Mapping[str, Any]]
) -> list[tuple[Any, str | None] | None]:
    """Value and reference of each row of `dossier_entry`; None where the person was erased."""
    opened = await _open(uow, cipher, rows, "sealed_word", WORD)
    words: list[tuple[Any, str | None] | None] = []
    for row, text in zip(rows, opened, strict=True):
        if row["value"] is not None:
            words.append((row["value"], row["reference"]))
        elif text is None:
            words.append(None)
        else:
            word = json.loads(text)
            words.append((word["value"], word["reference"]))
    return words


def _record(text: str) -> bytes:
    record: bytes = lz4.block.decompress(base64.b64decode(text))
    return record


def _terms(document: Mapping[str, Any]) -> Terms:
    crew = tuple(UUID(one) for one in document["crew"])
    return Terms(crew, document["place_cell"], document["token"], document.get("third_person"))


async def _open(
    uow: UnitOfWork, cipher: PartyCipher, rows: Sequence[Mapping[str, Any]], column: str, field: str
) -> list[str | None]:
    """The text behind `column` of each row, None where there is none or it cannot be opened any more."""
    sealed = [(place, row) for place, row in enumerate(rows) if row[column] is not None]
    texts = await cipher.open_many(uow, [Sealed(row["party_id"], field, bytes(row[column])) for _, row in sealed])
    found: list[str | None] = [None] * len(rows)
    for (place, _), text in zip(sealed, texts, strict=True):
        found[place] = text
    return found
