"""The address of a database as its driver takes it."""

from __future__ import annotations

from sqlalchemy.engine import URL, make_url


def driver_url(address: str) -> URL:
    """The address for asyncpg, which SQLAlchemy calls by keywords: what libpq names `sslmode` is `ssl` there.

    Raises sqlalchemy.exc.ArgumentError.
    """
    url = make_url(address).set(drivername="postgresql+asyncpg")
    mode = url.query.get("sslmode")
    return url if mode is None else url.difference_update_query(["sslmode"]).update_query_dict({"ssl": mode})
