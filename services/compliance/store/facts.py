"""The facts of a decision: what is known of people by themselves, and what counts on the keys that they share."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date
from typing import Any, Final, NamedTuple
from uuid import UUID

from msgspec import structs

from services.compliance.domain.budget_keys import OF_ALL_CONTACTS, Keys, joined, keys_named, names_of
from services.compliance.domain.debts import Debt, oldest, only_guaranteed
from services.compliance.domain.facts import Circumstances, Counted, Freshness, PartyFacts, Sharer
from services.compliance.domain.holds import Hold
from services.compliance.domain.past_sharers import PastSharer
from services.compliance.domain.rule_records import Key
from services.compliance.domain.same_persons import Same, person_keys, standing
from services.compliance.store.budget_keys import load_links, load_shared, lock_keys
from services.compliance.store.case_facts import CaseFact, load_cases
from services.compliance.store.counted import load_counted
from services.compliance.store.debts import load_debts
from services.compliance.store.dossiers import dossiers_of, load_told
from services.compliance.store.moratoria import load_reaching
from services.compliance.store.own_facts import Files, Own, load_files, load_own, look_back
from services.compliance.store.past_sharers import load_past_sharers
from services.compliance.store.same_persons import load_same
from shared.database import UnitOfWork
from shared.security.party_keys import PartyCipher

NamedKeys = Mapping[UUID, Keys]
_NO_KEYS: Final[NamedKeys] = {}

# What a cut-over says of the other ids of a person; ids that no cut-over has named are the core's word alone.
_ATTESTED = "SELECT party_id, known_from FROM attested_history WHERE tenant = $1 AND party_id = ANY($2::uuid[])"
_CONTACTED = """
SELECT p.party_id FROM unnest($2::uuid[]) AS p(party_id)
WHERE EXISTS (SELECT FROM contact_audit c WHERE c.tenant = $1 AND c.party_id = p.party_id)
   OR EXISTS (SELECT FROM permit g WHERE g.tenant = $1 AND g.party_id = p.party_id AND g.state = 'granted')
"""


async def load_facts(
    uow: UnitOfWork, cipher: PartyCipher, party_ids: Iterable[UUID], *, named: NamedKeys = _NO_KEYS,
    taking: bool = False,
) -> dict[UUID, PartyFacts]:  # fmt: skip
    """Everything a decision on the parties looks at, in as many statements for one as for any number of parties.

    `named`: the keys that the contacts asked for count on beside those of all contacts. `taking`: something may be
    reserved, so all keys are locked before what counts on them is read.
    """
    return await complete_facts(uow, cipher, await load_own(uow, cipher, party_ids), named=named, taking=taking)


async def complete_facts(
    uow: UnitOfWork, cipher: PartyCipher, own: Own, *, named: NamedKeys = _NO_KEYS, taking: bool = False
) -> dict[UUID, PartyFacts]:
    """The facts of these people, with what counts on the keys that they share. `named`, `taking`: as `load_facts`."""
    facts, ties = await _load(uow, own.files, counted=True, named=named, taking=taking)
    sharing = ties.cases.keys() - own.told.keys()
    everybody = {**own.told, **(await load_told(uow, cipher, sharing) if sharing else {})}
    dossiers = dossiers_of(everybody, same=ties.same, debts=ties.debts)
    circumstances = {other: dossiers[other].circumstances(at=uow.now) for other in ties.cases}
    told = {party_id: dossiers[party_id].applied_to(known, at=uow.now) for party_id, known in facts.items()}
    if not ties.links:  # as with most people: nobody shares a key with them
        return told
    return {
        party_id: structs.replace(
            known,
            sharers=ties.sharers(facts[party_id], circumstances),
            sharers_without_case=len(ties.others(party_id).keys() - ties.cases.keys()),
        )
        for party_id, known in told.items()
    }


class Untold(NamedTuple):
    """The facts of people without what was told of them, everybody who shares a key with each, their other ids and
    their debts."""

    facts: dict[UUID, PartyFacts]
    sharers: dict[UUID, tuple[PastSharer, ...]]
    same: Same
    debts: Mapping[UUID, Sequence[Debt]]


async def load_facts_untold(
    uow: UnitOfWork, cipher: PartyCipher, party_ids: Iterable[UUID], *, named: NamedKeys = _NO_KEYS
) -> Untold:
    """The facts without what was told of the parties: an audit takes that as it stood when each contact began.

    It takes the contacts so, too, and has none counted here; of other people's it gets those that were made, and
    when they were told; and the laws of those others over time. `named`: as for `load_facts`.
    """
    facts, ties = await _load(uow, await load_files(uow, party_ids), counted=False, named=named, taking=False)
    shared = {party_id: ties.others(party_id) for party_id in facts}
    unresolved = {other: case.unresolved for other, case in ties.cases.items()}
    return Untold(facts, await load_past_sharers(uow, cipher, shared, unresolved), ties.same, ties.debts)


async def load_names_shared(uow: UnitOfWork, party_ids: Iterable[UUID]) -> set[str]:
    """The names of the debts and homes that each of the parties shares with somebody who was contacted, or may be."""
    ids = sorted(set(party_ids))
    cases, same = await load_cases(uow, ids), await load_same(uow, ids)
    debts = await load_debts(uow, ids, same=same)
    wanted = {
        party_id: names_of(_keys(cases.get(party_id), debts.get(party_id, ()), person_keys(party_id, same)))
        for party_id in ids
    }
    ties = Ties(wanted, await load_links(uow, wanted, debts), {}, same, debts)
    shared = [(other, names) for party_id in ids for other, names in ties.others(party_id).items()]
    rows = await uow.sql.fetch(_CONTACTED, uow.tenant, sorted({other for other, _ in shared})) if shared else []
    contacted = {row["party_id"] for row in rows}
    return {name for other, names in shared if other in contacted for name in names}


async def _load(
    uow: UnitOfWork, files: Files, *, counted: bool, named: NamedKeys, taking: bool
) -> tuple[dict[UUID, PartyFacts], Ties]:
    ids, same, cases, debts, around, since = *files[:4], files.around, look_back(uow)
    keys = {
        party_id: _keys(cases.get(party_id), debts.get(party_id, ()), person_keys(party_id, same)) for party_id in ids
    }
    wanted = {party_id: {*names_of(keys[party_id]), *names_of(named.get(party_id, {}))} for party_id in ids}
    if taking:
        await lock_keys(uow, {name for names in wanted.values() for name in names})
    links = await load_links(uow, wanted, debts)
    ties = Ties(wanted, links, await load_cases(uow, links) if links else {}, same, debts)
    resolved = {other: OF_ALL_CONTACTS - case.unresolved for other, case in ties.cases.items()}
    shared = await load_shared(uow, wanted, links, since=since, decided=counted, same=same, resolved=resolved)
    since_when = await _attested_since(uow, cases, same)
    reaching = await load_reaching(uow, debts)
    own = await load_counted(uow, ids, since=since, same=same) if counted and same else files.counted
    history = own if counted else {}
    facts = {
        party_id: _facts(
            party_id, cases.get(party_id), [*files.holds.get(party_id, []), *reaching.get(party_id, [])],
            _Budget(
                debts.get(party_id, ()), _anothers(party_id, debts, same), history.get(party_id, []), keys[party_id],
                shared.get(party_id, ()), ties.known_from(party_id) if counted else {},
            ),
            files.versions.get(party_id, {}), since_when.get(party_id),
            Freshness(
                watermarks=around.watermarks, named_by=around.named_by.get(party_id, ()), silent_feeds=around.silent,
                log_waits_since=around.log_waits_since,
                suspended_feeds=_suspended_for(cases.get(party_id), around.suspended),
            ),
        )
        for party_id in ids
    }  # fmt: skip
    return facts, ties


async def _attested_since(
    uow: UnitOfWork, cases: Mapping[UUID, CaseFact], same: Same
) -> dict[UUID, date | None]:  # fmt: skip
    """Since when the contacts of each are attested complete: where somebody has several ids, those of all of them."""
    ids = {party_id: standing(same, party_id) for party_id in cases}
    others = {other for known in ids.values() for other in known}
    rows = await uow.sql.fetch(_ATTESTED, uow.tenant, sorted(others)) if others else []
    told = {row["party_id"]: row["known_from"] for row in rows}
    found: dict[UUID, date | None] = {}
    for party_id, case in cases.items():
        dates = [case.attested_since, *(told[other] for other in sorted(ids[party_id]) if other in told)]
        complete = [one for one in dates if one is not None]
        found[party_id] = max(complete) if len(complete) == len(dates) else None
    return found


def _suspended_for(case: CaseFact | None, suspended: Mapping[str, str]) -> tuple[str, ...]:
    """What stops contacts of the case's core, each with its cause; where the core is not known, whatever stands."""
    core = None if case is None else case.core
    return tuple(f"{name} ({cause})" for name, cause in sorted(suspended.items()) if core in (None, name))


class Ties(NamedTuple):
    """Who shares keys with the parties. `wanted`: names of keys by party; `links`: by other person, those shared;
    `cases`: of the others, as far as they are known. `same`: other ids of the parties, who are nobody else. `debts`: by
    which the parties are bound."""

    wanted: Mapping[UUID, Collection[str]]
    links: Mapping[UUID, Collection[str]]
    cases: Mapping[UUID, CaseFact]
    same: Same
    debts: Mapping[UUID, Sequence[Debt]]

    def known_from(self, party_id: UUID) -> dict[str, date | None]:
        """By key that somebody else shares: since when the contacts of all are attested; None: not known of one."""
        found: dict[str, date | None] = {}
        for other, names in self.others(party_id).items():
            case = self.cases.get(other)
            since = None if case is None else case.attested_since
            for name in names:
                known = found.get(name, date.min)
                found[name] = None if since is None or known is None else max(known, since)
        return dict(sorted(found.items()))

    def sharers(self, known: PartyFacts, circumstances: Mapping[UUID, Circumstances]) -> tuple[Sharer, ...]:
        """The laws of the others, each once; of those who have no case none is known."""
        found = {
            (case.jurisdiction, names, tuple(sorted(case.unresolved)), structs.astuple(circumstances[other])): Sharer(
                jurisdiction=case.jurisdiction, keys=keys_named(names), unresolved=case.unresolved,
                circumstances=circumstances[other],
            )
            for other, names in self.others(known.party_id).items()
            if (case := self.cases.get(other)) is not None
        }  # fmt: skip
        return tuple(found[one] for one in sorted(found, key=repr))

    def others(self, party_id: UUID) -> dict[UUID, tuple[str, ...]]:
        """By other person, the names of the keys that the party shares with them."""
        wanted = self.wanted[party_id]
        common = {
            other: tuple(sorted(name for name in names if name in wanted))
            for other, names in self.links.items()
            if other != party_id and other not in standing(self.same, party_id)
        }  # fmt: skip
        return {other: names for other, names in common.items() if names}


class _Budget(NamedTuple):
    """What counts of one person: what they are bound by, contacts and reservations, what those count on beside."""

    debts: Sequence[Debt]
    anothers: frozenset[UUID]
    counted: Sequence[Counted]
    keys: Keys
    shared: tuple[Counted, ...]
    sharers_known_from: Mapping[str, date | None]


def _facts(
    party_id: UUID, case: CaseFact | None, holds: Sequence[Hold], budget: _Budget,
    versions: Mapping[tuple[str, UUID], int], known_from: date | None, freshness: Freshness,
) -> PartyFacts:  # fmt: skip
    of_case: dict[str, Any] = {}
    if case is not None:
        of_case = {
            "known": True, "held": case.held, "case_id": case.case_id, "case_open": case.is_open,
            "case_version": case.version, "jurisdiction": case.jurisdiction, "zones": case.zones,
            "history_known_from": known_from, "versions": versions, "unresolved": case.unresolved,
        }  # fmt: skip
    return PartyFacts(
        party_id=party_id, holds=tuple(holds), freshness=freshness, counted=tuple(budget.counted), keys=budget.keys,
        shared=budget.shared, sharers_known_from=budget.sharers_known_from,
        debts=frozenset(debt.debt_id for debt in budget.debts), guaranteed=only_guaranteed(budget.debts, party_id),
        transferred=budget.anothers,
        collected_since=oldest([debt for debt in budget.debts if debt.is_overdue]), **of_case,
    )  # fmt: skip


def _anothers(party_id: UUID, debts: Mapping[UUID, Sequence[Debt]], same: Same) -> frozenset[UUID]:
    """The debts that are nothing to the person any more, under whichever of their ids their case had them."""
    ids = {party_id, *standing(same, party_id)}
    return frozenset(debt.debt_id for debt in debts.get(party_id, ()) if debt.is_anothers(ids))


def _keys(case: CaseFact | None, debts: Sequence[Debt], person: frozenset[str]) -> Keys:
    """What every contact with the person counts on: the debts now collected that they are bound by, and the home.

    `person`: what they share with their other ids.
    """
    found: dict[Key, frozenset[str]] = {
        "debt": frozenset(debt.key for debt in debts if debt.is_overdue), "person": person,
    }  # fmt: skip
    if case is not None and case.household is not None:
        found["household"] = frozenset({case.household})
    return joined(found)
