"""The SQL of shared keys: their locks, who was reached on which, and what other people's contacts count on them."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple
from uuid import UUID

import asyncpg
from msgspec import structs

from services.compliance.domain.budget_keys import OF_ALL_CONTACTS, joined, keys_named, names_of
from services.compliance.domain.debts import Debt
from services.compliance.domain.facts import Counted
from services.compliance.domain.rule_records import Key
from services.compliance.domain.same_persons import Same, SamePerson, others_of, standing
from services.compliance.store.counted import counted_of
from services.compliance.store.debts import load_liable
from services.compliance.store.same_persons import load_same
from shared.database import UnitOfWork

# The one-number key space of advisory locks belongs to parties; 6 is this module's in the two-number one.
_SPACE: Final = 6
_LOCK = "SELECT count(pg_advisory_xact_lock($1, key)) FROM unnest($2::int[]) AS key"
# OFFSET keeps the planner from joining the other way round, which reads the whole table, large as the portfolio.
_REACHED = """
SELECT k.kind || ':' || k.key AS name, u.party_id
FROM unnest($2::text[], $3::text[]) AS k(kind, key), LATERAL (
    SELECT party_id FROM key_use WHERE tenant = $1 AND kind = k.kind AND key = k.key OFFSET 0
) AS u
"""
# What is known already is not written again: a conflict alone would lock its row.
_REACH = """
INSERT INTO key_use (tenant, kind, key, party_id, since, known_real)
SELECT $1, u.kind, u.key, u.party_id, u.since, $6
FROM unnest($2::text[], $3::text[], $4::uuid[], $5::timestamptz[]) AS u(kind, key, party_id, since)
WHERE NOT EXISTS (
    SELECT FROM key_use AS k
    WHERE k.tenant = $1 AND k.kind = u.kind AND k.key = u.key AND k.party_id = u.party_id AND k.since <= u.since
)
ORDER BY u.kind, u.key, u.party_id
ON CONFLICT (tenant, kind, key, party_id) DO UPDATE SET since = excluded.since
"""
_HOMES = (
    "SELECT party_id, key, since FROM key_use WHERE tenant = $1 AND kind = 'household' AND party_id = ANY($2::uuid[])"
)
EVER: Final = datetime(2000, 1, 1, tzinfo=UTC)
"""Since when somebody lives in a home of which nobody said it."""
_KEPT_HERE: Final = frozenset({"contact_point", "address", "household", "person"})
# One statement and so one look: a reservation that becomes a recorded contact meanwhile is seen once, as either.
_SHARED = """
SELECT 'contact' AS origin, party_id, permit_id, channel, purpose, started_at, ended_at, zones, attempt, contact,
       conversation, household_contacted, debtor_met, budget_keys, recorded_real
FROM contact_audit
WHERE tenant = $1 AND party_id = ANY($2::uuid[]) AND ended_at >= $3
  AND (budget_keys && $4::text[] OR party_id = ANY($5::uuid[]))
UNION ALL
SELECT 'permit', party_id, permit_id, channel, purpose, window_start, window_end, zones, true, true, true, true, true,
       budget_keys, NULL
FROM permit
WHERE tenant = $1 AND party_id = ANY($2::uuid[]) AND window_end >= $3 AND state = ANY($6::text[])
  AND (budget_keys && $4::text[] OR party_id = ANY($5::uuid[]))
"""
_RESERVING: Final = ("granted", "used")


async def lock_keys(uow: UnitOfWork, names: Iterable[str]) -> None:
    """Take the transaction-level locks of these keys: one statement, sorted, always after those of the parties.

    Two keys may share a lock (32 bits): they wait for each other, and nothing else.
    """
    numbers = sorted({_lock_number(uow.tenant, name) for name in names})
    if numbers:
        await uow.sql.fetchval(_LOCK, _SPACE, numbers)


def _lock_number(tenant: str, name: str) -> int:
    return int.from_bytes(hashlib.sha256(f"{tenant}|{name}".encode()).digest()[:4], signed=True)


async def load_homes(uow: UnitOfWork, party_ids: Iterable[UUID]) -> dict[UUID, dict[str, datetime]]:
    """The keys of all homes of each party, each with the business time from which it is theirs."""
    ids = sorted(set(party_ids))
    homes: dict[UUID, dict[str, datetime]] = {party_id: {} for party_id in ids}
    for row in await uow.sql.fetch(_HOMES, uow.tenant, ids) if ids else ():
        homes[row["party_id"]][row["key"]] = row["since"]
    return homes


class Reached(NamedTuple):
    """Somebody was, or may be, reached on these keys (by name) from that business time on."""

    party_id: UUID
    names: Iterable[str]
    since: datetime


async def reach(uow: UnitOfWork, reached: Iterable[Reached]) -> None:
    """Remember which people were, or may be, reached on which contact points, addresses and homes, and since when: of
    two moments the earlier one, and from then on for ever, for nobody knows who has left.

    Debts are found by `store.debts`. The parties are locked.
    """
    uses: dict[tuple[str, str, UUID], datetime] = {}
    for party_id, names, since in reached:
        for name in filter(_is_kept_here, names):
            use = (*_parts(name), party_id)
            uses[use] = min(since, uses.get(use, since))
    if uses:
        columns = [(*use, uses[use]) for use in sorted(uses)]
        uow.sql.later(_REACH, uow.tenant, *zip(*columns, strict=True), uow.real_now)


async def load_sharers(uow: UnitOfWork, names: Iterable[str]) -> set[UUID]:
    """Everybody whose contacts count, or may count, on any of these keys."""
    parts = sorted({_parts(name) for name in names})
    liable = await load_liable(uow, [UUID(key) for kind, key in parts if kind == "debt"])
    found = {one.party_id for bound in liable.values() for one in bound}
    kept = [part for part in parts if part[0] in _KEPT_HERE]
    if kept:
        found |= {row["party_id"] for row in await uow.sql.fetch(_REACHED, uow.tenant, *zip(*kept, strict=True))}
    return found | others_of(await load_same(uow, found)) if found else found


async def load_shared(
    uow: UnitOfWork, wanted: Mapping[UUID, Collection[str]], links: Mapping[UUID, Collection[str]], *,
    since: datetime, decided: bool, same: Same, resolved: Mapping[UUID, Collection[Key]],
) -> dict[UUID, tuple[Counted, ...]]:  # fmt: skip
    """What contacts with other people count on the keys that each of these parties wants, by party.

    `wanted`: names of keys by party; `links`: who shares which of them. `decided`: for a decision, which looks at
    reservations, too; else for an audit, which asks when each contact was told. `same`: other ids of the parties: their
    contacts are the parties' own, and nobody else's. `resolved`: of which kinds all keys of those others are known.
    """
    if not links:
        return {}
    everything = {name for names in wanted.values() for name in names}
    close = sorted(other for other, names in links.items() if any(_of_all_contacts(name) for name in names))
    rows = await uow.sql.fetch(
        _SHARED, uow.tenant, sorted(links), since, sorted(everything), close, list(_RESERVING if decided else ())
    )
    asking: dict[str, list[UUID]] = {}
    for party_id, names in wanted.items():
        for name in names:
            asking.setdefault(name, []).append(party_id)
    found: dict[UUID, list[Counted]] = {}
    for row in rows:
        other = row["party_id"]
        counted, names = _counted(row, links[other], decided=decided, resolved=resolved.get(other, ()))
        askers = {asker for name in names for asker in asking.get(name, ())} - {row["party_id"]}
        for party_id in sorted(one for one in askers if not _is_own(row, same.get(one, ()))):
            found.setdefault(party_id, []).append(counted)
    return {party_id: tuple(counted) for party_id, counted in found.items()}


async def load_links(
    uow: UnitOfWork, wanted: Mapping[UUID, Collection[str]], debts: Mapping[UUID, Sequence[Debt]]
) -> dict[UUID, set[str]]:
    """Who shares which of the keys wanted with somebody who wants it. `debts`: those that the parties are bound by."""
    askers: dict[str, set[UUID]] = {}
    for party_id, names in wanted.items():
        for name in names:
            askers.setdefault(name, set()).add(party_id)
    pairs = [
        (f"debt:{debt.key}", obligor.party_id)
        for bound in debts.values()
        for debt in bound
        for obligor in debt.obligors
    ]  # fmt: skip
    kept = sorted(_parts(name) for name in askers if _is_kept_here(name))
    if kept:
        rows = await uow.sql.fetch(_REACHED, uow.tenant, *zip(*kept, strict=True))
        pairs += [(row["name"], row["party_id"]) for row in rows]
    same = await load_same(uow, {party_id for _, party_id in pairs}) if pairs else {}
    pairs += [(name, other) for name, party_id in pairs for other in standing(same, party_id)]
    links: dict[UUID, set[str]] = {}
    for name, party_id in pairs:
        if askers.get(name, set()) - {party_id}:
            links.setdefault(party_id, set()).add(name)
    return links


def _parts(name: str) -> tuple[str, str]:
    kind, _, key = name.partition(":")
    return kind, key


def _is_kept_here(name: str) -> bool:
    return _parts(name)[0] in _KEPT_HERE


def _is_own(row: asyncpg.Record, same: Iterable[SamePerson]) -> bool:
    """Whether it is counted as the person's own, told of another id of theirs."""
    return any(other.party_id == row["party_id"] and other.shares(row["recorded_real"]) for other in same)


def _of_all_contacts(name: str) -> bool:
    return _parts(name)[0] in OF_ALL_CONTACTS


def _counted(
    row: asyncpg.Record, links: Iterable[str], *, decided: bool, resolved: Collection[Key]
) -> tuple[Counted, tuple[str, ...]]:
    """How somebody else's contact counts, and on which keys.

    One told before its person's debts or home were kept (of another system, or before the case) counts on those that
    link its person with who is asking: on none of a kind of which all are known of the person and none links them.
    """
    known = keys_named(row["budget_keys"] or ())
    linked = keys_named(name for name in links if _of_all_contacts(name))
    keys = joined(known, {kind: values for kind, values in linked.items() if kind not in known})
    keys.update((kind, frozenset()) for kind in resolved if kind not in keys)
    counted = counted_of(row)
    # A reservation counts as everything, and so as a call that nobody answered, too.
    unanswered = counted.unanswered or row["origin"] == "permit"
    told_real = None if decided else row["recorded_real"]
    counted = structs.replace(counted, keys=keys, of_another=True, unanswered=unanswered, told_real=told_real)
    return counted, names_of(keys)
