"""Rule packs: what the law or the bank says, as typed data. The functions in `domain.rules` say what it means."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, time
from typing import Annotated, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

from services.compliance.domain.holds import HoldKind
from shared.events.contact import Channel, Purpose

EVERYWHERE = "*"
ALL_CHANNELS: tuple[Channel, ...] = ("visit", "call", "sms", "email", "letter")
Unit = Literal["attempt", "contact", "conversation", "household_contacted", "debtor_met"]
Severity = Literal["low", "medium", "high"]


class PackError(ValueError):
    """A pack cannot be loaded; nothing is decided without it."""


class _Rule(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(pattern=r"^[A-Z0-9-]{3,40}$")
    citation: str = Field(min_length=10, max_length=400)
    channels: tuple[Channel, ...] = ALL_CHANNELS
    purposes_blocked: tuple[Purpose, ...] = Field(min_length=1)
    severity: Severity = "high"
    confidence: Literal["R1", "R2", "M"] | None = None


class HoursRule(_Rule):
    """Contact only from `opens` to `closes` of the person's local time."""

    kind: Literal["hours"]
    opens: time
    closes: time


class CrewRule(_Rule):
    """At least `minimum` different collectors."""

    kind: Literal["crew"]
    minimum: int = Field(ge=1, le=4)


class HoldRule(_Rule):
    """No contact while a hold of these kinds stands. `lifted_by` names the event that ends it, or `never`."""

    kind: Literal["hold"]
    hold_kinds: tuple[HoldKind, ...] = Field(min_length=1)
    lifted_by: str
    needs_fact: bool = False


class CapRule(_Rule):
    """At most `limit` contacts of this unit in any `window_days` consecutive local dates."""

    kind: Literal["cap"]
    unit: Unit
    window_days: int = Field(ge=1, le=366)
    limit: int = Field(ge=1, le=1_000)


class EvidenceRule(_Rule):
    """What the record of a contact must show; judged afterwards."""

    kind: Literal["evidence"]
    evidence: Literal["identity_shown", "recording_complete", "not_disclosed_to_third"]


class FactRule(_Rule):
    """A fact that must be known."""

    kind: Literal[
        "party_known", "case_open", "jurisdiction_known", "zones_known", "facts_fresh", "versions_seen", "balance_owed",
        "customer_request", "channel_has_hours", "window_fits", "bound_to_place",
    ]  # fmt: skip


Rule = HoursRule | CrewRule | HoldRule | CapRule | EvidenceRule | FactRule


class Pack(BaseModel):
    """One file of rules."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    title: str
    jurisdiction: str
    status: Literal["platform", "policy", "unreviewed", "law"]
    effective_from: date
    effective_to: date | None = None
    rule: tuple[Annotated[Rule, Field(discriminator="kind")], ...]

    def in_force(self, day: date) -> bool:
        """Whether the pack applies to contacts on that date."""
        return self.effective_from <= day and (self.effective_to is None or day < self.effective_to)


@dataclass(frozen=True)
class RuleBook:
    """All loaded packs and the hash that names this state of the rules."""

    packs: tuple[Pack, ...]
    rule_set: str

    @property
    def jurisdictions(self) -> frozenset[str]:
        """Places for which a pack is loaded."""
        return frozenset(pack.jurisdiction for pack in self.packs) - {EVERYWHERE}

    def rules(self, *, jurisdiction: str | None, day: date) -> list[Rule]:
        """The rules of the place (None: not known, then only those of everywhere) in force on that date."""
        places = {EVERYWHERE, jurisdiction}
        return [rule for pack in self.packs if pack.jurisdiction in places and pack.in_force(day) for rule in pack.rule]

    def blocked_by(self, hold_kind: HoldKind) -> frozenset[tuple[Channel, Purpose]]:
        """The contacts that a hold of this kind keeps away, in any place."""
        return frozenset(
            (channel, purpose)
            for pack in self.packs
            for rule in pack.rule
            if isinstance(rule, HoldRule) and hold_kind in rule.hold_kinds
            for channel in rule.channels
            for purpose in rule.purposes_blocked
        )

    def rule(self, rule_id: str) -> Rule | None:
        """The rule of that id."""
        return next((rule for pack in self.packs for rule in pack.rule if rule.id == rule_id), None)


def load(sources: Mapping[str, bytes], *, rule_code: Iterable[bytes], tzdata_version: str) -> RuleBook:
    """The rule book from pack files (name → bytes). Raises PackError.

    The hash covers the packs, the source of the rule functions and the version of the time-zone data: the same hash
    means the same answers.
    """
    packs = tuple(_pack(name, content) for name, content in sorted(sources.items()))
    _refuse_gaps(packs)
    digest = hashlib.sha256()
    for part in (*(content for _, content in sorted(sources.items())), *rule_code, tzdata_version.encode()):
        digest.update(hashlib.sha256(part).digest())
    return RuleBook(packs, digest.hexdigest())


def _pack(name: str, content: bytes) -> Pack:
    try:
        return Pack.model_validate(tomllib.loads(content.decode()))
    except ValueError as error:  # TOML, UTF-8 and validation errors are all ValueErrors
        raise PackError(f"{name}: {error}") from error


def _refuse_gaps(packs: Sequence[Pack]) -> None:
    """A hold that no rule reads would silently not hold; an id used twice would hide a rule."""
    rules = [rule for pack in packs for rule in pack.rule]
    if len({rule.id for rule in rules}) != len(rules):
        raise PackError("a rule id is used twice")
    read = {kind for rule in rules if isinstance(rule, HoldRule) for kind in rule.hold_kinds}
    unread = set(get_args(HoldKind)) - read
    if unread:
        raise PackError(f"no rule reads the holds {sorted(unread)}")
