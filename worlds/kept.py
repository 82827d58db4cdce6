"""What compliance keeps of the people of a world, and its moments."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from uuid import UUID

from services.compliance.domain import findings, leaves
from services.compliance.domain.audited_on import Made
from services.compliance.domain.budget_keys import Keys, joined
from services.compliance.domain.complaints import Complaint
from services.compliance.domain.dossier import Dossier, DossierEntry, GivenOverride
from services.compliance.domain.facts import Counted
from services.compliance.domain.holds import Hold
from services.compliance.domain.permits import Permit
from services.compliance.domain.places import Place
from services.compliance.domain.same_persons import SamePerson, person_keys
from shared.events.contact import ContactRecorded


@dataclass(slots=True)
class Case:
    """All that compliance keeps of one person. `debts`: all by which they are, or were, bound; `sold`: no longer."""

    party_id: UUID
    case_id: UUID
    place: str
    zones: tuple[str, ...]
    history_known_from: date
    debts: tuple[UUID, ...]
    home: str
    sold: frozenset[UUID] = frozenset()
    same: dict[UUID, SamePerson] = field(default_factory=dict)
    debts_of_others: frozenset[UUID] = frozenset()
    places: list[Place] = field(default_factory=list)
    is_open: bool = True
    holds: list[Hold] = field(default_factory=list)
    permits: dict[UUID, Permit] = field(default_factory=dict)
    judged: dict[UUID, ContactRecorded] = field(default_factory=dict)
    made: dict[UUID, Counted] = field(default_factory=dict)
    said: dict[UUID, Made] = field(default_factory=dict)
    findings: dict[UUID, dict[str, findings.FindingVersion]] = field(default_factory=dict)
    entries: list[DossierEntry] = field(default_factory=list)
    overrides: list[GivenOverride] = field(default_factory=list)
    complaints: dict[str, Complaint] = field(default_factory=dict)
    chain: leaves.Chain | None = None
    leaves: list[bytes] = field(default_factory=list)
    _dossier: Dossier = field(default_factory=Dossier)
    _keys: Keys | None = None

    def keys(self) -> Keys:
        """What every contact with the person counts on beside the person: debts collected now, and the home."""
        known = self._keys
        if known is None:
            owed = frozenset(str(one) for one in self.debts if one not in self.sold)
            owed |= frozenset(map(str, self.debts_of_others))
            person = person_keys(self.party_id, {self.party_id: tuple(self.same.values())})
            known = self._keys = joined({"debt": owed, "household": frozenset({self.home}), "person": person})
        return known

    def lives_in(self, home: str) -> None:
        """From now on that is the home."""
        self.home, self._keys = home, None

    def is_one_with(self, other: SamePerson, debts: Iterable[UUID]) -> None:
        """How it stands with another id. `debts`: those of the other while both are one."""
        self.same[other.party_id], self.debts_of_others, self._keys = other, frozenset(debts), None

    def owes_no_longer(self, debt: UUID) -> None:
        """The debt is another's now."""
        self.sold, self._keys = self.sold | {debt}, None

    def told(self) -> list[Made]:
        """The contacts told so far, each with what is said of it, as the store reads them."""
        return list(self.said.values())

    def judge(self, contact_id: UUID) -> None:
        """What is said of the contact, after all that was found of it."""
        found = [version.finding for version in self.findings.get(contact_id, {}).values()]
        one = Made(contact_id=contact_id, counted=self.made[contact_id])
        self.said[contact_id] = one.judged(
            conduct=any(one.conduct for one in found), harm=any(one.harm for one in found)
        )

    def dossier(self) -> Dossier:
        """What was told of the person."""
        known = self._dossier
        if (len(known.entries), len(known.overrides)) != (len(self.entries), len(self.overrides)):
            known = self._dossier = Dossier(tuple(self.entries), tuple(self.overrides))
        return known


@dataclass(frozen=True, slots=True)
class Moment:
    """One moment on both clocks, and the oldest event that compliance has not handled yet (real time)."""

    now: datetime
    real: datetime
    watermark: datetime
