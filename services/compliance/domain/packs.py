"""Rule packs: what the law or the bank says, as typed data. The functions in `domain.rules` say what it means."""

from __future__ import annotations

import hashlib
import tomllib
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from itertools import combinations
from typing import Annotated, Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from services.compliance.domain.holds import HoldKind
from services.compliance.domain.rule_parts import Calendar, FactName
from services.compliance.domain.rule_records import (
    ALL_CHANNELS,
    EVERYWHERE,
    PLACE,
    CapRule,
    ClosedDaysRule,
    Collector,
    CrewRule,
    EvidenceRule,
    FactRule,
    HoldRule,
    HoursRule,
    PlaceKind,
    Product,
    Recipient,
    Rule,
    ScopeRule,
    Severity,
    Status,
    Unit,
)
from shared.events.contact import Channel, Purpose

__all__ = [
    "ALL_CHANNELS", "EVERYWHERE", "Attested", "CapRule", "CrewRule", "EvidenceRule", "FactRule", "HoldRule",
    "HoursRule", "Pack", "PackError", "Rule", "RuleBook", "Severity", "Unit", "load", "remember",
]  # fmt: skip

K = TypeVar("K")
V = TypeVar("V")
INHERITED = ("jurisdiction", "status", "effective_from", "effective_to", "source_read_on")


class PackError(ValueError):
    """A pack cannot be loaded; nothing is decided without it."""


class Attested(BaseModel):
    """What the bank declares of itself under its own release: true until the date given.

    `collector`, `product`, `place` and `recipient` are circumstances of all of its contacts.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    facts: dict[FactName, date] = Field(default_factory=dict)
    collector: Collector | None = None
    product: Product | None = None
    place: PlaceKind | None = None
    recipient: Recipient | None = None

    def on(self, day: date) -> frozenset[str]:
        """The facts attested on that date."""
        return frozenset(name for name, until in self.facts.items() if day <= until)


class Pack(BaseModel):
    """One version of one file of rules. `members` are further places for which it holds (those of the EU)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(pattern=r"^[a-z0-9-]{2,40}$")
    version: int = Field(1, ge=1)
    title: str
    jurisdiction: str = Field(pattern=PLACE)
    members: tuple[str, ...] = ()
    status: Status
    effective_from: date
    effective_to: date | None = None
    source_read_on: date | None = None
    drafts_for: tuple[str, ...] = Field((), description="Places whose drafts are judged as if in force (policy only).")
    parameters: dict[str, int] = Field(default_factory=dict)
    attested: Attested = Field(default_factory=Attested)
    calendar: tuple[Calendar, ...] = ()
    rule: tuple[Annotated[Rule, Field(discriminator="kind")], ...] = ()

    def in_force(self, day: date) -> bool:
        """Whether the pack applies to contacts on that date."""
        return self.effective_from <= day and (self.effective_to is None or day < self.effective_to)

    def holds_in(self, place: str | None) -> bool:
        """Whether it holds for a person there (None: not known, then only what holds everywhere)."""
        if self.jurisdiction == EVERYWHERE:
            return True
        if place is None:
            return False
        return place == self.jurisdiction or place.split("-")[0] in (self.jurisdiction, *self.members)


@dataclass(frozen=True)
class RuleBook:
    """All loaded packs, what the bank attested, and the hash that names this state of the rules."""

    packs: tuple[Pack, ...]
    rule_set: str
    hashes: Mapping[str, str] = field(default_factory=dict)
    drafts_for: frozenset[str] = frozenset()
    plans: dict[Any, Any] = field(default_factory=dict, init=False, repr=False, compare=False)
    """Kept here for `domain.compiled`, so that what was compiled lives as long as the rules."""
    concerning: dict[Any, Any] = field(default_factory=dict, init=False, repr=False, compare=False)
    """Kept here for `domain.rules`: which of the rules concern which sort of contact."""
    _in_force: dict[tuple[str | None, int], tuple[Rule, ...]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    _attested: dict[str | None, Attested] = field(default_factory=dict, init=False, repr=False, compare=False)
    _asked: dict[tuple[str | None, int, Channel, Purpose], tuple[Rule, ...]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def knows(self, place: str | None) -> bool:
        """Whether a pack of that very place is loaded."""
        return any(pack.jurisdiction != EVERYWHERE and pack.holds_in(place) for pack in self.packs)

    @cached_property
    def calendars(self) -> Mapping[str, tuple[date, date]]:
        """The first and last date that the calendar of each rule covers, by rule."""
        rules = (rule for pack in self.packs for rule in pack.rule if isinstance(rule, ClosedDaysRule))
        return {rule.id: (rule.calendar.first, rule.calendar.last) for rule in rules}

    @cached_property
    def boundaries(self) -> list[date]:
        """The dates on which some pack or rule begins or ends."""
        records: list[Pack | Rule] = [*self.packs, *(rule for pack in self.packs for rule in pack.rule)]
        return sorted({day for one in records for day in (one.effective_from, one.effective_to) if day is not None})

    @cached_property
    def asked_in_hindsight(self) -> frozenset[str]:
        """The ids of the rules of law and policy whose findings later facts can change: a hold that only says that
        facts were missing forbids nothing in hindsight.
        """
        rules = (rule for pack in self.packs for rule in pack.rule)
        return frozenset(rule.id for rule in rules if not (isinstance(rule, HoldRule) and rule.needs_fact))

    def epoch(self, day: date) -> int:
        """The number of the stretch of dates that `day` lies in; within one, the same rules are in force."""
        return bisect_right(self.boundaries, day)

    def rules(self, *, jurisdiction: str | None, day: date) -> Sequence[Rule]:
        """The rules of the place (None: not known, then only those of everywhere) in force on that date.

        Drafts only where the bank judges by them; fallback hours only for channels that have no others.
        """
        key = (jurisdiction, self.epoch(day))
        if key not in self._in_force:
            found = [
                rule
                for pack in self.packs
                if pack.holds_in(jurisdiction) and pack.in_force(day)
                for rule in pack.rule
                if rule.in_force(day) and (rule.status != "draft" or rule.jurisdiction in self.drafts_for)
            ]
            remember(self._in_force, key, tuple(_without_needless_fallbacks(_widened(found))))
        return self._in_force[key]

    def rules_of_all_places(self, day: date) -> list[Rule]:
        """The rules of every place in force on that date; drafts only where the bank judges by them."""
        return [
            rule
            for pack in self.packs
            if pack.in_force(day)
            for rule in pack.rule
            if rule.in_force(day) and (rule.status != "draft" or rule.jurisdiction in self.drafts_for)
        ]

    def asked(
        self, *, jurisdiction: str | None, days: frozenset[date], channel: Channel, purpose: Purpose
    ) -> Sequence[Rule]:
        """The rules that speak of such a contact, in force on any of its dates: it crosses no boundary unjudged."""
        if len(days) > 1:
            listed = [
                rule
                for day in sorted(days)
                for rule in self.asked(
                    jurisdiction=jurisdiction, days=frozenset({day}), channel=channel, purpose=purpose
                )
            ]
            return list({id(rule): rule for rule in listed}.values())
        (day,) = days
        key = (jurisdiction, self.epoch(day), channel, purpose)
        if key not in self._asked:
            rules = self.rules(jurisdiction=jurisdiction, day=day)
            matching = (rule for rule in rules if channel in rule.channels and purpose in rule.purposes_blocked)
            remember(self._asked, key, tuple(matching))
        return self._asked[key]

    def attested(self, place: str | None) -> Attested:
        """What the bank declares of itself in that place; nothing where the place is not known."""
        if place not in self._attested:
            remember(self._attested, place, _merged([pack for pack in self.packs if place and pack.holds_in(place)]))
        return self._attested[place]

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
        """The rule of that id, of the newest version of its pack."""
        found = [(pack.version, rule) for pack in self.packs for rule in pack.rule if rule.id == rule_id]
        return max(found, key=lambda one: one[0])[1] if found else None


def load(sources: Mapping[str, bytes], *, rule_code: Iterable[bytes], tzdata_version: str) -> RuleBook:
    """The rule book from pack files (name → bytes). Raises PackError.

    The hash covers the packs, the source of the rule functions and the version of the time-zone data: the same hash
    means the same answers.
    """
    tables = {name: _table(name, content) for name, content in sorted(sources.items())}
    parameters = _parameters(tables)
    packs = tuple(_pack(name, table, parameters) for name, table in tables.items())
    _refuse_gaps(packs)
    _refuse_overlaps(packs)
    digest = hashlib.sha256()
    for part in (*(content for _, content in sorted(sources.items())), *rule_code, tzdata_version.encode()):
        digest.update(hashlib.sha256(part).digest())
    return RuleBook(
        packs=packs,
        rule_set=digest.hexdigest(),
        hashes={_label(pack): pack_hash(sources[name]) for name, pack in zip(tables, packs, strict=True)},
        drafts_for=frozenset(place for pack in packs for place in pack.drafts_for),
    )


def pack_hash(content: bytes) -> str:
    """SHA-256 of the file, hexadecimal: what two people approve."""
    return hashlib.sha256(content).hexdigest()


def remember(cache: dict[K, V], key: K, value: V) -> None:
    """Bounded: the dates asked for come from outside."""
    if len(cache) >= 20_000:
        cache.clear()
    cache[key] = value


def _table(name: str, content: bytes) -> dict[str, Any]:
    try:
        return tomllib.loads(content.decode())
    except ValueError as error:  # TOML and UTF-8 errors are ValueErrors
        raise PackError(f"{name}: {error}") from error


def _parameters(tables: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The bank's numbers for soft law. Only policy sets them, each once."""
    found: dict[str, Any] = {}
    for name, table in tables.items():
        own = table.get("parameters", {})
        if own and table.get("status") != "policy":
            raise PackError(f"{name}: only a policy pack sets parameters")
        if not isinstance(own, dict) or found.keys() & own.keys():
            raise PackError(f"{name}: parameters: a table, each name set once")
        found |= own
    return found


def _pack(name: str, table: Mapping[str, Any], parameters: Mapping[str, Any]) -> Pack:
    """The typed pack: rules inherit from its head, take numbers of soft law from the bank and calendars by name."""
    inherited = {key: table[key] for key in INHERITED if key in table}
    calendars = {one.get("id"): one for one in table.get("calendar", ())}
    rules = []
    for raw in table.get("rule", ()):
        rule = {**inherited, **raw}
        limit = rule.get("limit")
        if isinstance(limit, str):
            if limit not in parameters:
                raise PackError(f"{name}: {rule.get('id')}: the bank sets no parameter {limit!r}")
            rule["limit"] = parameters[limit]
        if isinstance(rule.get("calendar"), str):
            if rule["calendar"] not in calendars:
                raise PackError(f"{name}: {rule.get('id')}: no calendar {rule['calendar']!r}")
            rule["calendar"] = calendars[rule["calendar"]]
        rules.append(_unverified(rule))
    try:
        pack = Pack.model_validate({**table, "rule": rules})
    except ValidationError as error:
        faults = (_fault(one["loc"], one["msg"], rules) for one in error.errors(include_url=False))
        raise PackError("\n".join(f"{name}: {fault}" for fault in faults)) from error
    if pack.status != "policy" and (pack.drafts_for or pack.attested != Attested()):
        raise PackError(f"{name}: only a policy pack attests facts or judges by drafts")
    return pack


def _fault(path: tuple[int | str, ...], reason: str, rules: Sequence[Mapping[str, Any]]) -> str:
    """One fault, with the id of its rule instead of the rule's number."""
    match path:
        case ("rule", int(number), *rest):
            return f"rule {rules[number].get('id', number + 1)}: {'.'.join(map(str, rest))}: {reason}"
    return f"{'.'.join(map(str, path))}: {reason}"


def _unverified(rule: dict[str, Any]) -> dict[str, Any]:
    """A rule whose source nobody verified binds as the bank's own policy, says so, and nobody may override it."""
    if rule.get("confidence") != "M":
        return rule
    action = "block" if rule.get("action") == "warn" else rule.get("action", "block")
    label = f"Bank policy (unverified, M): {rule.get('citation', '')}"
    status = "draft" if rule.get("status") == "draft" else "policy"
    return {**rule, "status": status, "action": action, "override": "none", "citation": label}


def _merged(packs: Sequence[Pack]) -> Attested:
    """Attested together; of two circumstances the narrower place's counts (packs of everywhere come first)."""
    merged: dict[str, Any] = {"facts": {}}
    for pack in sorted(packs, key=lambda each: len(each.jurisdiction)):
        own = pack.attested.model_dump(exclude={"facts"}, exclude_none=True)
        merged = {**merged, **own, "facts": {**merged["facts"], **pack.attested.facts}}
    return Attested.model_validate(merged)


def _label(pack: Pack) -> str:
    return f"{pack.id}/{pack.version}"


def _widened(rules: Sequence[Rule]) -> list[Rule]:
    scopes = [rule for rule in rules if isinstance(rule, ScopeRule)]
    if not scopes:
        return list(rules)
    binds = {rule_id: scope.binds for scope in scopes for rule_id in scope.widens}
    return [
        rule.model_copy(update={"collectors": (*rule.collectors, *binds[rule.id])})
        if rule.id in binds and rule.collectors
        else rule
        for rule in rules
    ]


def _without_needless_fallbacks(rules: Sequence[Rule]) -> list[Rule]:
    # Hours that bind only some leave the others' channels without any; `concerned` looks at whom they bind.
    ruled = {channel for rule in rules if isinstance(rule, HoursRule) and rule.sets_hours for channel in rule.channels}
    kept: list[Rule] = []
    for rule in rules:
        if isinstance(rule, HoursRule) and rule.fallback:
            channels = tuple(channel for channel in rule.channels if channel not in ruled)
            kept += [rule.model_copy(update={"channels": channels})] if channels else []
        else:
            kept.append(rule)
    return kept


def _refuse_gaps(packs: Sequence[Pack]) -> None:
    """A hold that no rule reads would silently not hold; an id used twice would hide a rule."""
    owners = {(rule.id, pack.id) for pack in packs for rule in pack.rule}
    if len({rule_id for rule_id, _ in owners}) != len(owners):
        raise PackError("a rule id is used by two packs")
    for pack in packs:
        if len({rule.id for rule in pack.rule}) != len(pack.rule):
            raise PackError(f"{pack.id}: a rule id is used twice")
    rules = [rule for pack in packs for rule in pack.rule]
    read = {kind for rule in rules if isinstance(rule, HoldRule) for kind in rule.hold_kinds}
    unread = set(get_args(HoldKind)) - read
    if unread:
        raise PackError(f"no rule reads the holds {sorted(unread)}")
    ids = {rule.id for rule in rules}
    unknown = {one for rule in rules if isinstance(rule, ScopeRule) for one in rule.widens} - ids
    if unknown:
        raise PackError(f"no rule has the ids {sorted(unknown)} that a scope widens")


def _refuse_overlaps(packs: Sequence[Pack]) -> None:
    """On one date one version of a pack holds, or nobody could say which."""
    for one, other in combinations(packs, 2):
        first, second = sorted((one, other), key=lambda pack: pack.effective_from)
        overlap = first.effective_to is None or second.effective_from < first.effective_to
        if one.id == other.id and (overlap or one.version == other.version):
            raise PackError(f"{one.id}: versions {first.version} and {second.version} overlap")
