"""What a decision was judged on, kept whole to be judged again: the question, the facts, what the desk saw.

Its canonical JSON is hashed into the decision's record and kept sealed under the person's key. It names its fields, so
that what later versions add reads as not known then, and what they leave out is not mistaken for something else.
"""

from __future__ import annotations

import base64
import hashlib
import zlib
from collections.abc import Iterable, Mapping
from operator import attrgetter
from typing import Any, Final, Literal, get_type_hints
from uuid import UUID

import lz4.block
import msgspec

from services.compliance.domain.canonical import Json, canonical
from services.compliance.domain.decisions import Decision, decide, encoded_record, record
from services.compliance.domain.facts import Counted, PartyFacts, Question
from services.compliance.domain.holds import COLLECTING
from services.compliance.domain.packs import FactRule, RuleBook
from services.compliance.domain.rulings import Answer, Earliest, Ruling, deny_after
from shared.events.contact import Purpose

FORMAT: Final = 1
# Begins no base64, so that it tells what follows from what zlib packed.
_LZ4: Final = "lz4:"
DeskRefusal = Literal["request_reused", "not_replaceable", "nothing_demanded", "transferred", "not_collected"]

REUSED: Final = FactRule(
    id="REQUEST-REUSED",
    kind="window_fits",
    citation="Doorstep: a request id names one request; its permit is granted once",
    purposes_blocked=("collection",),
)
REPLACES: Final = FactRule(
    id="PERMIT-REPLACES",
    kind="window_fits",
    citation="Doorstep: only the party's own unused permit for the same channel is replaced",
    purposes_blocked=("collection",),
)
DEMANDED: Final = FactRule(
    id="GUARANTOR-DEMAND",
    kind="window_fits",
    citation="GB/T 45251-2025 cl. 5.3: guarantors only within law and contract; Doorstep: once demanded of",
    purposes_blocked=("collection",),
)
COLLECTED: Final = FactRule(
    id="DEBT-COLLECTED",
    kind="window_fits",
    citation="Doorstep: nothing is collected of a debt that is paid, closed or sold, whatever else the person owes",
    purposes_blocked=("collection", "appointment_admin"),
)
TRANSFERRED: Final = FactRule(
    id="DEBT-TRANSFERRED",
    kind="window_fits",
    citation="Doorstep: of a debt that was sold, or that somebody else services, nothing is collected or planned",
    purposes_blocked=("collection", "appointment_admin", "plan_service"),
)
_DESK_RULES: Final[Mapping[DeskRefusal, tuple[FactRule, str]]] = {
    "request_reused": (REUSED, "the request id was used before, for another contact or a spent permit"),
    "not_replaceable": (REPLACES, "the permit to be replaced is not this party's, or is not unused"),
    "nothing_demanded": (DEMANDED, "nothing has been demanded of this guarantor of the debt"),
    "transferred": (TRANSFERRED, "a debt that was named is another's now"),
    "not_collected": (COLLECTED, "a debt that was named is not collected any more"),
}


def refused_of_debts(named: Iterable[UUID], purpose: Purpose, facts: PartyFacts) -> DeskRefusal | None:
    """Why nobody is contacted about the debts that were named; None: no debt stands in the way."""
    if not facts.guaranteed.isdisjoint(named):
        return "nothing_demanded"
    if purpose in TRANSFERRED.purposes_blocked and not facts.transferred.isdisjoint(named):
        return "transferred"
    collected = facts.keys.get("debt", frozenset())
    idle = any(one in facts.debts and str(one) not in collected for one in named)
    return "not_collected" if idle and purpose in COLLECTING else None


def ruling_of(refused_by: DeskRefusal) -> Ruling:
    """The desk's own refusal as a ruling, beside those of the rules."""
    rule, detail = _DESK_RULES[refused_by]
    return deny_after(rule, "never", detail)


class UnreadableFactsError(ValueError):
    """The kept bytes are not what this codec writes: changed, or of a later format."""


class JudgedOn(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a decision looks at but the rules.

    `replaces`: the permit whose reservation does not count, for the new one stands in its place. `refused_by`: what the
    desk itself refused, beside the rules.
    """

    question: Question
    facts: PartyFacts
    replaces: UUID | None = None
    refused_by: DeskRefusal | None = None

    def decide(self, book: RuleBook) -> Decision:
        """The decision by these rules: the same today and in ten years."""
        decision = decide(self.question, self.facts.without(self.replaces), book)
        if self.refused_by is None:
            return decision
        rulings = (*decision.rulings, ruling_of(self.refused_by))
        return Decision(Answer.DENY, rulings, Earliest(after="never"), decision.frame)

    def record(
        self, decision: Decision, content: bytes, *, book: RuleBook, decision_id: UUID, request: dict[str, Json]
    ) -> bytes:
        """The record of a decision that was made by `decide`. It names `content`, the encoded form of this, by its
        digest. Raises ValueError for one that was made otherwise.
        """
        if decision.frame is None:
            raise ValueError("the plain functions' decisions are not recorded")
        return encoded_record(
            decision, decision.frame, question=self.question, facts=self.facts, book=book, decision_id=decision_id,
            request=request, judged_on=hashlib.sha256(content).hexdigest(),
        )  # fmt: skip

    def record_again(
        self, decision: Decision, content: bytes, *, book: RuleBook, decision_id: UUID, request: dict[str, Json],
        frame: bytes | None,
    ) -> bytes:  # fmt: skip
        """The same with the frame that a record of before names, whichever would be named today; None: with none."""
        if decision.frame is not None and decision.frame.content == frame:
            return self.record(decision, content, book=book, decision_id=decision_id, request=request)
        return canonical(
            record(
                decision, question=self.question, facts=self.facts, book=book, decision_id=decision_id,
                request=request, judged_on=hashlib.sha256(content).hexdigest(), frame=frame,
            )
        )  # fmt: skip

    def encoded(self) -> bytes:
        """Canonical JSON of all of it (RFC 8785: sorted names, no floats)."""
        facts = self.facts
        known = _Facts(*_facts_of(facts))
        # Keys of two parts are no JSON names; contacts are rows under one heading, for there may be hundreds.
        known.versions = [(kind, subject, version) for (kind, subject), version in sorted(facts.versions.items())]
        question = _Question(*_question_of(self.question))
        return _ENCODER.encode(_Document(_COUNTED_AS, known, FORMAT, question, self.refused_by, self.replaces))


def decode(content: bytes) -> JudgedOn:
    """What was kept. A field that did not exist then has its default: not known. Raises UnreadableFactsError."""
    try:
        kept = _DECODER.decode(content)
        if kept.format != FORMAT:
            raise UnreadableFactsError(f"format {kept.format} is not known")
        known = {name: _FACTS[name].decode(raw) for name, raw in kept.facts.items() if name in _FACTS}
        versions = msgspec.json.decode(kept.facts["versions"], type=tuple[tuple[str, UUID, int], ...])
        known["versions"] = {(kind, subject): version for kind, subject, version in versions}
        for name in ("counted", "shared"):
            known[name] = _counted(kept.counted_as, kept.facts[name]) if name in kept.facts else ()
        return JudgedOn(
            question=kept.question, facts=PartyFacts(**known), replaces=kept.replaces, refused_by=kept.refused_by
        )
    except (msgspec.MsgspecError, KeyError, TypeError, ValueError) as error:
        raise UnreadableFactsError(f"the facts cannot be read: {error}") from error


def named_by(record: Mapping[str, Any], content: bytes) -> JudgedOn:
    """What the decision of this record was judged on. Raises UnreadableFactsError, too where the record's digest is of
    other facts.
    """
    if record.get("judged_on") != hashlib.sha256(content).hexdigest():
        raise UnreadableFactsError("the facts are not those that the record names")
    return decode(content)


def packed(content: bytes) -> str:
    """The bytes as text, made small: what is sealed. A year of contacts repeats itself."""
    # A seventh of the time that zlib takes, for half as much again in size.
    return _LZ4 + base64.b64encode(lz4.block.compress(content)).decode()


def unpacked(text: str) -> bytes:
    """The bytes again; what older versions kept was packed by zlib. Raises UnreadableFactsError."""
    try:
        if text.startswith(_LZ4):
            content: bytes = lz4.block.decompress(base64.b64decode(text[len(_LZ4) :], validate=True))
            return content
        return zlib.decompress(base64.b64decode(text, validate=True))
    except (ValueError, zlib.error, lz4.block.LZ4BlockError) as error:
        raise UnreadableFactsError(str(error)) from error


def _counted(names: tuple[str, ...], rows: msgspec.Raw) -> tuple[Counted, ...]:
    if names == Counted.__struct_fields__:
        return msgspec.json.decode(rows, type=tuple[Counted, ...])
    hints = get_type_hints(Counted)
    return tuple(
        Counted(
            **{
                name: msgspec.convert(value, hints[name], strict=False)
                for name, value in zip(names, row, strict=True)
                if name in hints
            }
        )
        for row in msgspec.json.decode(rows, type=list[list[Any]])
    )


class _Kept(msgspec.Struct, kw_only=True):
    format: int
    counted_as: tuple[str, ...] = ()
    question: Question
    facts: dict[str, msgspec.Raw]
    replaces: UUID | None = None
    refused_by: DeskRefusal | None = None


_ENCODER: Final = msgspec.json.Encoder(order="sorted")
_COUNTED_AS: Final = msgspec.Raw(_ENCODER.encode(Counted.__struct_fields__))
_DECODER: Final = msgspec.json.Decoder(_Kept)
_HINTS: Final = get_type_hints(PartyFacts)
_BY_HAND: Final = frozenset({"versions", "counted", "shared"})
_FACTS: Final[dict[str, msgspec.json.Decoder[Any]]] = {
    name: msgspec.json.Decoder(Any if name in _BY_HAND else _HINTS[name])
    for name in sorted(PartyFacts.__struct_fields__)
}
_facts_of: Final = attrgetter(*_FACTS)
# Structs are written in half the time of dicts and dataclasses; their fields stand in the order of their names.
_Facts: Final[Any] = msgspec.defstruct("_Facts", [(name, Any) for name in _FACTS])
_ASKED: Final = sorted(Question.__struct_fields__)
_question_of: Final = attrgetter(*_ASKED)
_Question: Final[Any] = msgspec.defstruct("_Question", [(name, Any) for name in _ASKED])


class _Document(msgspec.Struct, frozen=True):
    counted_as: msgspec.Raw
    facts: Any
    format: int
    question: Any
    refused_by: DeskRefusal | None
    replaces: UUID | None
