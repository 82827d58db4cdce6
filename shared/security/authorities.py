"""Whom a process trusts over TLS."""

from __future__ import annotations

import ssl
from functools import cache

import httpx


@cache
def trusted_authorities() -> ssl.SSLContext:
    """The certificate authorities of all HTTP clients of this process.

    Shared, because reading them costs 30 ms and 1 MB each time, and a service has about ten clients.
    """
    return httpx.create_ssl_context()
