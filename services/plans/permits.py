"""Compliance's permits, as plans asks for them: no message about a plan leaves without one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from shared.ids import derived_id
from shared.messaging import Intent
from shared.permits import PermitDecision, ask_for_permits
from shared.web.client import RemoteProblem, RemoteUnavailable, ServiceClient

RELEASE_PERMIT: Final = "plan.permit_release"
_ASK_AGAIN: Final = frozenset({401, 403, 409, 425, 429})


async def ask(
    compliance: ServiceClient, requests: Sequence[dict[str, Any]], *, of: Sequence[Intent]
) -> dict[UUID, PermitDecision]:
    """The decisions by request; empty when nobody answered. Raises RemoteProblem for a refused question."""
    if not requests:
        return {}
    # The attempts are part of the key: a refusal for missing facts is not replayed.
    key = derived_id("plan-permits", *(f"{intent.id}:{intent.attempts}" for intent in of))
    try:
        return await ask_for_permits(compliance, requests, key=str(key))
    except RemoteUnavailable:
        return {}
    except RemoteProblem as problem:
        if problem.status in _ASK_AGAIN:
            return {}
        raise
