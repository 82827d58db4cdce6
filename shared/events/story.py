"""The people and things of the examples in all contracts, events and HTTP: one party, one case, one visit, one plan.

On 2026-03-10 the party is 33 days past due with one card; on 2026-03-12 two collectors visit, and a plan is signed.
"""

from __future__ import annotations

from typing import Any, Final

PARTY: Final = "019d2f00-0000-8a01-8000-000000000001"
CASE: Final = "019d2f00-0000-8a01-8000-000000000002"
VISIT: Final = "019d2f00-0000-8a01-8000-000000000003"
PLAN: Final = "019d2f00-0000-8a01-8000-000000000004"
PERMIT: Final = "019d2f00-0000-8a01-8000-000000000005"
LOAN: Final = "019d2f00-0000-8a01-8000-000000000006"
COLLECTORS: Final = ["019d2f00-0000-8a01-8000-00000000000a", "019d2f00-0000-8a01-8000-00000000000b"]
PAIR: Final = "019d2f00-0000-8a01-8000-00000000000c"
OTHER: Final = "019d2f00-0000-8a01-8000-00000000000d"
DECISION: Final = "019d2f00-0000-8a01-8000-00000000000e"
HOLD: Final = "019d2f00-0000-8a01-8000-00000000000f"
CONTACT: Final = "019d2f00-0000-8a01-8000-000000000010"
FIELD_DAY: Final = "019d2f00-0000-8a01-8000-000000000011"
MESSAGE: Final = "019d2f00-0000-8a01-8000-000000000012"
ALARM: Final = "019d2f00-0000-8a01-8000-000000000013"
FINDING: Final = "019d2f00-0000-8a01-8000-000000000014"
LEAF: Final = "019d2f00-0000-8a01-8000-000000000015"
COMPLAINT: Final = "019d2f00-0000-8a01-8000-000000000017"
REQUEST: Final = "019d2f00-0000-8a01-8000-000000000016"

DEVICE: Final = "device-7"
CELL: Final = "88309a5915fffff"
HOME: Final = {"lat": 31.23, "lon": 121.47, "crs": "WGS84"}
DIGEST: Final = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
WINDOW: Final = {"start": "2026-03-12T01:00:00Z", "end": "2026-03-12T03:00:00Z"}
FIELD_DATE: Final = "2026-03-12"
CHECKED_IN_AT: Final = "2026-03-12T01:32:00Z"
CHECKED_OUT_AT: Final = "2026-03-12T02:05:00Z"
# Shown where a signed token stands; a real one is much longer.
TOKEN: Final = "eyJhbGciOiJFZDI1NTE5In0.eyJqdGkiOiIwMTlkMmYwMCJ9.c2lnbmF0dXJl"  # noqa: S105  # an example, no secret


def cny(amount_minor: int) -> dict[str, Any]:
    """Money in yuan, given in fen."""
    return {"amount_minor": amount_minor, "currency": "CNY"}
