"""The SQL of cases as compliance knows them, and of the versions that it has seen."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from services.compliance.domain.rule_records import Key
from shared.database import UnitOfWork

_CASES = """
SELECT f.*, h.party_id IS NOT NULL AS cut_over, h.known_from AS attested_from FROM party_fact f
LEFT JOIN attested_history h ON h.tenant = f.tenant AND h.party_id = f.party_id AND h.party_id = ANY($2::uuid[])
WHERE f.tenant = $1 AND f.party_id = ANY($2::uuid[])
"""
_SAVE_CASES = """
INSERT INTO party_fact AS f
  (tenant, party_id, case_id, case_version, case_open, held, jurisdiction, zones, history_known_from, household,
   debts_known, core)
SELECT $1, c.party_id, c.case_id, c.case_version, c.case_open, c.held, c.jurisdiction,
       string_to_array(c.zones, ','), c.history_known_from, c.household, c.debts_known, c.core
FROM unnest($2::uuid[], $3::uuid[], $4::int[], $5::bool[], $6::bool[], $7::text[], $8::text[], $9::date[],
            $10::text[], $11::bool[], $12::text[])
  AS c(party_id, case_id, case_version, case_open, held, jurisdiction, zones, history_known_from, household,
       debts_known, core)
ORDER BY c.party_id
ON CONFLICT (tenant, party_id) DO UPDATE SET
  case_id = excluded.case_id, case_version = excluded.case_version, case_open = excluded.case_open,
  held = excluded.held, jurisdiction = excluded.jurisdiction, zones = excluded.zones,
  history_known_from = excluded.history_known_from, household = excluded.household,
  debts_known = excluded.debts_known, core = excluded.core
"""
_VERSIONS = (
    "SELECT party_id, kind, subject_id, version FROM version_seen WHERE tenant = $1 AND party_id = ANY($2::uuid[])"
)
_SEE_VERSIONS = """
INSERT INTO version_seen AS v (tenant, party_id, kind, subject_id, version)
SELECT $1, s.party_id, s.kind, s.subject_id, max(s.version)
FROM unnest($2::uuid[], $3::text[], $4::uuid[], $5::int[]) AS s(party_id, kind, subject_id, version)
GROUP BY s.party_id, s.kind, s.subject_id ORDER BY s.party_id, s.kind, s.subject_id
ON CONFLICT (tenant, party_id, kind, subject_id) DO UPDATE SET version = greatest(v.version, excluded.version)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseFact:
    """What compliance keeps of a case. `household`: commitment to the home. `debts_known`: its debts were told, too.

    `history_known_from` is the core's word. Of people who were cut over (`cut_over`) it counts for nothing: since when
    their contacts are attested, the cut-over says (`attested_from`).
    """

    party_id: UUID
    case_id: UUID
    version: int
    is_open: bool
    held: bool
    jurisdiction: str
    zones: tuple[str, ...]
    history_known_from: date | None
    household: str | None = None
    debts_known: bool = False
    core: str | None = None
    cut_over: bool = False
    attested_from: date | None = None

    @property
    def attested_since(self) -> date | None:
        """From when on contacts with the person are attested complete; None: nobody attests them."""
        return self.attested_from if self.cut_over else self.history_known_from

    @property
    def unresolved(self) -> frozenset[Key]:
        """The kinds of keys that are not known of the person."""
        known: dict[Key, bool] = {"debt": self.debts_known, "household": self.household is not None}
        return frozenset(kind for kind, is_known in known.items() if not is_known)


async def load_cases(uow: UnitOfWork, party_ids: Iterable[UUID]) -> dict[UUID, CaseFact]:
    """The case of each party that is known."""
    rows = await uow.sql.fetch(_CASES, uow.tenant, sorted(set(party_ids)))
    return {
        row["party_id"]: CaseFact(
            party_id=row["party_id"],
            case_id=row["case_id"],
            version=row["case_version"],
            is_open=row["case_open"],
            held=row["held"],
            jurisdiction=row["jurisdiction"],
            zones=tuple(row["zones"]),
            history_known_from=row["history_known_from"],
            household=row["household"],
            debts_known=row["debts_known"],
            core=row["core"],
            cut_over=row["cut_over"],
            attested_from=row["attested_from"],
        )
        for row in rows
    }


async def save_cases(uow: UnitOfWork, cases: Sequence[CaseFact]) -> None:
    """Insert or replace; one row per party."""
    if cases:
        await uow.sql.execute(
            _SAVE_CASES,
            uow.tenant,
            [case.party_id for case in cases],
            [case.case_id for case in cases],
            [case.version for case in cases],
            [case.is_open for case in cases],
            [case.held for case in cases],
            [case.jurisdiction for case in cases],
            [",".join(case.zones) for case in cases],
            [case.history_known_from for case in cases],
            [case.household for case in cases],
            [case.debts_known for case in cases],
            [case.core for case in cases],
        )


async def see_versions(uow: UnitOfWork, seen: Sequence[tuple[UUID, str, UUID, int]]) -> None:
    """Remember (party, kind, subject, version) as seen; lower ones change nothing."""
    if seen:
        parties, kinds, subjects, versions = zip(*seen, strict=True)
        await uow.sql.execute(_SEE_VERSIONS, uow.tenant, parties, kinds, subjects, versions)


async def load_versions(uow: UnitOfWork, ids: Sequence[UUID]) -> dict[UUID, dict[tuple[str, UUID], int]]:
    """The versions seen of each party, by kind and subject."""
    found: dict[UUID, dict[tuple[str, UUID], int]] = {}
    for row in await uow.sql.fetch(_VERSIONS, uow.tenant, ids):
        found.setdefault(row["party_id"], {})[row["kind"], row["subject_id"]] = row["version"]
    return found
