"""A decision judged again: under the rules it names it must come out the same to the byte; under others it may not."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final, Literal
from uuid import UUID

from services.compliance.domain.facts import PartyFacts, Question
from services.compliance.domain.frames import FrameError, told
from services.compliance.domain.judged_on import JudgedOn, UnreadableFactsError, named_by
from services.compliance.domain.packs import Pack, RuleBook
from services.compliance.domain.rulings import Answer

# Since the beginning of the calendar, as far as any rule is concerned.
_ALWAYS: Final = date(1, 1, 1)
ReplayState = Literal["identical", "differs", "damaged"]
Change = Literal["refused", "allowed", "reason", "none"]
GroupName = Literal["jurisdiction", "zone", "product", "collector", "place", "purpose"]
UNKNOWN: Final = "-"

# What the bank may look at when it asks whom a rule touches. Nothing of it says what a person is.
_LABELS: Final[Mapping[GroupName, Callable[[Question, PartyFacts], str | None]]] = {
    "jurisdiction": lambda _, facts: facts.jurisdiction,
    "zone": lambda _, facts: facts.zones[0] if facts.zones else None,
    "product": lambda _, facts: facts.circumstances.product,
    "collector": lambda _, facts: facts.circumstances.collector,
    "place": lambda _, facts: facts.circumstances.place,
    "purpose": lambda question, _: question.purpose,
}


@dataclass(frozen=True, slots=True)
class Replayed:
    """How a stored decision came out again. `record`: its canonical bytes as they come out now; None when damaged."""

    state: ReplayState
    record: bytes | None
    detail: str = ""


def replay(record: bytes, facts: bytes, book: RuleBook, *, frame: bytes | None = None) -> Replayed:
    """Judge the decision again on the facts that were kept, under `book`, the rules that the record names.

    `frame`: the one that the record names; None where it names none, or it is not kept. `damaged`: facts or frame are
    not those that the record names by their digest, or cannot be read. Raises ValueError when the record names other
    rules.
    """
    kept: Mapping[str, Any] = json.loads(record)
    if kept["rule_set"] != book.rule_set:
        raise ValueError("the record names other rules")
    frame = frame if "frame" in kept else None
    try:
        judged_on = named_by(kept, facts)
        before = told(kept, frame)
    except (UnreadableFactsError, FrameError) as error:
        return Replayed("damaged", None, str(error))
    decision = judged_on.decide(book)
    again = judged_on.record_again(
        decision, facts, book=book, decision_id=UUID(kept["decision_id"]), request=kept["request"], frame=frame
    )
    if again == record:
        return Replayed("identical", again)
    return Replayed("differs", again, ", ".join(_differing(before, told(json.loads(again), frame))))


def _differing(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """The parts of the record that differ; of the rules, which."""
    parts = sorted(name for name in then.keys() | now.keys() if name != "rules" and then.get(name) != now.get(name))
    before, after = ({rule["rule"]: rule for rule in one["rules"]} for one in (then, now))
    return parts + sorted(rule for rule in before.keys() | after.keys() if before.get(rule) != after.get(rule))


def as_if_in_force(book: RuleBook, pack_ids: Iterable[str], *, on: date | None = None) -> RuleBook:
    """The rules as if these packs had always been as they are on that date (None: once all of each is in effect).

    Of several versions of a pack the one of that date counts, or else the newest.
    """
    chosen = {pack_id: _version(book, pack_id, on) for pack_id in pack_ids}
    kept = [pack for pack in book.packs if pack.id not in chosen]
    always = [_timeless(pack, on or _complete(pack)) for pack in chosen.values()]
    names = ",".join(sorted(chosen))
    # Order matters where a record lists rules; these records are thrown away.
    return RuleBook(
        packs=(*kept, *always), rule_set=f"{book.rule_set}, as if always: {names}", hashes=book.hashes,
        drafts_for=book.drafts_for,
    )  # fmt: skip


def _version(book: RuleBook, pack_id: str, on: date | None) -> Pack:
    versions = sorted((pack for pack in book.packs if pack.id == pack_id), key=lambda pack: pack.version)
    return next((pack for pack in versions if on is not None and pack.in_force(on)), versions[-1])


def _complete(pack: Pack) -> date:
    """The date on which the last of its rules takes effect."""
    return max([pack.effective_from, *(rule.effective_from for rule in pack.rule)])


def _timeless(pack: Pack, on: date) -> Pack:
    always = {"effective_from": _ALWAYS, "effective_to": None}
    rules = tuple(rule.model_copy(update=always) for rule in pack.rule if rule.in_force(on))
    return pack.model_copy(update={**always, "rule": rules})


@dataclass(slots=True)
class Cell:
    """What became of the decisions of one channel and group. `people` is right when they come person by person."""

    decisions: int = 0
    people: int = 0
    refused: int = 0
    allowed: int = 0
    reason: int = 0
    before_this_pack: int = 0
    _last: UUID | None = None

    def add(self, party_id: UUID, change: Change, *, owed_to_pack: bool) -> None:
        """Count one decision."""
        self.decisions += 1
        self.people += party_id != self._last
        self._last = party_id
        if change == "none":
            return
        if not owed_to_pack:
            self.before_this_pack += 1
        elif change == "refused":
            self.refused += 1
        elif change == "allowed":
            self.allowed += 1
        else:
            self.reason += 1


@dataclass(slots=True)
class Rehearsal:
    """The history judged under rules that are not released yet, counted by channel and group.

    A change that the present rules make as well is not owed to the new ones: it is counted apart, for the rules that
    decided then have changed since.
    """

    new: RuleBook
    present: RuleBook
    by: Sequence[GroupName]
    cells: dict[tuple[str, ...], Cell] = field(default_factory=dict)
    refusing: Counter[str] = field(default_factory=Counter)
    """Rules for which contacts that were allowed would be refused."""
    freeing: Counter[str] = field(default_factory=Counter)
    """Rules for which contacts were refused that would be allowed."""

    def judge(self, judged_on: JudgedOn, *, answer: Answer, refused_by: Sequence[str]) -> Change:
        """Count one decision of the past, by the answer and the refusing rules that were recorded."""
        decision = judged_on.decide(self.new)
        refusing = [ruling.rule.id for ruling in decision.refusals]
        change = _change(answer, decision.answer)
        owed = change == "none" or judged_on.decide(self.present).answer is not decision.answer
        if owed and change == "refused":
            self.refusing.update(refusing)
        elif owed and change == "allowed":
            self.freeing.update(refused_by)
        labels = [_LABELS[name](judged_on.question, judged_on.facts) or UNKNOWN for name in self.by]
        cell = self.cells.setdefault((judged_on.question.channel, *labels), Cell())
        cell.add(judged_on.question.party_id, change, owed_to_pack=owed)
        return change

    def total(self, name: Literal["decisions", "refused", "allowed", "reason", "before_this_pack"]) -> int:
        """Over all cells."""
        return sum(getattr(cell, name) for cell in self.cells.values())


def _change(then: Answer, now: Answer) -> Change:
    if then is now:
        return "none"
    if then is Answer.ALLOW:
        return "refused"
    return "allowed" if now is Answer.ALLOW else "reason"
