"""The SQL of leaves waiting for the tree: bytes, salts and party chains, in the transaction that decided them."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from services.compliance.domain.leaves import SALT_BYTES, BuiltLeaf, Chain, NewLeaf, build
from services.compliance.store import card_readings, cutovers, refused_check_ins
from shared.database import UnitOfWork
from shared.database.session import together
from shared.ids import digest_id
from shared.security.party_keys import PartyCipher, Plain, Sealed

KeptChain = tuple[Chain, bytes]
"""A party's chain, and its salt as it is sealed."""
Chains = Mapping[UUID, KeptChain]

_CHAINS = """
SELECT party_id, sealed_salt, sequence, last_hash FROM party_chain
WHERE tenant = $1 AND party_id = ANY($2::uuid[]) AND sealed_salt <> ''
"""
_ENTRIES = """
INSERT INTO log_entry (leaf_id, party_id, kind, leaf, leaf_hash, recorded_at)
SELECT e.*, $6 FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::bytea[], $5::bytea[]) AS e
"""
_SAVE_CHAINS = """
INSERT INTO party_chain (tenant, party_id, sealed_salt, sequence, last_hash)
SELECT $1, c.* FROM unnest($2::uuid[], $3::bytea[], $4::bigint[], $5::bytea[]) AS c ORDER BY 2
ON CONFLICT (tenant, party_id) DO UPDATE
SET sealed_salt = excluded.sealed_salt, sequence = excluded.sequence, last_hash = excluded.last_hash
"""
_KEEP_SALTS = """
INSERT INTO leaf_salt (tenant, party_id, leaf_id, sealed_salts)
SELECT $1, s.* FROM unnest($2::uuid[], $3::uuid[], $4::bytea[]) AS s
"""
_QUEUE = """
INSERT INTO log_pending (leaf_id) SELECT p.leaf_id FROM unnest($1::uuid[]) WITH ORDINALITY AS p(leaf_id, position)
ORDER BY p.position
"""
_READ_SALTS = """
SELECT party_id, leaf_id, sealed_salts FROM leaf_salt
WHERE tenant = $1 AND party_id = ANY($2::uuid[]) AND leaf_id = ANY($3::uuid[])
"""
# The owner's function: the append-only tables let nothing else through.
_ERASE = "SELECT erase_people($1, $2::uuid[], $3::uuid[], $4)"
_NOT_RENAMED = """
SELECT party_id FROM party_chain WHERE tenant = $1 AND erased AND NOT renamed ORDER BY party_id LIMIT $2
"""
_ENDED_CHAINS = """
SELECT party_id FROM party_chain WHERE tenant = $1 AND party_id = ANY($2::uuid[]) AND erased
"""
_CHAIN_SALT = "party_chain.sealed_salt"
_LEAF_SALTS = "leaf_salt.sealed_salts"


async def append_leaves(
    uow: UnitOfWork, cipher: PartyCipher, leaves: Sequence[NewLeaf], *, chains: Chains | None = None
) -> None:
    """Append leaves in order to their parties' chains and to the queue of the tree. The parties are locked.

    `chains`: as they stand, if somebody has read them; nobody else has appended since.
    """
    if not leaves:
        return
    known = chains
    if known is None:
        known = await load_chains(uow, cipher, {leaf.party_id for leaf in leaves if leaf.party_id is not None})
    chains = await _begun(uow, cipher, known, leaves)
    built: list[tuple[NewLeaf, BuiltLeaf]] = []
    for leaf in leaves:
        result = build(leaf, None if leaf.party_id is None else chains[leaf.party_id][0], secrets.token_bytes)
        if leaf.party_id is not None and result.chain is not None:
            chains[leaf.party_id] = (result.chain, chains[leaf.party_id][1])
        built.append((leaf, result))
    salts = await _salts(uow, cipher, built)
    uow.sql.later(
        _SAVE_CHAINS,
        uow.tenant,
        list(chains),
        [sealed for _, sealed in chains.values()],
        [chain.sequence for chain, _ in chains.values()],
        [chain.last_hash for chain, _ in chains.values()],
    )
    uow.sql.later(_KEEP_SALTS, uow.tenant, *salts)
    uow.sql.later(_ENTRIES, *_columns(built), uow.real_now)
    uow.sql.later(_QUEUE, [leaf.leaf_id for leaf, _ in built])


async def insert_entries(uow: UnitOfWork, built: Sequence[tuple[NewLeaf, BuiltLeaf]]) -> None:
    """Keep the leaves' bytes alone: for the sequencer, which gives its own leaves their places."""
    await uow.sql.execute(_ENTRIES, *_columns(built), uow.real_now)


def _columns(built: Sequence[tuple[NewLeaf, BuiltLeaf]]) -> tuple[list[object], ...]:
    """Id, party, kind, bytes and hash of each leaf."""
    return (
        [leaf.leaf_id for leaf, _ in built],
        [leaf.party_id for leaf, _ in built],
        [leaf.kind for leaf, _ in built],
        [one.content for _, one in built],
        [one.hash for _, one in built],
    )


@dataclass(frozen=True, slots=True)
class Opening:
    """What opens a commitment. `value` None: it is kept elsewhere, or the leaf is older than keeping it."""

    salt: bytes
    value: bytes | None


async def load_salts(
    uow: UnitOfWork, cipher: PartyCipher, party_id: UUID, leaf_ids: Sequence[UUID]
) -> dict[UUID, dict[str, bytes]]:
    """The salts of the leaves' committed fields, by leaf and name. An erased party's leaves are missing."""
    found = await load_openings(uow, cipher, [party_id], leaf_ids)
    return {leaf_id: {name: one.salt for name, one in fields.items()} for leaf_id, fields in found.items()}


async def load_openings(
    uow: UnitOfWork, cipher: PartyCipher, party_ids: Iterable[UUID], leaf_ids: Iterable[UUID]
) -> dict[UUID, dict[str, Opening]]:
    """What opens the leaves' committed fields, by leaf and name; leaves of erased parties are missing."""
    rows = await uow.sql.fetch(_READ_SALTS, uow.tenant, sorted(set(party_ids)), list(leaf_ids))
    sealed = [Sealed(row["party_id"], _LEAF_SALTS, bytes(row["sealed_salts"])) for row in rows]
    opened = await cipher.open_many(uow, sealed)
    return {
        row["leaf_id"]: {name: _opening(kept) for name, kept in json.loads(text).items()}
        for row, text in zip(rows, opened, strict=True)
        if text is not None
    }


async def load_chain_salt(uow: UnitOfWork, cipher: PartyCipher, party_id: UUID) -> bytes | None:
    """The salt of the party's own commitment, which all leaves of its chain carry; None without a chain, or erased."""
    rows = await uow.sql.fetch(_CHAINS, uow.tenant, [party_id])
    opened = await cipher.open_many(uow, [Sealed(party_id, _CHAIN_SALT, bytes(row["sealed_salt"])) for row in rows])
    return next((bytes.fromhex(salt) for salt in opened if salt is not None), None)


def _opening(kept: str | list[str]) -> Opening:
    """Before values were kept, an entry was the salt alone."""
    if isinstance(kept, str):
        return Opening(bytes.fromhex(kept), None)
    salt, *value = kept
    return Opening(bytes.fromhex(salt), base64.b64decode(value[0]) if value else None)


def _kept(leaf: NewLeaf, salts: Mapping[str, bytes]) -> str:
    """The entry of each field: its salt, and its value unless another table keeps it."""
    return json.dumps(
        {
            name: [salt.hex()]
            if name in leaf.kept_elsewhere
            else [salt.hex(), base64.b64encode(leaf.committed[name]).decode()]
            for name, salt in salts.items()
        }
    )


def alias_of(cipher: PartyCipher, party_id: UUID) -> UUID:
    """What an erased person is called from then on: keyed, so that the person is known again and nobody else knows."""
    return digest_id(cipher.blind_index("erased_party", str(party_id)))


async def load_erased(uow: UnitOfWork, cipher: PartyCipher, party_ids: Iterable[UUID]) -> set[UUID]:
    """Those of the parties who were erased, under their id or their alias, whatever was recorded since."""
    named = {one: alias_of(cipher, one) for one in set(party_ids)}
    rows = await uow.sql.fetch(_ENDED_CHAINS, uow.tenant, sorted({*named, *named.values()}))
    ended = {row["party_id"] for row in rows}
    return {one for one, alias in named.items() if one in ended or alias in ended}


async def subject_of(uow: UnitOfWork, cipher: PartyCipher, party_id: UUID) -> UUID:
    """Under which id the person's leaves are found: an alias, once erased."""
    return alias_of(cipher, party_id) if await load_erased(uow, cipher, [party_id]) else party_id


async def load_not_renamed(uow: UnitOfWork, *, limit: int) -> list[UUID]:
    """People who were erased before their ids went with the rest."""
    return [row["party_id"] for row in await uow.sql.fetch(_NOT_RENAMED, uow.tenant, limit)]


async def erase_people(uow: UnitOfWork, cipher: PartyCipher, party_ids: Sequence[UUID]) -> None:
    """Drop the people's keys, salts and ids, and whatever says more of them than their leaves.

    The leaves stay and prove what they proved, and say nothing of anybody; rows that repeat them stay under an alias.
    The parties are locked. A leaf that comes later begins a new chain under a commitment that nothing joins to the old.
    """
    await cipher.erase(uow, party_ids)
    aliases = [alias_of(cipher, one) for one in party_ids]
    await uow.sql.execute(_ERASE, uow.tenant, list(party_ids), aliases, uow.now)
    await refused_check_ins.forget(uow, party_ids)
    await card_readings.forget(uow, party_ids)
    await cutovers.forget(uow, party_ids)


async def load_chains(uow: UnitOfWork, cipher: PartyCipher, party_ids: Iterable[UUID]) -> dict[UUID, KeptChain]:
    """Each party's chain with its sealed salt, and their keys for what will be sealed; reads only (`together`)."""
    ids = sorted(party_ids)
    rows, _ = await together(uow.sql, uow.sql.fetch(_CHAINS, uow.tenant, ids), cipher.look_up(uow, ids))
    opened = await cipher.open_many(uow, [Sealed(r["party_id"], _CHAIN_SALT, bytes(r["sealed_salt"])) for r in rows])
    chains: dict[UUID, KeptChain] = {}
    for row, salt in zip(rows, opened, strict=True):
        # An erased party gets no new commitments to its old name; a fresh salt starts an unlinkable chain.
        if salt is not None:
            chain = Chain(bytes.fromhex(salt), row["sequence"], row["last_hash"])
            chains[row["party_id"]] = (chain, bytes(row["sealed_salt"]))
    return chains


async def _begun(
    uow: UnitOfWork, cipher: PartyCipher, known: Chains, leaves: Sequence[NewLeaf]
) -> dict[UUID, KeptChain]:
    """The chains of the leaves' parties; a party without one begins it."""
    ids = sorted({leaf.party_id for leaf in leaves if leaf.party_id is not None})
    chains = {party_id: known[party_id] for party_id in ids if party_id in known}
    fresh = [(party_id, secrets.token_bytes(SALT_BYTES)) for party_id in ids if party_id not in chains]
    sealed = await cipher.seal_many(uow, [Plain(party_id, _CHAIN_SALT, salt.hex()) for party_id, salt in fresh])
    for (party_id, new_salt), sealed_salt in zip(fresh, sealed, strict=True):
        chains[party_id] = (Chain(new_salt), sealed_salt)
    return chains


async def _salts(
    uow: UnitOfWork, cipher: PartyCipher, built: Sequence[tuple[NewLeaf, BuiltLeaf]]
) -> tuple[list[UUID], list[UUID], Sequence[bytes]]:
    """Party, leaf and sealed salts of each leaf that commits to something."""
    salted = [(leaf.party_id, leaf, one.salts) for leaf, one in built if leaf.party_id is not None and one.salts]
    plain = [Plain(party_id, _LEAF_SALTS, _kept(leaf, salts)) for party_id, leaf, salts in salted]
    sealed = await cipher.seal_many(uow, plain)
    return [party_id for party_id, _, _ in salted], [leaf.leaf_id for _, leaf, _ in salted], sealed
