"""The log: checkpoint, proofs, export, and the leaves of one party."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query
from starlette.requests import Request
from starlette.responses import PlainTextResponse, StreamingResponse

from services.compliance.api.surroundings import instruments_of
from services.compliance.examples import CHECKPOINT
from services.compliance.log.export import stream_export
from services.compliance.log.tree import Node, consistency_spans, inclusion_spans, nodes_for, proof
from services.compliance.schemas.reading import CommittedFieldView, ConsistencyView, InclusionView, PartyLeafView
from services.compliance.store import log as store
from services.compliance.store.leaves import load_salts, subject_of
from shared.database import UnitOfWork
from shared.security.callers import scope
from shared.web.openapi import problem_responses
from shared.web.pages import Page, PageRequest, page_request
from shared.web.problems import FieldError, InvalidCursor, InvalidRequest, NotFound
from shared.web.state import database_of

router = APIRouter(prefix="/v1", tags=["log"], dependencies=[Depends(scope("compliance.read-log"))])
_Size = Annotated[int | None, Query(ge=1, description="Tree size; the newest checkpoint's if left out.")]


@router.get(
    "/log/checkpoint",
    response_class=PlainTextResponse,
    responses={200: {"content": {"text/plain": {"example": CHECKPOINT}}}, **problem_responses(NotFound)},
    summary="Newest signed checkpoint",
)
async def read_checkpoint(request: Request) -> PlainTextResponse:
    """The newest tree head as a C2SP signed note, with the cosignatures of the witnesses that have signed it by now."""
    async with database_of(request).read_only() as uow:
        newest = await _newest(uow)
        cosignatures = await store.cosignatures(uow, size=newest.size)
        return PlainTextResponse(newest.note + "".join(cosignatures.values()))


@router.get("/log/inclusion", responses=problem_responses(NotFound), summary="Inclusion proof")
async def read_inclusion(
    request: Request,
    leaf_index: Annotated[int, Query(ge=0, description="Index of the leaf.")],
    tree_size: _Size = None,
) -> InclusionView:
    """Proof that the leaf is in the tree of that size (RFC 9162 section 2.1.3)."""
    async with database_of(request).reading_settled() as uow:
        size = await _known_size(uow, tree_size)
        if leaf_index >= size:
            raise _refuse("/leaf_index", "lies beyond the tree")
        (view,) = await _inclusions(uow, [leaf_index], size)
        return view


@router.get("/log/consistency", responses=problem_responses(NotFound), summary="Consistency proof")
async def read_consistency(
    request: Request,
    first: Annotated[int, Query(ge=1, description="Size of the older tree.")],
    second: _Size = None,
) -> ConsistencyView:
    """Proof that the tree of size `second` extends the one of size `first` (RFC 9162 section 2.1.4)."""
    async with database_of(request).reading_settled() as uow:
        size = await _known_size(uow, second)
        if first > size:
            raise _refuse("/first", "lies beyond the second tree")
        path = await store.load_proof(uow, consistency_spans(first, size))
        return ConsistencyView(first=first, second=size, path=[_base64(value) for value in path])


@router.get(
    "/log/export",
    response_class=StreamingResponse,
    responses={200: {"content": {"application/x-tar": {}}}, **problem_responses(NotFound)},
    summary="The whole log",
)
async def export_log(request: Request) -> StreamingResponse:
    """A tar file of all leaves up to a checkpoint, their hashes apart from them, all checkpoints, and the keys.

    It closes with the newest checkpoint that enough witnesses cosigned; with the newest of all when there is none.
    `tools/verify_log.py` verifies it offline; give it the key's fingerprint from elsewhere.
    """
    database, instruments = database_of(request), instruments_of(request)
    keys = [instruments.log_key, *instruments.older_log_keys, *(witness.key for witness in instruments.witnesses)]
    async with database.read_only() as uow:
        required = instruments.witnesses_required
        newest = (required and await store.last_witnessed(uow, required=required)) or await _newest(uow)

    async def content() -> AsyncIterator[bytes]:
        # The tables only grow and the size is fixed, so what is read is one state although new leaves keep coming.
        async with database.read_only() as uow:
            async for block in stream_export(uow, size=newest.size, keys=keys):
                yield block

    return StreamingResponse(
        content(),
        media_type="application/x-tar",
        headers={"Content-Disposition": f'attachment; filename="audit-log-{newest.size}.tar"'},
    )


@router.get(
    "/parties/{party_id}/leaves", responses=problem_responses(InvalidCursor, NotFound), summary="One party's leaves"
)
async def read_party_leaves(
    request: Request,
    party_id: Annotated[UUID, Path(description="The party.")],
    page: Annotated[PageRequest, Depends(page_request)],
) -> Page[PartyLeafView]:
    """The party's chain of leaves, each with its inclusion proof under the newest checkpoint.

    Each committed field comes with the salt that opens its commitment, or says that it is erased.
    """
    list_name = f"leaves:{party_id}"
    after = page.after(list_name, int)
    cipher = instruments_of(request).cipher
    async with database_of(request).read_only() as uow:
        size = (await _newest(uow)).size
        subject = await subject_of(uow, cipher, party_id)
        found = await store.party_leaves(uow, subject, after=-1 if after is None else after[0], limit=page.limit + 1)
        leaves = [leaf for leaf in found if leaf.index < size]
        proofs = dict(
            zip((leaf.index for leaf in leaves), await _inclusions(uow, [x.index for x in leaves], size), strict=True)
        )
        salts = await load_salts(uow, cipher, subject, [leaf.leaf_id for leaf in leaves])
    return page.page(
        leaves,
        list_name=list_name,
        key=lambda leaf: (leaf.index,),
        item=lambda leaf: _view(leaf, proofs[leaf.index], salts.get(leaf.leaf_id, {})),
    )


async def _newest(uow: UnitOfWork) -> store.StoredCheckpoint:
    newest = await store.last_checkpoint(uow)
    if newest is None:
        raise NotFound("nothing was logged yet")
    return newest


async def _known_size(uow: UnitOfWork, asked: int | None) -> int:
    newest = (await _newest(uow)).size
    if asked is not None and asked > newest:
        raise _refuse("/tree_size", "lies beyond the newest checkpoint")
    return newest if asked is None else asked


async def _inclusions(uow: UnitOfWork, indexes: Sequence[int], size: int) -> list[InclusionView]:
    spans = {index: inclusion_spans(index, size) for index in indexes}
    wanted = {node for each in spans.values() for node in nodes_for(each)} | {Node(0, index) for index in indexes}
    nodes = await store.load_nodes(uow, sorted(wanted))
    return [
        InclusionView(
            leaf_index=index,
            tree_size=size,
            leaf_hash=_base64(nodes[Node(0, index)]),
            path=[_base64(value) for value in proof(spans[index], nodes)],
        )
        for index in indexes
    ]


def _view(leaf: store.PartyLeaf, inclusion: InclusionView, salts: Mapping[str, bytes]) -> PartyLeafView:
    record = json.loads(leaf.content)
    return PartyLeafView(
        leaf_id=leaf.leaf_id,
        kind=leaf.kind,
        record=record,
        leaf=_base64(leaf.content),
        fields=[_field(name, salts.get(name)) for name in record.get("committed", {})],
        proof=inclusion,
    )


def _field(name: str, salt: bytes | None) -> CommittedFieldView:
    if salt is None:
        return CommittedFieldView(name=name, state="erased", salt=None)
    return CommittedFieldView(name=name, state="open", salt=_base64(salt))


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()


def _refuse(pointer: str, detail: str) -> InvalidRequest:
    return InvalidRequest(errors=[FieldError("query", pointer, "out_of_range", detail)])
