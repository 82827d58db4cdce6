"""The SQL of suspended feeds: one row for a core and a cause, however many loans it has."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import asyncpg

from shared.database import UnitOfWork

SuspensionCause = Literal["books_differ", "tape_missing"]

_SUSPEND = """
INSERT INTO feed_suspension (tenant, core, cause, since, detail) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (tenant, core, cause) WHERE released_at IS NULL DO NOTHING
RETURNING true
"""
_DETAIL = """
UPDATE feed_suspension SET detail = $4 WHERE tenant = $1 AND core = $2 AND cause = $3 AND released_at IS NULL
"""
_RELEASE = """
UPDATE feed_suspension SET released_at = $4, released_by = $5, reason = $6
WHERE tenant = $1 AND core = $2 AND cause = $3 AND released_at IS NULL
"""
_STANDING = """
SELECT core, string_agg(cause, '+' ORDER BY cause) AS causes FROM feed_suspension
WHERE tenant = $1 AND released_at IS NULL GROUP BY core ORDER BY core
"""
_PAGE = """
SELECT core, cause, since, detail, released_at, released_by, reason FROM feed_suspension
WHERE tenant = $1 AND (NOT $2 OR released_at IS NULL)
  AND ($3::timestamptz IS NULL OR (since, core, cause) < ($3, $4::text, $5::text))
ORDER BY since DESC, core DESC, cause DESC LIMIT $6
"""


async def suspend(uow: UnitOfWork, core: str, cause: SuspensionCause, *, detail: str) -> bool:
    """The core's feed is suspended for this cause; suspended again (False), only the detail is newer."""
    if await uow.sql.fetchval(_SUSPEND, uow.tenant, core, cause, uow.real_now, detail):
        return True
    await uow.sql.execute(_DETAIL, uow.tenant, core, cause, detail)
    return False


async def release(uow: UnitOfWork, core: str, cause: SuspensionCause, *, by: str, reason: str) -> bool:
    """Action on the core's cases goes on, as far as this cause goes; whether it was suspended."""
    status = await uow.sql.execute(_RELEASE, uow.tenant, core, cause, uow.real_now, by, reason)
    return str(status) != "UPDATE 0"


async def standing(uow: UnitOfWork) -> dict[str, str]:
    """The suspended cores with their causes, joined by `+`."""
    return dict(await uow.sql.fetch(_STANDING, uow.tenant))


async def page(
    uow: UnitOfWork, *, only_open: bool, before: tuple[datetime, str, str] | None, limit: int
) -> list[asyncpg.Record]:
    """Suspensions, the newest first."""
    return list(await uow.sql.fetch(_PAGE, uow.tenant, only_open, *(before or (None, None, None)), limit))
