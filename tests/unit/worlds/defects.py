"""Deliberate defects of the domain. Each is switched on for one test, and worlds must find it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import date, timedelta
from typing import Any
from unittest.mock import patch

from msgspec import structs

from services.compliance.domain import holds, leaves
from services.compliance.domain.audited_on import Made
from services.compliance.domain.compiled.hours import Hours
from services.compliance.domain.facts import Counted, PartyFacts, Question, Requested
from services.compliance.domain.history import Counter
from services.compliance.domain.hold_scopes import covers
from services.compliance.domain.holds import Hold
from services.compliance.domain.local_time import Span, hours_on
from services.compliance.domain.past_sharers import PastSharer
from services.compliance.domain.permits import Permit, PermitState
from services.compliance.domain.recalls import VISITS, Recall
from services.compliance.domain.rule_records import PreferenceRule
from services.compliance.domain.rules.applicability import AUDITED
from services.compliance.domain.rulings import Earliest, Ruling, deny_until
from services.compliance.domain.same_persons import SamePerson, made_of_others

_counted, _touches, _zones = Counter.busiest, Hold.touches, Question.candidate_zones
_ended, _built, _open_on = holds.ended, leaves.build, Hours.on
_law_at = PastSharer.at
_shares, _surely, _forbids = Counted.shares, Counted.surely_shares, Recall.forbids


def _one_too_many(self: Counter, dates: Any) -> int:
    return max(_counted(self, dates) - 1, 0)


def _one_too_few(self: Counter, dates: Any) -> int:
    return _counted(self, dates) + 1


def _forgotten_after_a_week(self: Hold, span: Span) -> bool:
    return _touches(self, span) and span.start < self.valid_from + timedelta(days=7)


def _closes_inclusive(self: Hours, day: date, zone: str) -> Span:
    opening, closing = _open_on(self, day, zone)
    return Span(opening, closing + timedelta(minutes=1))


def _clocks_never_change(day: date, *, zone_name: str, **hours: Any) -> Span:
    winter = hours_on(day.replace(month=1, day=1), zone_name=zone_name, **hours)
    later = timedelta(days=day.timetuple().tm_yday - 1)
    return Span(winter.start + later, winter.end + later)


def _first_zone_only(self: Question, facts: PartyFacts) -> tuple[str, ...]:
    return _zones(self, facts)[:1]


def _same_kind(known: list[Hold], *, kind: str, scope: str, scope_key: str, source_ref: str) -> Hold | None:
    return next((one for one in known if (one.kind, one.scope, one.ended_at) == (kind, scope, None)), None)


def _ended_from_its_beginning(hold: Hold, **_: Any) -> Hold:
    return replace(_ended(hold, at=hold.valid_from), ended_at=hold.valid_from)


def _forgets_the_contact(permit: Permit, **_: Any) -> Permit:
    return replace(permit, state=PermitState.RECORDED, contact_id=None)


def _loses_a_leaf(leaf: leaves.NewLeaf, chain: leaves.Chain, draw: Any) -> leaves.BuiltLeaf:
    built = _built(leaf, chain, draw)
    return replace(built, chain=chain) if leaf.kind == "release" else built


def _without_earliest(rule: Any, moment: Any, detail: str, **values: Any) -> Ruling:
    return replace(deny_until(rule, moment, detail, **values), earliest=Earliest())


def _first_guess(start: Any, refusals: list[Ruling], _refusing_at: Any) -> Earliest:
    moments = [one.earliest.at for one in refusals if one.earliest.at is not None]
    return Earliest(at=min(moments)) if moments else Earliest(after="never")


def _if_named(self: Counted, key: Any, wanted: Any) -> bool:
    return key in self.keys and _shares(self, key, wanted)


def _no_wishes() -> tuple[type, ...]:
    return tuple(kind for kind in AUDITED if kind is not PreferenceRule)


def _failed(self: Counted) -> bool:
    return self.attempt and not (self.contact or self.household_contacted)


def _named_is_free(hold: Hold, *contact: Any, debts: Any, keys: Any) -> bool:
    return covers(hold, *contact, debts=debts, keys=keys) and not (hold.scope == "loan" and debts)


def _names_nothing(hold: Hold, *contact: Any, debts: Any, keys: Any) -> bool:
    return covers(hold, *contact, debts=None, keys=keys)


def _on_no_number(self: Counted, keys: Any, wanted: Any) -> bool:
    return _surely(self, [key for key in keys if key != "contact_point"], wanted)


def _lets_live(is_spared: Callable[[Recall], bool]) -> Any:
    return lambda self, permit: not is_spared(self) and _forbids(self, permit)


def _known_before(*others: Any) -> list[Made]:
    return [structs.replace(one, one_person_since=None) for one in made_of_others(*others)]


def _lived_there_for_ever(self: PastSharer, moment: Any, **known_by: Any) -> Any:
    return _law_at(replace(self, since={}), moment, **known_by)


_DOMAIN = "services.compliance.domain"
# Name → what is replaced by what, and the promise whose breach must come out.
DEFECTS: dict[str, tuple[list[Callable[[], Any]], str]] = {
    "budget off by one": ([lambda: patch.object(Counter, "busiest", _one_too_many)], "a budget was passed"),
    "hold forgotten": ([lambda: patch.object(Hold, "touches", _forgotten_after_a_week)], "a contact under a stop"),
    "closing time inclusive": ([lambda: patch.object(Hours, "on", _closes_inclusive)], "granted against: hours"),
    "clocks never change": (
        [lambda: patch(f"{_DOMAIN}.compiled.hours.hours_on", _clocks_never_change)],
        "granted against: hours",
    ),
    "one of two zones": (
        [lambda: patch.object(Question, "candidate_zones", _first_zone_only)],
        "granted against: hours",
    ),
    "revocation ignored": (
        [lambda: patch.object(Permit, "recallable", lambda *_, **__: False)],
        "a contact under a stop",
    ),
    "permit usable twice": (
        [
            lambda: patch("worlds.bureau.recorded", _forgets_the_contact),
            lambda: patch("worlds.bureau.use", lambda permit, **_: permit),
        ],
        "the audit differs",
    ),
    "permit of the contact told first": (
        [lambda: patch.object(Permit, "covers", lambda self, contact_id, _: self.contact_id in (None, contact_id))],
        "the audit differs",
    ),
    "used reservation lapses": (
        [lambda: patch.object(Permit, "reserves", property(lambda self: self.state is PermitState.GRANTED))],
        "granted against: limit",
    ),
    "two complaints one hold": ([lambda: patch("worlds.hearing.same_source", _same_kind)], "granted against: stop"),
    "end backdated": ([lambda: patch(f"{_DOMAIN}.holds.ended", _ended_from_its_beginning)], "the audit differs"),
    "moratorium of others unread": (
        [lambda: patch("worlds.sharing.reaching", lambda *_: [])],
        "granted against: stop",
    ),
    "contacts of others unread": (
        [lambda: patch.object(Counted, "surely_shares", lambda *_: False)],
        "granted against: limit",
    ),
    "attested history of others unread": (
        [
            lambda place=place: patch(f"{_DOMAIN}.{place}.attested_from", lambda _rule, _question, _facts, own: own)
            for place in ("rules.caps", "compiled.caps")
        ],
        "granted against: limit",
    ),
    "laws of others unread": (
        [
            lambda place=place: patch(f"{_DOMAIN}.{place}.judge_sharers", lambda *_, **__: [])
            for place in ("judging", "compiled.plan")
        ],
        "granted against: limit",
    ),
    "laws of others unread by the audit": (
        [lambda: patch(f"{_DOMAIN}.audit.caps_of_sharers", lambda *_, **__: [])],
        "the audit differs",
    ),
    "who moves in lived there for ever": (
        [lambda: patch.object(PastSharer, "at", _lived_there_for_ever)],
        "the audit differs",
    ),
    "debts counted together": (
        [
            lambda place=place: patch(f"{_DOMAIN}.{place}.several", lambda *_: False)
            for place in ("rules.caps", "compiled.caps")
        ],
        "a refusal names other",
    ),
    "late contact reaches nobody else": (
        [lambda: patch("worlds.bureau.comes_unreserved", lambda *_: False)],
        "a budget was passed",
    ),
    "moratorium never carried": (
        [lambda: patch("worlds.hearing.debts_under", lambda *_: frozenset())],
        "the audit differs",
    ),
    "a loan's hold covers nothing named": (
        [
            lambda place=place: patch(f"{_DOMAIN}.{place}.covers", _named_is_free)
            for place in ("rules.holds", "compiled.judges")
        ],
        "granted against: stop",
    ),
    "a loan's hold covers all": (
        [
            lambda place=place: patch(f"{_DOMAIN}.{place}.covers", _names_nothing)
            for place in ("rules.holds", "compiled.judges")
        ],
        "a refusal names other",
    ),
    "one person ends it": ([lambda: patch(f"{_DOMAIN}.holds.FOUR_EYES", frozenset())], "granted against: stop"),
    "wishes not audited": (
        [lambda: patch(f"{_DOMAIN}.rules.applicability.AUDITED", _no_wishes())],
        "the audit differs",
    ),
    "unlawful call opens a gate": ([lambda: patch.object(Counted, "failed", property(_failed))], "the audit differs"),
    "no hindsight": ([lambda: patch("worlds.bureau.changes", lambda *_, **__: [])], "the audit differs"),
    "no second look": ([lambda: patch("worlds.bureau.refused_now", lambda *_, **__: [])], "a permit outlived"),
    "limit reached too soon": ([lambda: patch.object(Counter, "busiest", _one_too_few)], "a refusal names other"),
    "moved, and judged by the old clocks": (
        [lambda: patch(f"{_DOMAIN}.audited_on.place_at", lambda known, *_, **__: known[0])],
        "the audit differs",
    ),
    "what names no debt counts on none": (
        [lambda: patch.object(Counted, "shares", _if_named)],
        "granted against: limit",
    ),
    "wish ignored": (
        [lambda: patch(f"{_DOMAIN}.rules.hours._inconvenient_spans", lambda *_: [])],
        "granted against: wish",
    ),
    "request good for ever": ([lambda: patch.object(Requested, "covers", lambda *_: True)], "granted against: request"),
    "stale facts believed": (
        [lambda: patch(f"{_DOMAIN}.rules.known.WATERMARK_LIMIT", timedelta(days=9))],
        "a refusal names other",
    ),
    "moved permit kept": (
        [lambda: patch("worlds.bureau.release", lambda permit, **_: permit)],
        "a refusal names other",
    ),
    "sold, and its permits live on": (
        [lambda: patch.object(Recall, "forbids", _lets_live(lambda one: one.cause == "sold"))],
        "a contact for a loan that was sold",
    ),
    "sold, and still collected": (
        [lambda: patch("worlds.bureau.refused_of_debts", lambda *_: None)],
        "granted against: debt",
    ),
    "sold, and its plan is served on": (
        [lambda: patch("services.compliance.domain.reconsidering.refused_of_debts", lambda *_: None)],
        "a plan for a loan that was sold served",
    ),
    "homes that were left are visited": (
        [lambda: patch.object(Recall, "forbids", _lets_live(lambda one: one.contacts is VISITS))],
        "a visit to a home that was left",
    ),
    "calls of others on one number unread": (
        [lambda: patch.object(Counted, "surely_shares", _on_no_number)],
        "granted against: limit",
    ),
    "holds of another id unread": (
        [lambda: patch("worlds.bureau.holds_of_others", lambda *_: [])],
        "granted against: stop",
    ),
    "wishes under another id unread": (
        [lambda: patch("worlds.bureau.dossier_of", lambda own, *_: own)],
        "granted against: wish",
    ),
    "contacts of another id unread": (
        [lambda: patch("worlds.bureau.made_of_others", lambda *_: [])],
        "granted against: limit",
    ),
    "one person, and the permits live on": (
        [lambda: patch.object(Recall, "forbids", _lets_live(lambda one: one.cause == "identity"))],
        "a contact on a permit of before",
    ),
    "one person, known before it was": (
        [lambda: patch("worlds.bureau.made_of_others", _known_before)],
        "the audit differs",
    ),
    "two people, and still one": (
        [lambda: patch.object(SamePerson, "shares", lambda *_: True)],
        "a refusal names other",
    ),
    "leaf lost": ([lambda: patch("worlds.bureau.leaves.build", _loses_a_leaf)], "a gap in the party's chain"),
    "no earliest": ([lambda: patch(f"{_DOMAIN}.rules.holds.deny_until", _without_earliest)], "a refusal without its"),
    "earliest guessed": ([lambda: patch(f"{_DOMAIN}.decisions._earliest", _first_guess)], "the earliest lawful moment"),
}


@contextmanager
def switched_on(name: str) -> Iterator[str]:
    """The defect is in the code; yields the beginning of the promise that it breaks."""
    patches, promise = DEFECTS[name]
    with ExitStack() as stack:
        for one in patches:
            stack.enter_context(one())
        yield promise
