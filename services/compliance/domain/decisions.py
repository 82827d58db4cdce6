"""A decision: every rule asked, the joint earliest lawful moment, and the record of why."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Final
from uuid import UUID

import msgspec

from services.compliance.domain.canonical import Json, canonical, format_time
from services.compliance.domain.compiled.asked import Asked
from services.compliance.domain.compiled.plan import plans_of
from services.compliance.domain.facts import PartyFacts, Question
from services.compliance.domain.frames import FORMAT, Frame, shortened
from services.compliance.domain.judging import Stage, applicable, judge, judge_rule
from services.compliance.domain.local_time import Span
from services.compliance.domain.packs import RuleBook
from services.compliance.domain.rulings import NEVER, Answer, Earliest, Ruling, earliest_document

__all__ = [
    "Decision", "Stage", "applicable", "behind", "decide", "decide_plainly", "encoded_record", "judge", "judge_rule",
    "record",
]  # fmt: skip

# Each step moves past at least one rule's refusal; hours and caps alternate at most once a day inside a cap's window.
_MAX_STEPS: Final = 100
_ALLOW: Final = Answer.ALLOW
_DENY: Final = Answer.DENY
_HORIZON: Final = timedelta(days=400)
_IN_ORDER: Final = msgspec.json.Encoder()
_NONE: Final = ()


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer with all rulings. `earliest` is None for an allow.

    `frame`: what its record need not say; None where the plain functions decided.
    """

    answer: Answer
    rulings: tuple[Ruling, ...]
    earliest: Earliest | None
    frame: Frame | None = field(default=None, compare=False, repr=False)

    @property
    def refusals(self) -> tuple[Ruling, ...]:
        """The rulings that stand in the way."""
        return tuple([ruling for ruling in self.rulings if ruling.answer is not _ALLOW])


def decide(question: Question, facts: PartyFacts, book: RuleBook, *, stage: Stage = "grant") -> Decision:
    """Ask every applicable rule. One deny denies; else one missing fact needs that fact; else it is allowed.

    When the asker has seen more than compliance, no deny counts either: it may rest on what is out of date.
    """
    asked = Asked.of(question, facts, book)
    plans = plans_of(question, facts, book, stage)
    plan = plans.of(asked)
    rulings, refusals = plan.judge(asked)
    if not refusals:
        return Decision(_ALLOW, rulings, None, plan.frame)

    def refusing_at(moment: datetime) -> list[Ruling]:
        later = asked.during(Span(moment, moment + question.duration))
        plan_then = plans.of(later)
        # Had a timeless rule refused, nobody would ask about a later moment.
        return plan_then.refusing(later, timed=plan_then is plan)

    return _refused(question, rulings, refusals, refusing_at, plan.frame)


def decide_plainly(question: Question, facts: PartyFacts, book: RuleBook, *, stage: Stage = "grant") -> Decision:
    """The same answer from the plain functions, rule by rule: slow, and the reference for `decide`."""

    def refusing_at(moment: datetime) -> list[Ruling]:
        return [ruling for ruling in judge(question.at(moment), facts, book, stage=stage) if ruling.refuses]

    rulings = tuple(judge(question, facts, book, stage=stage))
    refusals = [ruling for ruling in rulings if ruling.refuses]
    return _refused(question, rulings, refusals, refusing_at) if refusals else Decision(_ALLOW, rulings, None)


def behind(refusals: Iterable[Ruling]) -> bool:
    """Whether compliance has seen less than the asker."""
    return any(ruling.rule.kind == "versions_seen" for ruling in refusals)


def _refused(
    question: Question, rulings: tuple[Ruling, ...], refusals: Sequence[Ruling],
    refusing_at: Callable[[datetime], Sequence[Ruling]], frame: Frame | None = None,
) -> Decision:  # fmt: skip
    answer = Answer.NEEDS_FACT
    for ruling in refusals:
        if ruling.answer is _DENY and not behind(refusals):
            answer = _DENY
            break
    return Decision(answer, rulings, _earliest(question.span.start, refusals, refusing_at), frame)


def _earliest(
    start: datetime, refusals: Sequence[Ruling], refusing_at: Callable[[datetime], Sequence[Ruling]]
) -> Earliest:
    """The first moment at which all rules allow.

    Move to the latest of their moments and ask all again, until none refuses.
    """
    moment = start
    for _ in range(_MAX_STEPS):
        moments = [at for ruling in refusals if (at := ruling.earliest.at) is not None]
        if len(moments) < len(refusals):
            open_ended = [ruling.earliest for ruling in refusals if ruling.earliest.at is None]
            return next((one for one in open_ended if one.after == NEVER), open_ended[0])
        later = max(moments)
        if (later <= moment and moment != start) or later > start + _HORIZON:
            break
        moment = later
        refusals = refusing_at(moment)
        if not refusals:
            return Earliest(at=moment)
    return Earliest(after=NEVER)


def record(
    decision: Decision,
    *,
    question: Question,
    facts: PartyFacts,
    book: RuleBook,
    decision_id: UUID,
    request: dict[str, Json],
    judged_on: str | None = None,
    frame: bytes | None = None,
) -> dict[str, Json]:
    """The decision record: what was asked, every rule with citation and values, the facts' versions, both times.

    `judged_on`: SHA-256 (hexadecimal) of all that was looked at, where that is kept (`domain.judged_on`). `frame`: what
    is left out of the rules (`domain.frames`); None as in the records of before frames.
    """
    rules = [ruling.document() for ruling in decision.rulings]
    named: dict[str, Json] = {}
    if frame is not None:
        named = {"format": FORMAT, "frame": hashlib.sha256(frame).hexdigest()}
    return {
        **named,
        "decision_id": str(decision_id),
        "party_id": str(question.party_id),
        "answer": decision.answer.value,
        "request": request,
        "earliest_lawful": None if decision.earliest is None else earliest_document(decision.earliest),
        "facts": {
            "case_version": facts.case_version,
            "zones": list(question.candidate_zones(facts)),
            "history_known_from": None if facts.history_known_from is None else facts.history_known_from.isoformat(),
            "holds": _names_of_holds(facts),
            "counted": len(facts.counted),
        },
        "judged_on": judged_on,
        "rule_set": book.rule_set,
        "decided_at": format_time(question.now),
        "recorded_at": format_time(question.real_now),
        "rules": rules if frame is None else shortened(rules, frame),
    }


def encoded_record(
    decision: Decision,
    frame: Frame,
    *,
    question: Question,
    facts: PartyFacts,
    book: RuleBook,
    decision_id: UUID,
    request: dict[str, Json],
    judged_on: str | None = None,
) -> bytes:
    """The canonical bytes of the record that names `frame`, the decision's own.

    The names stand in their order here; tests hold it against `record`.
    """
    head = _IN_ORDER.encode(
        _Head(
            decision.answer,
            format_time(question.now),
            decision_id,
            None if decision.earliest is None else earliest_document(decision.earliest),
            _FactsNamed(
                facts.case_version,
                len(facts.counted),
                facts.history_known_from,
                _names_of_holds(facts) if facts.holds else _NONE,
                question.candidate_zones(facts),
            ),
            FORMAT,
            frame.sha256,
            judged_on,
            question.party_id,
            format_time(question.real_now),
            msgspec.Raw(canonical(request)),
            book.rule_set,
        )
    )
    return b'%b,"rules":%b}' % (head[:-1], frame.encoded(decision.rulings))


class _FactsNamed(msgspec.Struct, frozen=True, gc=False):
    """What `record` says of the facts. Fields are written as they stand here: in the order of their names."""

    case_version: int
    counted: int
    history_known_from: date | None
    holds: Sequence[str]
    zones: Sequence[str]


class _Head(msgspec.Struct, frozen=True, gc=False):
    """The document of `record` up to its rules, its fields in the order of their names.

    A struct is written in half a dict's time.
    """

    answer: Answer
    decided_at: str
    decision_id: UUID
    earliest_lawful: Json
    facts: _FactsNamed
    format: int
    frame: str
    judged_on: str | None
    party_id: UUID
    recorded_at: str
    request: msgspec.Raw
    rule_set: str


def _names_of_holds(facts: PartyFacts) -> list[str]:
    return sorted([f"{hold.kind}:{hold.hold_id}" for hold in facts.holds])
