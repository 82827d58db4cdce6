"""The desk that opens past decisions to judge them again: by the rules they name, or by rules not released yet."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal, NamedTuple
from uuid import UUID

from services.compliance.domain.counterfactuals import Change, as_of_times, counterfactual
from services.compliance.domain.judged_on import UnreadableFactsError, named_by, unpacked
from services.compliance.domain.narrow_allows import what_would_deny
from services.compliance.domain.packs import PackError
from services.compliance.domain.replay import Rehearsal, replay
from services.compliance.instruments import Instruments
from services.compliance.rule_archive import ArchivedRules, RulePart, read_archived
from services.compliance.store.audits import SEALED_FACTS, KeptDecision
from services.compliance.store.replay import PastDecision, load_page
from services.compliance.store.rule_sources import load_parts
from shared.database import Database, UnitOfWork
from shared.security.party_keys import PartyCipher, Sealed

_PAGE: Final = 500
_FIRST: Final = UUID(int=0)
# Why a decision is not judged again: the person was erased; it was recorded before the facts were kept; the facts are
# not those that it names; the sources of its rules were never kept.
NotJudged = Literal["erased", "not_replayable", "damaged", "rules_not_kept"]
Outcome = Literal["identical", "identical_by_other_code", "differs", "differs_by_other_code"] | NotJudged


class Opened(NamedTuple):
    """A past decision with the canonical bytes of its record and of what it was judged on, or why there are none."""

    decision: PastDecision
    kept: tuple[bytes, bytes] | None
    missing: NotJudged | None


@dataclass
class Replays:
    """What became of decisions judged again by the rules they name. `examples` names some that differ, with where."""

    counts: Counter[Outcome] = field(default_factory=Counter)
    examples: list[tuple[UUID, str]] = field(default_factory=list)


async def past_decisions(
    database: Database, cipher: PartyCipher, *, since: datetime, until: datetime
) -> AsyncIterator[list[Opened]]:
    """The decisions of [since, until) (business time) in pages, person by person; each page in its own transaction."""
    after = (_FIRST, _FIRST)
    while True:
        async with database.read_only() as uow:
            page = await load_page(uow, cipher, since=since, until=until, after=after, limit=_PAGE)
            if not page:
                return
            opened = await _open(uow, cipher, page)
        yield opened
        after = (page[-1].party_id, page[-1].decision_id)


async def _facts_of(uow: UnitOfWork, cipher: PartyCipher, kept: KeptDecision) -> tuple[bytes | None, NotJudged | None]:
    if kept.record is None:
        return None, "erased"
    if kept.sealed_facts is None:
        return None, "not_replayable"
    (text,) = await cipher.open_many(uow, [Sealed(kept.party_id, SEALED_FACTS, kept.sealed_facts)])
    return _unpacked(text)


@dataclass(frozen=True, slots=True)
class Otherwise:
    """Which fact would have changed the answer. `missing`: why that cannot be said; `as_of`: the times of the facts."""

    changes: tuple[Change, ...] = ()
    as_of: Mapping[str, datetime] = field(default_factory=dict)
    missing: NotJudged | None = None


async def otherwise(uow: UnitOfWork, instruments: Instruments, kept: KeptDecision) -> Otherwise:
    """Judge one decision again with facts changed, by the rules that it names."""
    facts, missing = await _facts_of(uow, instruments.cipher, kept)
    if facts is None or kept.record is None:
        return Otherwise(missing=missing)
    record = json.loads(kept.record)
    try:
        judged_on = named_by(record, facts)
    except UnreadableFactsError:
        return Otherwise(missing="damaged")
    book = instruments.book
    if record["rule_set"] != book.rule_set:
        archived = _archived(record["rule_set"], await load_parts(uow, record["rule_set"]))
        if archived is None:
            return Otherwise(as_of=as_of_times(judged_on), missing="rules_not_kept")
        book = archived.book
    changes = counterfactual(judged_on, book) or what_would_deny(judged_on, book)
    return Otherwise(changes, as_of_times(judged_on))


class Replayer:
    """Judges decisions again by the rules that they name; the rules of the past are read once."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._rules: dict[str, ArchivedRules | None] = {}
        self.found = Replays()

    async def judge(self, opened: Opened) -> Outcome:
        """Judge one again and count it."""
        outcome, detail = await self._judged(opened)
        self.found.counts[outcome] += 1
        if outcome not in ("identical", "erased", "not_replayable") and len(self.found.examples) < 20:
            self.found.examples.append((opened.decision.decision_id, detail))
        return outcome

    async def _judged(self, opened: Opened) -> tuple[Outcome, str]:
        if opened.kept is None:
            return opened.missing or "damaged", ""
        record, facts = opened.kept
        rule_set = str(json.loads(record)["rule_set"])
        rules = await self._rules_of(rule_set)
        if rules is None:
            return "rules_not_kept", rule_set
        again = replay(record, facts, rules.book, frame=opened.decision.frame)
        if again.state == "damaged" or not rules.changed_code:
            return again.state, again.detail
        state: Outcome = "identical_by_other_code" if again.state == "identical" else "differs_by_other_code"
        return state, f"{again.detail}; other code: {', '.join(rules.changed_code)}"

    async def _rules_of(self, rule_set: str) -> ArchivedRules | None:
        if rule_set not in self._rules:
            async with self._database.read_only() as uow:
                parts = await load_parts(uow, rule_set)
            self._rules[rule_set] = _archived(rule_set, parts)
        return self._rules[rule_set]


def rehearse(rehearsal: Rehearsal, opened: Opened) -> NotJudged | None:
    """Judge one under the new rules and count it; returns why it cannot be judged."""
    if opened.kept is None:
        return opened.missing
    record, facts = opened.kept
    past = opened.decision
    try:
        judged_on = named_by(json.loads(record), facts)
    except UnreadableFactsError:
        return "damaged"
    rehearsal.judge(judged_on, answer=past.answer, refused_by=past.refused_by)
    return None


def _archived(rule_set: str, parts: tuple[RulePart, ...]) -> ArchivedRules | None:
    """None: they were never kept, or what was kept are not they."""
    try:
        return read_archived(rule_set, parts)
    except PackError:
        return None


async def _open(uow: UnitOfWork, cipher: PartyCipher, page: list[PastDecision]) -> list[Opened]:
    kept = [(one, one.sealed_facts) for one in page if one.sealed_facts is not None]
    texts = await cipher.open_many(uow, [Sealed(one.party_id, SEALED_FACTS, sealed) for one, sealed in kept])
    found = {one.decision_id: _unpacked(text) for (one, _), text in zip(kept, texts, strict=True)}
    return [_joined(one, *found.get(one.decision_id, (None, "not_replayable"))) for one in page]


def _joined(past: PastDecision, facts: bytes | None, missing: NotJudged | None) -> Opened:
    if past.record is None:
        return Opened(past, None, "erased")
    return Opened(past, None if facts is None else (past.record, facts), missing)


def _unpacked(text: str | None) -> tuple[bytes | None, NotJudged | None]:
    if text is None:
        return None, "erased"
    try:
        return unpacked(text), None
    except UnreadableFactsError:
        return None, "damaged"
