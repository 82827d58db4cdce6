"""The core's write-back port: told outside any transaction what was agreed, which holds stand, who was contacted.

`POST {core_url}/v1/write-backs {items: [{id, kind, event, party_ref, reference, occurred_at, said}]}` is answered
`{items: [{id, status: acknowledged | refused, reason?}]}`, one for each. An item is one by its `id`, however often it
is sent: the core answers the second time what it answered the first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from shared.ids import derived_id
from shared.web.client import ServiceClient


class Said(NamedTuple):
    """What the core said to one item."""

    status: Literal["acknowledged", "refused"]
    reason: str


class _Items(BaseModel):
    items: list[dict[str, Any]]


class _Item(BaseModel):
    model_config = ConfigDict(extra="ignore")

    id: UUID
    status: Literal["acknowledged", "refused"]
    reason: str = ""


class _Answers(BaseModel):
    model_config = ConfigDict(extra="ignore")

    items: list[_Item]


class WriteBackPort:
    """Tells the core. Raises RemoteUnavailable, RemoteProblem: nobody knows what it took, and all is sent again."""

    def __init__(self, client: ServiceClient) -> None:
        self._client = client

    async def tell(self, items: Sequence[Mapping[str, Any]]) -> dict[UUID, Said]:
        """What the core said, by id of the item; what it left out is not acknowledged."""
        key = derived_id("write-backs", *(str(one["id"]) for one in items))
        answer = await self._client.command(
            "/v1/write-backs", _Answers, body=_Items(items=[dict(one) for one in items]), idempotency_key=str(key)
        )
        return {one.id: Said(one.status, one.reason) for one in answer.items}
