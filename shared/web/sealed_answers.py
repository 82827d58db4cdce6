"""Answers as they are kept: sealed under the service's key, with the people whom they may name.

Of whom was erased no answer is kept any more; that there was one is, so that no effect is repeated. A process of the
release before reads such a row as 503 "ask again" and never carries a command out twice.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from shared.database import UnitOfWork
from shared.security.sealing import RecordSealer

# What is kept in the clear beside the sealed answer: nothing but what a process of before would say.
UNREADABLE_STATUS: Final = 503
UNREADABLE_HEADERS: Final = '{"Retry-After": "1"}'

_UUID: Final = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_CLEAR: Final = """
SELECT tenant, caller, route, key, status, response_body, response_headers FROM idempotency_key
WHERE sealed_answer IS NULL AND body_sha256 <> '' AND recorded_at < $1 LIMIT $2 FOR UPDATE SKIP LOCKED
"""
_SEAL: Final = f"""
UPDATE idempotency_key k
SET sealed_answer = n.sealed, people = string_to_array(n.people, ',')::uuid[], status = {UNREADABLE_STATUS},
    response_body = '', response_headers = '{UNREADABLE_HEADERS}'
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bytea[], $6::text[])
  AS n(tenant, caller, route, key, sealed, people)
WHERE (k.tenant, k.caller, k.route, k.key) = (n.tenant, n.caller, n.route, n.key)
"""  # noqa: S608  # constants


def seal(sealer: RecordSealer, name: str, *, status: int, headers: Mapping[str, str], body: bytes) -> bytes:
    """The whole answer, sealed for the command of that name."""
    head = json.dumps({"status": status, "headers": dict(headers)}).encode()
    return sealer.seal(head + b"\n" + body, place=_place(name))


def unseal(sealer: RecordSealer, name: str, sealed: bytes) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body. Raises SealBrokenError."""
    head, _, body = sealer.open(sealed, place=_place(name)).partition(b"\n")
    known: dict[str, Any] = json.loads(head)
    return known["status"], known["headers"], body


def people_of(route: str, body: bytes, named: Iterable[UUID]) -> list[UUID]:
    """Whom an answer may name: who was locked for the command; where nobody was, whatever ids route and answer hold."""
    people = set(named) | _ids_in(route.encode())
    return sorted(people or _ids_in(body))


def sealing(sealer: RecordSealer) -> Callable[..., Awaitable[int]]:
    """Seals answers that a release of before kept in the clear, up to `limit` at once; returns how many."""

    async def seal_clear(uow: UnitOfWork, *, before: datetime, limit: int) -> int:
        rows = await uow.sql.fetch(_CLEAR, before, limit)
        if rows:
            names = [(row["tenant"], row["caller"], row["route"], row["key"]) for row in rows]
            sealed = [
                seal(
                    sealer, name_of(*name), status=row["status"], headers=json.loads(row["response_headers"]),
                    body=bytes(row["response_body"]),
                )
                for name, row in zip(names, rows, strict=True)
            ]  # fmt: skip
            # Nobody kept who was locked for these: whatever ids they hold.
            people = [_ids_in(row["route"].encode() + b" " + bytes(row["response_body"])) for row in rows]
            await uow.sql.execute(_SEAL, *zip(*names, strict=True), sealed, [joined(one) for one in people])
        return len(rows)

    return seal_clear


def name_of(tenant: str, caller: str, route: str, key: str) -> str:
    """The name of a command."""
    return "\x1f".join((tenant, caller, route, key))


def joined(people: Iterable[UUID]) -> str:
    """The ids as one text: an array of arrays cannot be sent."""
    return ",".join(map(str, sorted(people)))


def _place(name: str) -> str:
    return f"answer|{name}"


def _ids_in(content: bytes) -> set[UUID]:
    return {UUID(one.decode()) for one in _UUID.findall(content)}
