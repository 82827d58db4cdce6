"""Keyset pages: a list is read by its sort key, so rows that arrive meanwhile neither repeat nor hide others."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Generic, Self, TypeVar
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from shared.web.problems import FieldError, InvalidCursor

T = TypeVar("T")
R = TypeVar("R")
KeyPart = str | int | datetime | UUID
MAX_CURSOR_LENGTH = 1024
_CHECK_BYTES = 8


class Page(BaseModel, Generic[T]):
    """One page of a list."""

    # A generic's docstring does not reach the schemas of its forms.
    model_config = ConfigDict(json_schema_extra={"description": "One page of a list."})

    items: list[T] = Field(description="The page's items, in the list's order.")
    next: str | None = Field(
        None,
        description="Opaque cursor of the next page; null on the last one.",
        examples=["q1vKLs4lEJNbIjAxOWQyZjAwLTAwMDAtOGEwMS04MDAwLTAwMDAwMDAwMDAwMyJd"],
    )


@dataclass(frozen=True)
class PageRequest:
    """What the caller asked for: at most `limit` items after `cursor`."""

    limit: int
    cursor: str | None

    def after(self, list_name: str, *types: type[KeyPart]) -> tuple[Any, ...] | None:
        """The sort key to continue after, as values of `types`, or None for the first page.

        `list_name` names the list and its filters: a cursor of another list or filter is refused. Raises InvalidCursor.
        """
        return None if self.cursor is None else decode_cursor(self.cursor, list_name, *types)

    def page(
        self, rows: Sequence[R], *, list_name: str, key: Callable[[R], Sequence[KeyPart]], item: Callable[[R], T]
    ) -> Page[T]:
        """Build the page from up to `limit + 1` rows: the extra row only tells that there is more."""
        shown = rows[: self.limit]
        more = len(rows) > self.limit
        return Page[T](
            items=[item(row) for row in shown],
            next=encode_cursor(list_name, *key(shown[-1])) if more and shown else None,
        )

    @classmethod
    def first(cls, limit: int = 50) -> Self:
        """A request for the first page, for callers inside the process."""
        return cls(limit=limit, cursor=None)


def page_request(
    limit: Annotated[int, Query(ge=1, le=200, description="Most items on one page.")] = 50,
    cursor: Annotated[
        str | None,
        Query(max_length=MAX_CURSOR_LENGTH, description="The `next` of the page before; absent for the first."),
    ] = None,
) -> PageRequest:
    """FastAPI dependency: `page: Annotated[PageRequest, Depends(page_request)]`."""
    return PageRequest(limit=limit, cursor=cursor)


def encode_cursor(list_name: str, *key: KeyPart) -> str:
    """An opaque, checked cursor. It is not secret: it only positions inside a list the caller may read anyway."""
    payload = json.dumps(
        [part if isinstance(part, int) else _text(part) for part in key], separators=(",", ":")
    ).encode()
    return base64.urlsafe_b64encode(_check(list_name, payload) + payload).decode().rstrip("=")


def decode_cursor(cursor: str, list_name: str, *types: type[KeyPart]) -> tuple[Any, ...]:
    """The key inside a cursor. Raises InvalidCursor when it was not made by `encode_cursor` for this list."""
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        payload = raw[_CHECK_BYTES:]
        if raw[:_CHECK_BYTES] != _check(list_name, payload):
            raise _refusal()
        values = json.loads(payload)
        if not isinstance(values, list) or len(values) != len(types):
            raise _refusal()
        return tuple(TypeAdapter(kind).validate_python(value) for kind, value in zip(types, values, strict=True))
    except (binascii.Error, ValueError, UnicodeError, RecursionError, ValidationError) as error:
        raise _refusal() from error


def _text(part: KeyPart) -> str:
    return part.isoformat() if isinstance(part, datetime) else str(part)


def _check(list_name: str, payload: bytes) -> bytes:
    return hashlib.blake2b(
        payload, digest_size=_CHECK_BYTES, person=hashlib.sha256(list_name.encode()).digest()[:16]
    ).digest()


def _refusal() -> InvalidCursor:
    return InvalidCursor(errors=[FieldError("query", "/cursor", "invalid_cursor", "is not a cursor of this list")])
