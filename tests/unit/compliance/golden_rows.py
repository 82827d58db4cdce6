"""Reads the golden tables: Markdown rows that a compliance officer can read, and what each of them says.

A row names its rule, the contact, its local time, the situation in phrases separated by `;`, and the answer of that one
rule. What a phrase means stands at the method that reads it; everything not mentioned is known and in favour, but
nothing is told, attested or counted.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from msgspec import structs

from services.compliance.domain.decisions import judge_rule
from services.compliance.domain.facts import (
    Balance,
    Counted,
    Freshness,
    Inconvenient,
    Override,
    PartyFacts,
    Question,
    ThirdPersonAsked,
    Told,
)
from services.compliance.domain.hold_scopes import scope_key_of_debt
from services.compliance.domain.holds import Hold
from services.compliance.domain.local_time import Span, zone
from services.compliance.domain.packs import RuleBook
from services.compliance.domain.rule_records import (
    ConductRule,
    DutyRule,
    EvidenceRule,
    LetterRule,
    PlanTermsRule,
    RetainRule,
    Rule,
    ScopeRule,
)
from services.compliance.domain.rules.applicability import concerned
from services.compliance.domain.rules.records import keep_until, misconduct, overdue, plan_faults, shown
from shared.events.contact import ContactRecorded

from .conftest import CASE, PARTY, REAL

FOLDER = Path(__file__).parent / "golden"
# What a past contact was: the counters it does not count for.
_OUTCOMES: dict[str, dict[str, Any]] = {
    "reserved": {},
    "conversation": {"lawful": True, "unanswered": False},
    "met": {"lawful": True, "unanswered": False},
    "contact": {"conversation": False, "debtor_met": False, "lawful": True, "unanswered": False},
    "household": {"conversation": False, "debtor_met": False, "lawful": True, "unanswered": False},
    "failed": {
        "contact": False, "conversation": False, "household_contacted": False, "debtor_met": False, "lawful": True
    },
}  # fmt: skip
_OUTCOMES["unlawful"] = _OUTCOMES["failed"] | {"lawful": False}
_OUTCOMES["unjudged"] = _OUTCOMES["failed"] | {"lawful": None}
_OUTCOMES["missed"] = _OUTCOMES["failed"] | {"place": "designated"}
_OUTCOMES["appeared"] = _OUTCOMES["met"] | {"place": "designated"}


@dataclass(frozen=True)
class Row:
    """One row of a table."""

    file: str
    place: str
    zone: str
    rule: str
    contact: str
    when: str
    situation: str
    answer: str
    why: str

    @property
    def name(self) -> str:
        """The row's name in the test report."""
        return f"{self.rule}: {self.contact} {self.when} {self.situation} -> {self.answer}"

    @property
    def phrases(self) -> list[list[str]]:
        """The situation, one list of words for each phrase."""
        return [phrase.split() for phrase in self.situation.split(";") if phrase.strip()]


def rows() -> list[Row]:
    """All rows of all tables. `Place:` and `Zone:` above a table say where its people live."""
    found: list[Row] = []
    for file in sorted(FOLDER.glob("*.md")):
        place = zone_name = ""
        for line in file.read_text().splitlines():
            if line.startswith("Place: "):
                place, zone_name = line.removeprefix("Place: ").split(", zone ")
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            if line.startswith("| ") and cells[0] != "Rule" and not cells[0].startswith("-"):
                found.append(Row(file.name, place, zone_name, *cells))
    return found


def answer_of(row: Row, book: RuleBook) -> str:
    """What the row's rule answers, in the table's words."""
    if ["drafts"] in row.phrases:
        book = replace(book, drafts_for=frozenset({row.place}))
    rule = book.rule(row.rule)
    assert rule is not None, f"{row.rule}: no such rule"
    said = {words[0]: words[1:] for words in row.phrases}
    match rule:
        case EvidenceRule():
            return "fine" if shown(rule, _record(row, said), attested=tuple(said.get("attested", ()))) else "finding"
        case ConductRule():
            return "finding" if misconduct(rule, said.get("flag", ())) else "fine"
        case PlanTermsRule():
            contents = set(rule.required) - set(said.get("without", ())) | set(said.get("with", ()))
            return (
                "faulty" if plan_faults(rule, months=int(said.get("months", ["12"])[0]), contents=contents) else "fine"
            )
        case RetainRule():
            last, paid = date.fromisoformat(row.when), said.get("paid")
            beside = [one for name in said.get("beside", ()) if (one := book.rule(name)) is not None]
            kept = keep_until(
                [rule, *beside],
                records=said["of"][0],
                last_contact=last,
                paid_off=date.fromisoformat(paid[0]) if paid else None,
            )
            if kept.rule is None:
                return "kept: no rule says how long"
            return "kept until paid off" if kept.until is None else f"kept until {kept.until}"
        case DutyRule():
            done, cause = said.get("done"), said.get("cause")
            late = overdue(
                rule, now=_moment(row.when), last_done=date.fromisoformat(done[0]) if done else None,
                caused_at=_moment(" ".join(cause)) if cause else None,
            )  # fmt: skip
            return "due" if late else "not due"
        case _:
            return _asked(rule, row, book)


def _moment(text: str) -> datetime:
    """A date, or a date and a time (UTC)."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def _asked(rule: Rule, row: Row, book: RuleBook) -> str:
    day, first, last = row.when.split()  # DATE FROM TO
    start, end = (datetime.fromisoformat(f"{day} {clock}").replace(tzinfo=zone(row.zone)) for clock in (first, last))
    channel, purpose = row.contact.split()
    span = Span(start.astimezone(UTC), end.astimezone(UTC))
    question = Question(
        party_id=PARTY, case_id=CASE, subject_id=uuid4(), channel=channel, purpose=purpose,  # type: ignore[arg-type]
        jurisdiction=row.place, zones=(row.zone,), span=span, duration=span.length, crew=(uuid4(), uuid4()),
        device_id="device-1", place_cell="88309a5915fffff", now=span.start - timedelta(hours=1), real_now=REAL,
    )  # fmt: skip
    facts = PartyFacts(
        party_id=PARTY, known=True, case_id=CASE, case_open=True, case_version=1, jurisdiction=row.place,
        zones=(row.zone,), history_known_from=date(2024, 1, 1), inconvenient=(),
        freshness=Freshness(watermarks={"intake": REAL}),
        balance=Balance(as_of=REAL, overdue_minor={"CNY": 100}, digest="0"),
        letter=frozenset(rule.required) if isinstance(rule, LetterRule) else None,
    )  # fmt: skip
    for words in row.phrases:
        question, facts = _Situation(rule, row.zone).read(words, question, facts)
    asked = [one.id for one in concerned(question, facts, book)]
    if isinstance(rule, ScopeRule):
        return "asked" if rule.widens[0] in asked else "not asked"
    if rule.id not in asked:
        return "not asked"
    ruling = judge_rule(rule, question, facts, book)
    if ruling.earliest.at is not None:
        return f"{ruling.answer.value} until {ruling.earliest.at.astimezone(zone(row.zone)):%Y-%m-%d %H:%M}"
    return ruling.answer.value


def _debt(name: str) -> UUID:
    return UUID(int=ord(name))


@dataclass(frozen=True)
class _Situation:
    """What each phrase changes."""

    rule: Rule
    zone_name: str

    def read(self, words: list[str], asked: Question, known: PartyFacts) -> tuple[Question, PartyFacts]:
        if words[0] == "unknown":  # unknown FIELD
            return self.unknown(words[1], asked, known)
        question = self.question(words, asked)
        return (asked, self.facts(words, asked, known)) if question is None else (question, known)

    def question(self, words: list[str], asked: Question) -> Question | None:
        """Phrases of what is asked; None: the phrase is one of what is known."""
        head, rest = words[0], words[1:]
        match head:
            case "drafts":  # read before: it concerns the book
                return asked
            case "about":  # about A …: the loans that it is about
                return structs.replace(asked, debts=frozenset(map(_debt, rest)))
            case "debt" | "number":  # the contact concerns this debt or number
                key = "debt" if head == "debt" else "contact_point"
                return structs.replace(asked, keys={**asked.keys, key: frozenset(rest)})  # type: ignore[dict-item]
            case "crew":
                return structs.replace(asked, crew=tuple(uuid4() for _ in range(int(rest[0]))))
            case "ahead":  # the asker has seen a later version
                return structs.replace(asked, versions={"case": 2})
            case "duration":  # duration MINUTES
                return structs.replace(asked, duration=timedelta(minutes=int(rest[0])))
        return None

    def facts(self, words: list[str], asked: Question, known: PartyFacts) -> PartyFacts:
        """Phrases of what is known of the person."""
        head, rest = words[0], words[1:]
        match head:
            case "hold":
                return structs.replace(known, holds=(*known.holds, self.hold(rest, asked)))
            case "fact" | "no":  # fact NAME [DAYS days old]
                as_of = asked.span.start - timedelta(days=int(rest[1]) if len(rest) > 1 else 0)
                told = Told(value=head == "fact", as_of=as_of)
                return structs.replace(known, told={**known.told, rest[0]: told})  # type: ignore[dict-item]
            case "past":  # past CHANNEL DATE TIME OUTCOME [xN] [consented|not_connected] [debt=A] [number=1] [thread=t]
                return structs.replace(known, counted=(*known.counted, *self.past(rest, asked)))
            case "collector" | "product" | "place" | "recipient":
                return structs.replace(known, circumstances=structs.replace(known.circumstances, **{head: rest[0]}))  # type: ignore[arg-type]
            case "agreed" | "consent" | "supervisor":  # agreed HH:MM HH:MM; consent; supervisor
                return structs.replace(known, overrides={self.rule.id: (self.override(head, rest, asked),)})
            case "avoid":  # avoid CHANNEL [HH:MM HH:MM]
                hours = [time.fromisoformat(one) for one in rest[1:]] or [None, None]
                avoided = Inconvenient(channels=frozenset({rest[0]}), opens=hours[0], closes=hours[1])  # type: ignore[arg-type]
                return structs.replace(known, inconvenient=(avoided,))
            case "third":  # third never | refused | incomplete | DATE …
                dates = tuple(date.fromisoformat(one) for one in rest if one[0].isdigit())
                ledger = ThirdPersonAsked(dates=dates, refused="refused" in rest, complete="incomplete" not in rest)
                return structs.replace(known, third_person=ledger)
            case "letter":  # letter without ELEMENT
                return structs.replace(known, letter=(known.letter or frozenset()) - set(rest))
            case "history":  # history DATE
                return structs.replace(known, history_known_from=date.fromisoformat(rest[0]))
            case _:
                return self.age(words, known)

    def age(self, words: list[str], known: PartyFacts) -> PartyFacts:
        """Phrases of how old, in seconds, something is that must be fresh."""
        assert words[0] in {"feeder", "log", "balance"}, f"no phrase {' '.join(words)!r}"
        since = REAL - timedelta(seconds=int(words[1]))
        match words[0]:
            case "feeder":  # feeder SECONDS
                return structs.replace(known, freshness=Freshness(watermarks={"intake": since}))
            case "log":  # log SECONDS: age of the oldest leaf that no signed head covers
                return structs.replace(known, freshness=structs.replace(known.freshness, log_waits_since=since))
            case _:  # balance SECONDS MINOR
                return structs.replace(
                    known, balance=Balance(as_of=since, overdue_minor={"CNY": int(words[2])}, digest="")
                )

    def hold(self, rest: list[str], asked: Question) -> Hold:  # hold KIND [loan A] [until DATE TIME]
        loan = scope_key_of_debt(_debt(rest[2])) if "loan" in rest else ""
        until = self.moment(*rest[rest.index("until") + 1 :]) if "until" in rest else None
        return Hold(
            hold_id=uuid4(), party_id=PARTY, kind=rest[0], source_ref="s",  # type: ignore[arg-type]
            scope="loan" if loan else "party", scope_key=loan,
            valid_from=asked.span.start - timedelta(days=1), valid_to=until, recorded_real=REAL,
        )  # fmt: skip

    def moment(self, day: str, clock: str) -> datetime:
        return datetime.fromisoformat(f"{day} {clock}").replace(tzinfo=zone(self.zone_name)).astimezone(UTC)

    def past(self, rest: list[str], asked: Question) -> list[Counted]:
        start = self.moment(rest[1], rest[2])
        values: dict[str, Any] = dict(_OUTCOMES[rest[3]])
        count, keys = 1, {}
        for word in rest[4:]:
            name, _, value = word.partition("=")
            if word.startswith("x"):
                count = int(word[1:])
            elif name == "thread":
                values["thread"] = value
            elif value:
                keys["debt" if name == "debt" else "contact_point"] = frozenset({value})
            else:
                values[word] = True
        if "not_connected" in rest[4:]:
            values |= {"contact": False, "conversation": False}
        return [
            Counted(
                channel=rest[0], purpose=asked.purpose, span=Span(start, start + timedelta(minutes=5)),  # type: ignore[arg-type]
                zones=(self.zone_name,), keys=keys, **values,  # type: ignore[arg-type]
            )
        ] * count  # fmt: skip

    def override(self, head: str, rest: list[str], asked: Question) -> Override:
        valid = Span(asked.span.start - timedelta(days=10), asked.span.end + timedelta(days=10))
        opens, closes = (time.fromisoformat(one) for one in rest) if rest else (None, None)
        by = "supervisor" if head == "supervisor" else "consent"
        return Override(by=by, evidence=uuid4(), valid=valid, opens=opens, closes=closes)  # type: ignore[arg-type]

    def unknown(self, name: str, asked: Question, known: PartyFacts) -> tuple[Question, PartyFacts]:
        if name == "device":
            return structs.replace(asked, device_id=None), known
        blank: dict[str, Any] = {
            "person": {"known": False}, "reference": {"held": True}, "case": {"case_open": False},
            "place": {"jurisdiction": None}, "zone": {"zones": ()}, "balance": {"balance": None},
            "history": {"history_known_from": None}, "letter": {"letter": None}, "preferences": {"inconvenient": None},
        }[name]  # fmt: skip
        return asked, structs.replace(known, **blank)


def _record(row: Row, said: dict[str, list[str]]) -> ContactRecorded:
    flags = {"yes": True, "no": False, "unsaid": None}
    given = {name: flags[words[0]] for name, words in said.items() if words and words[0] in flags}
    return ContactRecorded.model_validate(
        {
            "contact_id": uuid4(), "party_id": PARTY, "channel": row.contact.split()[0], "purpose": "collection",
            "started_at": REAL, "ended_at": REAL, "started_real": REAL, "outcome": "met", "contact": True,
            "conversation": True, "household_contacted": True, "debtor_met": True,
        } | given
    )  # fmt: skip
