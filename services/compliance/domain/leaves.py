"""Leaves of the log: what is public, commitments to what is personal, and the party's own chain.

A commitment is HMAC-SHA-256(salt, length-prefixed name and value) with a random 256-bit salt per field. The party's
commitment uses one salt for all of its leaves, so that the chain of a party can be followed without knowing the party.
Salts are kept encrypted under the party's key, outside the leaves: without them the leaf says nothing about anybody.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

from services.compliance.domain.canonical import Json, canonical, format_time

SALT_BYTES: Final = 32
LeafKind = Literal[
    "decision",
    "contact",
    "hold",
    "hold_end",
    "hold_end_asked",
    "revocation",
    "release",
    "permit_use",
    "rule_set",
    "pack_release",
    "approver_key",
    "sample_seed",
    "sample_draw",
    "sample_judgement",
    "finding",
    "complaint",
    "check_in_refused",
    "card_reading",
    "feed",
    "feed_day",
    "manifest",
    "origin",
    "key_rotation",
    "custody",
    "examination",
    "told",
    "override",
    "override_end",
    "legal_hold",
    "erasure",
    "restriction",
    "retention",
    "access",
    "cutover",
    "duty",
    "identity",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewLeaf:
    """What is to be proved later. `public` holds nothing personal; each of `committed` is only committed to.

    The committed values are kept beside their salts, sealed for the party, so that they can be opened later; but those
    of the names in `kept_elsewhere`, whose bytes another table holds.
    """

    kind: LeafKind
    leaf_id: UUID
    party_id: UUID | None
    occurred_at: datetime
    recorded_at: datetime
    public: Mapping[str, Json] = field(default_factory=dict)
    committed: Mapping[str, bytes] = field(default_factory=dict)
    kept_elsewhere: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Chain:
    """Where a party's chain stands: its commitment salt, number and hash of its last leaf."""

    salt: bytes
    sequence: int = 0
    last_hash: bytes | None = None


@dataclass(frozen=True, slots=True)
class BuiltLeaf:
    """A leaf's final bytes, its RFC 9162 hash, the salts of its fields, and the chain after it."""

    content: bytes
    hash: bytes
    salts: Mapping[str, bytes]
    chain: Chain | None


def commitment(salt: bytes, name: str, value: bytes) -> str:
    """HMAC-SHA-256 over length-prefixed name and value, hexadecimal: no two (name, value) pairs share an input."""
    encoded = name.encode()
    message = len(encoded).to_bytes(4) + encoded + len(value).to_bytes(4) + value
    return hmac.digest(salt, message, "sha256").hex()


def build(leaf: NewLeaf, chain: Chain | None, random_bytes: Callable[[int], bytes]) -> BuiltLeaf:
    """The leaf after its party's last one. `chain` is None exactly for leaves without a party."""
    salts = {name: random_bytes(SALT_BYTES) for name in leaf.committed}
    document: dict[str, Json] = {
        "v": 1,
        "kind": leaf.kind,
        "leaf_id": str(leaf.leaf_id),
        "occurred_at": format_time(leaf.occurred_at),
        "recorded_at": format_time(leaf.recorded_at),
        "committed": {name: commitment(salts[name], name, value) for name, value in leaf.committed.items()},
        **leaf.public,
    }
    if chain is not None and leaf.party_id is not None:
        document["party"] = commitment(chain.salt, "party", leaf.party_id.bytes)
        document["party_sequence"] = chain.sequence + 1
        document["previous"] = None if chain.last_hash is None else chain.last_hash.hex()
    content = canonical(document)
    value = hashlib.sha256(b"\x00" + content).digest()
    after = None if chain is None else Chain(chain.salt, chain.sequence + 1, value)
    return BuiltLeaf(content, value, salts, after)
